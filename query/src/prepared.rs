//! A query that is asked again and again.
//!
//! What does not depend on what it is given is done once: it is read once, and checked once, unless other rules than the
//! last time or aggregates of the program come with the inputs. The order of its goals is kept for inputs that the planner cannot tell
//! apart ([`Plans`]). Nothing of it speaks of facts, so that it is never out of date.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use crate::ast::Query;
use crate::find::own::with_aggregates;
use crate::inputs::Inputs;
use crate::inputs::rules::KeptRules;
use crate::plan::PlanOptions;
use crate::plan::explain::Explain;
use crate::plan::kept::{PlanCounts, Plans};
use crate::run::budget::Meter;
use crate::{Answer, Budget, QueryArg, Result, answer, check, parse, told};

/// A query that was read and can be asked again and again.
#[derive(Clone, Debug)]
pub struct Prepared {
    query: Query,
    /// Set when it has been found to make sense without rules.
    makes_sense: OnceLock<()>,
    rules: Arc<KeptRules>,
    plans: Arc<Plans>,
}

impl Prepared {
    /// Reads a query.
    pub fn new(text: &str) -> Result<Prepared> {
        Ok(Prepared::from(parse::query_text(text)?))
    }

    /// The same query, what becomes of its plans being counted here.
    #[must_use]
    pub fn counted(self, counts: Arc<PlanCounts>) -> Prepared {
        Prepared { plans: Arc::new(Plans::counted(counts)), ..self }
    }

    /// The query as data.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The query with a change to what is asked for: which rows, in which order, whether they are verified. It shares
    /// the plans of this one.
    #[must_use]
    pub fn changed(&self, change: impl FnOnce(&mut Query)) -> Prepared {
        let mut query = self.query.clone();
        change(&mut query);
        Prepared {
            query,
            makes_sense: OnceLock::new(),
            rules: Arc::default(),
            plans: Arc::clone(&self.plans),
        }
    }

    /// How often plans for it were made and found.
    pub fn plans(&self) -> &PlanCounts {
        self.plans.counts()
    }

    /// Answers it over these inputs.
    pub fn q(&self, args: &[QueryArg], budget: &Budget) -> Result<Answer> {
        self.q_inputs(&self.bind(args)?, budget)
    }

    /// Takes its arguments apart.
    pub fn bind<'a>(&self, args: impl IntoIterator<Item = &'a QueryArg>) -> Result<Inputs> {
        Inputs::bind_by(&self.query, args, &|rules| self.rules.read(rules))
    }

    /// As [`Prepared::q`], over inputs that were taken apart.
    pub fn q_inputs(&self, inputs: &Inputs, budget: &Budget) -> Result<Answer> {
        let meter = Meter::new(budget);
        answer(&*self.checked(inputs)?, inputs, &meter, PlanOptions::default(), Some(&self.plans))
    }

    /// Runs it over these inputs and tells how it went.
    pub fn explain(&self, args: &[QueryArg], budget: &Budget) -> Result<Explain> {
        self.explain_inputs(&self.bind(args)?, budget)
    }

    /// As [`Prepared::explain`], over inputs that were taken apart.
    pub fn explain_inputs(&self, inputs: &Inputs, budget: &Budget) -> Result<Explain> {
        let meter = Meter::new(budget);
        let begun = meter.now();
        told(&*self.checked(inputs)?, inputs, &meter, PlanOptions::default(), Some(&self.plans), begun)
    }

    fn checked(&self, inputs: &Inputs) -> Result<Cow<'_, Query>> {
        let query = with_aggregates(&self.query, inputs.functions())?;
        let rules = inputs.rule_book();
        let check = || check::query(&query, rules.all());
        match query {
            Cow::Owned(_) => check()?,
            Cow::Borrowed(_) if !rules.all().is_empty() => self.rules.check(rules, check)?,
            Cow::Borrowed(_) if self.makes_sense.get().is_some() => {}
            Cow::Borrowed(_) => {
                check()?;
                self.makes_sense.get_or_init(|| ());
            }
        }
        Ok(query)
    }
}

impl From<Query> for Prepared {
    fn from(query: Query) -> Prepared {
        Prepared { query, makes_sense: OnceLock::new(), rules: Arc::default(), plans: Arc::default() }
    }
}
