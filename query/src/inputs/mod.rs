//! What a query is given, taken apart: arguments to sources, rules, patterns and relations.
//!
//! An input variable that stands for an entity somewhere in the query may be given an ident or a lookup ref; these are
//! settled here, once ([`places`]), so that afterwards a value is a value and joins compare nothing but values. A log
//! given to a variable is known by a value that stands for it, so that it goes wherever values go.

pub(crate) mod places;
pub(crate) mod rules;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use annals_storage::datom::Symbol;
use foldhash::fast::FixedState;

use crate::QueryArg;
use crate::ast::{Binding, Clause, ClauseKind, Input, PullPattern, Query, Rule, SourceName, Var};
use crate::edn::{Edn, Form};
use crate::error::{Error, Result};
use crate::functions::Functions;
use crate::parse;
use crate::source::{Source, TxLog};
use rules::RuleBook;

/// What a source's name stands for.
#[derive(Clone)]
pub enum SourceArg {
    /// A database.
    Db(Arc<dyn Source>),
    /// Tuples of any width; patterns go by position.
    Collection(Arc<[Vec<Edn>]>),
    /// A log; no pattern goes over it.
    Log(Arc<dyn TxLog>),
}

impl SourceArg {
    /// The database that it is; `name` is for the error if it is none.
    pub fn database(&self, name: &SourceName) -> Result<&dyn Source> {
        let found = match self {
            SourceArg::Db(source) => return Ok(source.as_ref()),
            SourceArg::Collection(_) => "a collection",
            SourceArg::Log(_) => "a log",
        };
        let message = format!("the source `{}` is {found} where a database is needed", name.0);
        Err(Error::incorrect("db.error/invalid-data-source", message))
    }
}

/// The error for a pattern over a log.
pub(crate) fn no_pattern_over_a_log(name: &SourceName) -> Error {
    let message = format!("the source `{}` is a log, which has no patterns", name.0);
    Error::incorrect("db.error/invalid-data-source", message)
        .hint(format!("read it by a function: [(tx-data {} ?tx) [[?e ?a ?v]]]", name.0))
}

/// One thing that a query is given.
pub(crate) enum Given<'a> {
    /// A source.
    Source(SourceArg),
    /// Rules that were read.
    Rules(Arc<RuleBook>),
    /// Anything else.
    Value(&'a Edn),
}

impl<'a> Given<'a> {
    fn of(arg: &'a QueryArg) -> Given<'a> {
        match arg {
            QueryArg::Source(source) => Given::Source(SourceArg::Db(Arc::clone(source))),
            QueryArg::Log(log) => Given::Source(SourceArg::Log(Arc::clone(log))),
            QueryArg::Value(edn) => Given::Value(edn),
        }
    }
}

/// How deep clauses stand inside each other; parsing has bounded it.
pub(crate) fn levels(clauses: &[Clause]) -> usize {
    let deeper = |clause: &Clause| match &clause.kind {
        ClauseKind::Not { clauses, .. } | ClauseKind::And(clauses) => levels(clauses),
        ClauseKind::Or { branches, .. } => branches.iter().map(|branch| levels(branch)).max().unwrap_or(0),
        _ => 0,
    };
    clauses.iter().map(|clause| 1 + deeper(clause)).max().unwrap_or(0)
}

/// The tag of values that stand for logs.
const LOG_TAG: &str = "annals/log";

/// The values of one input: distinct rows over distinct variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relation {
    /// The variables.
    pub vars: Vec<Var>,
    /// One value for each variable.
    pub rows: Vec<Vec<Edn>>,
}

/// Everything a query is given.
#[derive(Clone, Default)]
pub struct Inputs {
    sources: HashMap<SourceName, SourceArg, FixedState>,
    patterns: HashMap<Symbol, PullPattern, FixedState>,
    rules: Option<Arc<RuleBook>>,
    relations: Vec<Relation>,
    /// The logs that values stand for, by number.
    logs: Vec<Arc<dyn TxLog>>,
    /// The functions of the program.
    functions: Functions,
    /// How many queries this one is asked inside of.
    depth: usize,
    /// How deep clauses stand inside each other, in this query and those around it together.
    levels: usize,
}

impl Inputs {
    /// Takes the arguments of a query apart.
    pub fn bind(query: &Query, args: &[QueryArg]) -> Result<Inputs> {
        Inputs::bind_by(query, args, &RuleBook::read)
    }

