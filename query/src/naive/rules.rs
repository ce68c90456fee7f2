//! Rules: one table of answers for each way a rule is called, filled until nothing new comes.
//!
//! A call is the rule, the source and the arguments that have values. While tables are being filled, a call met in a
//! body is entered into them and takes what is there so far; the whole is gone over again until no table has
//! grown. Answers only ever grow, and values come from a finite set of facts unless functions make new ones.

use std::collections::{BTreeMap, BTreeSet};

use annals_storage::datom::Symbol;

use crate::ast::{Best, SourceName, Term};
use crate::edn::Edn;
use crate::error::Result;
use crate::functions;
use crate::rules::fixpoint::not_monotone;

use super::{Env, Envs, Vars, Whole, World};

/// The rule, the source that is `$` in it, and the arguments that have values.
type Ask = (Symbol, SourceName, Vec<Option<Edn>>);

/// Rows of a rule's arguments.
type Answers = BTreeSet<Vec<Edn>>;

/// What is known of the rules.
#[derive(Default)]
pub(super) struct Tables {
    /// Answers that will not grow any more.
    complete: BTreeMap<Ask, Answers>,
    /// Answers so far.
    growing: BTreeMap<Ask, Answers>,
    /// True while `growing` is being filled.
    filling: bool,
    /// How often a best value was replaced by a better one.
    replaced: usize,
}

impl Tables {
    /// Tables for what must be complete before it is used: nothing in them is growing.
    pub(super) fn beside(&mut self) -> Tables {
        Tables { complete: std::mem::take(&mut self.complete), ..Tables::default() }
    }

    /// Takes back what [`Tables::beside`] lent, with what was added.
    pub(super) fn keep(&mut self, beside: Tables) {
        self.complete = beside.complete;
    }
}

impl World<'_> {
    /// The bindings that satisfy a call of a rule and extend one of `envs`.
    pub(super) fn rule(
        &self,
        source: &SourceName,
        name: &Symbol,
        args: &[Term],
        envs: Envs,
        tables: &mut Tables,
    ) -> Result<Envs> {
        let mut extended = Envs::new();
        'envs: for env in envs {
            let mut given = Vec::with_capacity(args.len());
            for (at, arg) in args.iter().enumerate() {
                given.push(match arg {
                    Term::Var(var) => env.get(var).cloned(),
                    Term::Blank => None,
                    Term::Const(edn) => match self.inputs.rule_argument(name, at, source, edn)? {
                        Some(value) => Some(value),
                        None => continue 'envs,
                    },
                });
            }
            // The best value is compared when it is known.
            let wanted = self.best(name).and_then(|best| Some((best.at, given[best.at].take()?)));
            let answers = self.answers((name.clone(), source.clone(), given), tables)?;
            let is_wanted = |row: &&Vec<Edn>| wanted.as_ref().is_none_or(|(at, value)| row[*at] == *value);
            let rows = answers.iter().filter(is_wanted).filter_map(|row| unified(args, row)).collect();
            extended.extend(self.join(&Envs::from([env]), &rows)?);
        }
        Ok(extended)
    }

    /// The answers of a call: all of them, or those so far if tables are being filled.
    fn answers(&self, ask: Ask, tables: &mut Tables) -> Result<Answers> {
        if let Some(answers) = tables.complete.get(&ask) {
            return Ok(answers.clone());
        }
        let so_far = tables.growing.entry(ask.clone()).or_default().clone();
        if tables.filling {
            return Ok(so_far);
        }
        tables.filling = true;
        self.fill(tables)?;
        tables.filling = false;
        let filled = std::mem::take(&mut tables.growing);
        tables.complete.extend(filled);
        Ok(tables.complete[&ask].clone())
    }

    /// Goes over all growing tables until none of them grows and no call is added.
    fn fill(&self, tables: &mut Tables) -> Result<()> {
        loop {
            let size =
                |tables: &Tables| (tables.growing.len(), tables.growing.values().map(BTreeSet::len).sum());
            let before: (usize, usize) = size(tables);
            let replaced = tables.replaced;
            for ask in tables.growing.keys().cloned().collect::<Vec<_>>() {
                let found = self.once(&ask, tables)?;
                let best = self.best(&ask.0);
                let known = tables.growing.entry(ask).or_default();
                match best {
                    None => known.extend(found),
                    Some(best) => {
                        let all = known.iter().cloned().chain(found).collect();
                        let kept = only_best(all, best);
                        tables.replaced += known.difference(&kept).count();
                        *known = kept;
                    }
                }
            }
            let after = size(tables);
            self.meter.check(after.1 + tables.replaced)?;
            if after == before && tables.replaced == replaced {
                return self.settle(tables);
            }
        }
    }

    /// Makes sure that each best value follows from the best values.
    fn settle(&self, tables: &mut Tables) -> Result<()> {
        for (ask, known) in tables.growing.clone() {
            if let Some(best) = self.best(&ask.0)
                && only_best(self.once(&ask, tables)?, best) != known
            {
                return Err(not_monotone());
            }
        }
        Ok(())
    }

    /// The argument of which a rule keeps the best value.
    fn best(&self, name: &Symbol) -> Option<Best> {
        self.inputs.rules().iter().find(|rule| rule.name == *name)?.best
    }

    /// What the definitions give, with every call in them answered by what is there so far.
    fn once(&self, (name, source, given): &Ask, tables: &mut Tables) -> Result<Answers> {
        let mut answers = Answers::new();
        for rule in self.inputs.rules().iter().filter(|rule| rule.name == *name) {
            let mut start = Env::new();
            let values = rule.args.iter().zip(given).filter_map(|(var, value)| Some((var, value.as_ref()?)));
            start.extend(values.map(|(var, value)| (var.clone(), value.clone())));
            let mut bound: Vars = start.keys().cloned().collect();
            let whole = Whole { clauses: &rule.body, source };
            let found = self.satisfy(&whole, &rule.body, source, &mut bound, Envs::from([start]), tables)?;
            answers.extend(
                found.iter().map(|env| rule.args.iter().map(|var| env[var].clone()).collect::<Vec<_>>()),
            );
        }
        Ok(answers)
    }
}

/// The rows with the best value among those that are equal otherwise.
fn only_best(rows: Answers, best: Best) -> Answers {
    let others = |row: &[Edn]| [&row[..best.at], &row[best.at + 1..]].concat();
    let is_better = |one: &[Edn], other: &[Edn]| {
        let side = functions::total(&one[best.at], &other[best.at]);
        if best.greatest { side.is_gt() } else { side.is_lt() }
    };
    let is_best =
        |row: &&Vec<Edn>| rows.iter().all(|other| others(other) != others(row) || !is_better(other, row));
    rows.iter().filter(is_best).cloned().collect()
}

/// A rule's row as values of the variables in a call; a variable that stands twice needs equal values.
fn unified(args: &[Term], row: &[Edn]) -> Option<Env> {
    let mut env = Env::new();
    for (arg, value) in args.iter().zip(row) {
        if let Term::Var(var) = arg
            && env.entry(var.clone()).or_insert_with(|| value.clone()) != value
        {
            return None;
        }
    }
    Some(env)
}