    /// The same; rules are read by `read`.
    pub(crate) fn bind_by<'a>(
        query: &Query,
        args: impl IntoIterator<Item = &'a QueryArg>,
        read: &dyn Fn(&Edn) -> Result<Arc<RuleBook>>,
    ) -> Result<Inputs> {
        let mut given: Vec<Given<'_>> = args.into_iter().map(Given::of).collect();
        for (input, given) in query.inputs.iter().zip(&mut given) {
            if let (Input::Rules, Given::Value(edn)) = (input, &*given) {
                *given = Given::Rules(read(edn)?);
            }
        }
        Inputs::default().taking(query, given)
    }

    /// The inputs of a query that is asked inside the one with these.
    pub(crate) fn inside(&self, query: &Query, given: Vec<Given<'_>>) -> Result<Inputs> {
        let functions = self.functions.clone();
        let logs = self.logs.clone();
        let inner =
            Inputs { logs, functions, depth: self.depth + 1, levels: self.levels, ..Inputs::default() };
        inner.taking(query, given)
    }

    /// The same inputs but for one source.
    pub(crate) fn with_source(&self, name: &SourceName, source: Arc<dyn Source>) -> Inputs {
        let mut inputs = self.clone();
        inputs.sources.insert(name.clone(), SourceArg::Db(source));
        inputs
    }

    fn taking(mut self, query: &Query, args: Vec<Given<'_>>) -> Result<Inputs> {
        check_count(query, args.len())?;
        for (input, arg) in query.inputs.iter().zip(args) {
            self.take(input, arg)?;
        }
        self.settle_names(query)?;
        self.levels += levels(&query.clauses);
        Ok(self)
    }

    fn take(&mut self, input: &Input, arg: Given<'_>) -> Result<()> {
        match (input, arg) {
            (Input::Source(name), Given::Source(source)) => {
                self.sources.insert(name.clone(), source);
            }
            (Input::Source(name), Given::Value(edn)) => {
                let source = self.log(edn).map(|log| Ok(SourceArg::Log(Arc::clone(log))));
                self.sources.insert(name.clone(), source.unwrap_or_else(|| collection(name, edn))?);
            }
            (Input::Binding(binding), Given::Source(SourceArg::Log(log))) => {
                self.logs.push(log);
                self.bind_value(binding, &log_value(self.logs.len() - 1))?;
            }
            (input, Given::Source(_)) => {
                let message = format!("the input `{}` is given a source", describe(input));
                return Err(Error::incorrect("db.error/input-shape", message)
                    .hint("databases go to names that begin with $"));
            }
            (Input::Rules, Given::Rules(rules)) => self.take_rules(rules),
            (input, Given::Rules(_)) => {
                let message = format!("the input `{}` is given rules", describe(input));
                return Err(Error::incorrect("db.error/input-shape", message).hint("rules go to %"));
            }
            (Input::Rules, Given::Value(edn)) => self.take_rules(RuleBook::read(edn)?),
            (Input::Pattern(name), Given::Value(edn)) => {
                self.patterns.insert(name.clone(), parse::pull(&Form::from(edn.clone()))?);
            }
            (Input::Binding(binding), Given::Value(edn)) => self.bind_value(binding, edn)?,
        }
        Ok(())
    }

    fn take_rules(&mut self, rules: Arc<RuleBook>) {
        self.rules = Some(match self.rules.take() {
            Some(before) => before.and(&rules),
            None => rules,
        });
    }

    fn bind_value(&mut self, binding: &Binding, value: &Edn) -> Result<()> {
        let shape = |message| Error::incorrect("db.error/input-shape", message);
        let (vars, rows) = destructure(binding, value, &shape)?;
        self.relations.push(Relation { vars, rows: rows.into_iter().collect() });
        Ok(())
    }

    /// Idents and lookup refs to entities, numbers to the types of their attributes.
    fn settle_names(&mut self, query: &Query) -> Result<()> {
        let mut relations = std::mem::take(&mut self.relations);
        for relation in &mut relations {
            for at in 0..relation.vars.len() {
                let mut places = places::of_variable(&query.clauses, self.rules(), &relation.vars[at]);
                places.extend(places::of_pulls(&query.find, &relation.vars[at]));
                if !places.is_empty() {
                    self.settle_column(&places, relation, at)?;
                }
            }
        }
        self.relations = relations;
        Ok(())
    }

    fn settle_column(&self, places: &[places::Place], relation: &mut Relation, at: usize) -> Result<()> {
        let mut rows = BTreeSet::new();
        for mut row in relation.rows.drain(..) {
            if let Some(value) = places::settle(self, places, &row[at])? {
                row[at] = value;
                rows.insert(row);
            }
        }
        relation.rows = rows.into_iter().collect();
        Ok(())
    }

    /// What a source's name stands for.
    pub fn source(&self, name: &SourceName) -> Result<&SourceArg> {
        self.sources.get(name).ok_or_else(|| {
            Error::incorrect("db.error/unknown-source", format!("there is no source `{}`", name.0))
                .hint("name every source in :in, and give it as an argument")
        })
    }

    /// A source with its name, as the inputs hold them.
    pub(crate) fn named_source(&self, name: &SourceName) -> Result<(&SourceName, &SourceArg)> {
        self.source(name)?;
        Ok(self.sources.get_key_value(name).expect("the source was found"))
    }

    /// The database with this name.
    pub fn database(&self, name: &SourceName) -> Result<&dyn Source> {
        self.source(name)?.database(name)
    }

    /// The log that a value stands for.
    pub(crate) fn log(&self, value: &Edn) -> Option<&Arc<dyn TxLog>> {
        match value {
            Edn::Tagged(tag, number) if tag.as_str() == LOG_TAG => match **number {
                Edn::Int(number) => self.logs.get(usize::try_from(number).ok()?),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same inputs, with functions of the program that the query may call.
    #[must_use]
    pub fn with_functions(self, functions: Functions) -> Inputs {
        Inputs { functions, ..self }
    }

    /// The functions of the program.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// How many queries this one is asked inside of.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// How deep clauses stand inside each other, in this query and those around it together.
    pub(crate) fn levels(&self) -> usize {
        self.levels
    }

    /// All sources.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceName, &SourceArg)> {
        self.sources.iter()
    }

    /// The pull pattern given under this name.
    pub fn pattern(&self, name: &Symbol) -> Result<&PullPattern> {
        self.patterns.get(name).ok_or_else(|| {
            Error::incorrect("db.error/invalid-query", format!("no input gives the pull pattern `{name}`"))
        })
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        self.rule_book().all()
    }

    /// The rules, for a query inside this one.
    pub(crate) fn shared_rules(&self) -> Arc<RuleBook> {
        self.rules.clone().unwrap_or_default()
    }

    /// The rules, with what was found out about them.
    pub(crate) fn rule_book(&self) -> &RuleBook {
        self.rules.as_deref().unwrap_or_else(|| RuleBook::empty())
    }

    /// The values, one relation for each input that binds variables. Relations that share a variable join on it.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// The value of an input that is one variable.
    pub fn scalar(&self, var: &Var) -> Option<&Edn> {
        let relation = self.relations.iter().find(|relation| relation.vars == [var.clone()])?;
        match relation.rows.as_slice() {
            [row] => row.first(),
            _ => None,
        }
    }

    /// A constant in a rule call as the rule's body takes it: a name as its entity, where an entity is meant.
    /// `None` if a lookup ref finds nothing.
    pub fn rule_argument(
        &self,
        rule: &Symbol,
        at: usize,
        source: &SourceName,
        value: &Edn,
    ) -> Result<Option<Edn>> {
        places::settle(self, &places::of_rule_argument(self.rules(), rule, at, source), value)
    }
}

/// Refuses another number of arguments than the query takes.
pub(crate) fn check_count(query: &Query, count: usize) -> Result<()> {
    // A query of functions alone needs no database, and need not say so.
    let only_default = matches!(query.inputs.as_slice(), [Input::Source(name)] if name.is_default());
    if query.inputs.len() == count || (only_default && count == 0) {
        return Ok(());
    }
    let message = format!("the query takes {} inputs, {count} are given", query.inputs.len());
    let names: Vec<_> = query.inputs.iter().map(describe).collect();
    Err(Error::incorrect("db.error/input-arity", message).hint(format!("its :in is [{}]", names.join(" "))))
}

/// The value that stands for a log in a query.
fn log_value(number: usize) -> Edn {
    Edn::Tagged(Symbol::new(LOG_TAG), Box::new(Edn::Int(number as i64)))
}

/// The tuples of a collection that is given as a source.
fn collection(name: &SourceName, given: &Edn) -> Result<SourceArg> {
    let refused = |message| Err(Error::incorrect("db.error/invalid-data-source", message));
    let rows: Vec<&Edn> = match given {
        Edn::Vector(rows) | Edn::List(rows) => rows.iter().collect(),
        Edn::Set(rows) => rows.iter().collect(),
        other => {
            let message =
                format!("the source `{}` is a {}, not a database or collection", name.0, other.type_name());
            return refused(message);
        }
    };
    let mut tuples = Vec::with_capacity(rows.len());
    for row in rows {
        match row.as_seq() {
            Some(tuple) => tuples.push(tuple.to_vec()),
            None => {
                return refused(format!("the source `{}` holds a {}, not a tuple", name.0, row.type_name()));
            }
        }
    }
    Ok(SourceArg::Collection(tuples.into()))
}

/// An input as it is written.
fn describe(input: &Input) -> String {
    fn binding(it: &Binding) -> String {
        match it {
            Binding::Var(var) => var.0.to_string(),
            Binding::Ignore => "_".into(),
            Binding::Tuple(parts) => format!("[{}]", parts.iter().map(binding).collect::<Vec<_>>().join(" ")),
            Binding::Collection(part) if matches!(**part, Binding::Tuple(_)) => {
                format!("[{}]", binding(part))
            }
            Binding::Collection(part) => format!("[{} ...]", binding(part)),
        }
    }
    match input {
        Input::Source(name) => name.0.to_string(),
        Input::Rules => "%".into(),
        Input::Pattern(name) => name.to_string(),
        Input::Binding(it) => binding(it),
    }
}

/// The variables of a binding, each once, in order.
pub(crate) fn binding_vars(binding: &Binding) -> Vec<Var> {
    fn walk(binding: &Binding, vars: &mut Vec<Var>) {
        match binding {
            Binding::Var(var) if !vars.contains(var) => vars.push(var.clone()),
            Binding::Var(_) | Binding::Ignore => {}
            Binding::Tuple(parts) => parts.iter().for_each(|part| walk(part, vars)),
            Binding::Collection(part) => walk(part, vars),
        }
    }
    let mut vars = Vec::new();
    walk(binding, &mut vars);
    vars
}

/// The rows a value gives to a binding. A variable that stands twice must get equal values.
///
/// `wrong` makes the error for a value of another shape than the binding's.
pub(crate) fn destructure(
    binding: &Binding,
    value: &Edn,
    wrong: &dyn Fn(String) -> Error,
) -> Result<(Vec<Var>, BTreeSet<Vec<Edn>>)> {
    let vars = binding_vars(binding);
    let bound = bind(binding, value, &vars, vec![vec![None; vars.len()]], wrong)?;
    let rows = bound.into_iter().map(|row| row.into_iter().map(|value| value.unwrap_or(Edn::Nil)).collect());
    Ok((vars, rows.collect()))
}

/// A row while it is bound: the variables met so far have values.
type Partial = Vec<Option<Edn>>;

fn bind(
    binding: &Binding,
    value: &Edn,
    vars: &[Var],
    rows: Vec<Partial>,
    wrong: &dyn Fn(String) -> Error,
) -> Result<Vec<Partial>> {
    match binding {
        Binding::Ignore => Ok(rows),
        Binding::Var(var) => {
            let at = vars.iter().position(|known| known == var).expect("all variables of the binding");
            let fits = |row: &Partial| row[at].as_ref().is_none_or(|bound| bound == value);
            Ok(rows
                .into_iter()
                .filter(fits)
                .map(|mut row| {
                    row[at] = Some(value.clone());
                    row
                })
                .collect())
        }
        Binding::Tuple(parts) => {
            let Some(slots) = value.as_seq() else {
                return Err(wrong(format!(
                    "a tuple of {} is expected, not a {}",
                    parts.len(),
                    value.type_name()
                )));
            };
            // What a tuple has beyond the binding is not asked for.
            if slots.len() < parts.len() {
                return Err(wrong(format!("a tuple of {} is expected, not of {}", parts.len(), slots.len())));
            }
            parts.iter().zip(slots).try_fold(rows, |rows, (part, slot)| bind(part, slot, vars, rows, wrong))
        }
        Binding::Collection(part) => {
            let elements: Vec<Edn> = match value {
                Edn::Nil => Vec::new(),
                Edn::Vector(elements) | Edn::List(elements) => elements.clone(),
                Edn::Set(elements) => elements.iter().cloned().collect(),
                Edn::Map(pairs) => {
                    pairs.iter().map(|(k, v)| Edn::Vector(vec![k.clone(), v.clone()])).collect()
                }
                other => return Err(wrong(format!("a collection is expected, not a {}", other.type_name()))),
            };
            let mut all = Vec::new();
            for element in &elements {
                all.extend(bind(part, element, vars, rows.clone(), wrong)?);
            }
            Ok(all)
        }
    }
}

#[cfg(test)]
mod tests;
