//! Clauses become goals: every name is replaced by what it stands for.
//!
//! Each scope (the query, an `or-join`, a rule's body) maps names of variables to places. A rule that does not call
//! itself is replaced by its bodies, its arguments written into them, as long as the plan stays small; the others
//! stay calls. Patterns are in [`super::pattern`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use annals_storage::datom::Symbol;
use foldhash::fast::FixedState;

use super::steps::shape_of;
use super::vars::visible;
use super::{Argument, Callee, Goal, Invocation, Place, PlanOptions, RuleCall, VarId, recursion::Rules};
use crate::ast::{Arg, Binding, Call, Clause, ClauseKind, Rule, SourceName, Term, Var};
use crate::edn::{Edn, Span};
use crate::error::{Error, Result};
use crate::functions;
use crate::inputs::{Inputs, SourceArg, binding_vars, places};
use crate::run::pool::Pool;

/// What planning knows and keeps.
pub struct Planner<'q> {
    /// What the query is given.
    pub inputs: &'q Inputs,
    /// Where facts and tuples come from; a number of a source is its place here.
    pub sources: Vec<(&'q SourceName, &'q SourceArg)>,
    /// The rules.
    pub rules: &'q Rules,
    /// The values met so far.
    pub pool: &'q mut Pool,
    /// The name of each variable.
    pub names: Vec<Symbol>,
    /// How many steps have been planned.
    pub steps: usize,
    /// What is prescribed.
    pub options: PlanOptions,
    /// How many rules are being compiled inside of each other.
    pub depth: usize,
    /// The variable whose pattern comes first in the next conjunction, whatever it costs.
    pub lead: Option<VarId>,
    /// True if the plan depends on facts that were looked at, not on counts alone.
    pub sampled: bool,
}

/// What names mean in one part of a query.
#[derive(Clone, Debug, Default)]
pub struct Scope<'q> {
    /// The source that `$` stands for.
    pub default: Option<usize>,
    /// The query or body that this is a part of, and the source that `$` stands for there.
    pub whole: (&'q [Clause], Option<usize>),
    /// What variables stand for.
    pub vars: HashMap<Var, Place, FixedState>,
}

impl Planner<'_> {
    /// A variable that no clause names.
    pub fn fresh(&mut self, name: &Symbol) -> VarId {
        let id = VarId(u32::try_from(self.names.len()).expect("a query has fewer than 2^32 variables"));
        self.names.push(name.clone());
        id
    }

    /// The goals of a conjunction.
    pub fn goals(&mut self, clauses: &[Clause], scope: &mut Scope<'_>) -> Result<Vec<Goal>> {
        let mut goals = Vec::with_capacity(clauses.len());
        self.collect(clauses, scope, &mut goals)?;
        self.push_down(&mut goals)?;
        Ok(goals)
    }

    fn collect(&mut self, clauses: &[Clause], scope: &mut Scope<'_>, goals: &mut Vec<Goal>) -> Result<()> {
        for clause in clauses {
            self.clause(clause, scope, goals).map_err(|error| error.at(clause.span))?;
        }
        Ok(())
    }

    fn clause(&mut self, clause: &Clause, scope: &mut Scope<'_>, goals: &mut Vec<Goal>) -> Result<()> {
        let span = clause.span;
        match &clause.kind {
            ClauseKind::Pattern { source, terms } => goals.push(self.pattern(source, terms, scope)?),
            ClauseKind::Predicate(call) => goals.push(Goal::Test(self.invocation(call, scope, span)?)),
            ClauseKind::Function(call, binding) => {
                let mut call = self.invocation(call, scope, span)?;
                let shape = shape_of(binding, &mut |var| self.place(var, scope));
                call.meant = self.meant(binding, scope);
                goals.push(Goal::Bind(call, shape));
            }
            ClauseKind::Rule { source, name, args } => self.rule(source, name, args, scope, span, goals)?,
            ClauseKind::Not { source, join, clauses } => {
                let shared = join.clone().unwrap_or_else(|| visible(std::slice::from_ref(&clauses)));
                let on = self.join_vars(&shared, scope);
                let mut inner = self.inner(source, join.as_deref(), scope)?;
                goals.push(Goal::Not { on, goals: self.goals(clauses, &mut inner)?, span });
            }
            ClauseKind::Or { source, required, join, branches } => {
                goals.push(self.or(source, required, join.as_deref(), branches, scope, span)?);
            }
            ClauseKind::And(clauses) => self.collect(clauses, scope, goals)?,
        }
        Ok(())
    }

    /// The scope inside of a `not` or `or`: everything outside, or the listed variables only.
    fn inner<'q>(
        &mut self,
        source: &SourceName,
        join: Option<&[Var]>,
        scope: &mut Scope<'q>,
    ) -> Result<Scope<'q>> {
        let default = if source.is_default() { scope.default } else { Some(self.source(source, scope)?) };
        let vars = match join {
            None => scope.vars.clone(),
            Some(join) => join.iter().map(|var| (var.clone(), self.place(var, scope))).collect(),
        };
        Ok(Scope { default, whole: scope.whole, vars })
    }

    fn join_vars(&mut self, join: &[Var], scope: &mut Scope<'_>) -> Vec<VarId> {
        let vars: BTreeSet<VarId> = join.iter().filter_map(|var| self.place(var, scope).var()).collect();
        vars.into_iter().collect()
    }

    fn or(
        &mut self,
        source: &SourceName,
        required: &[Var],
        join: Option<&[Var]>,
        branches: &[Vec<Clause>],
        scope: &mut Scope<'_>,
        span: Option<Span>,
    ) -> Result<Goal> {
        // Names that the branches share must mean one variable: each has its place before the first branch is read.
        let on = self.join_vars(&join.map_or_else(|| visible(branches), <[Var]>::to_vec), scope);
        let mut bodies = Vec::with_capacity(branches.len());
        for branch in branches {
            let mut inner = self.inner(source, join, scope)?;
            bodies.push(self.goals(branch, &mut inner)?);
        }
        let required = self.join_vars(required, scope);
        Ok(Goal::Or { required, on, branches: bodies, span })
    }

    /// What a variable stands for; a variable met for the first time is a new one.
    pub(super) fn place(&mut self, var: &Var, scope: &mut Scope<'_>) -> Place {
        if let Some(place) = scope.vars.get(var) {
            return *place;
        }
        let place = Place::Var(self.fresh(&var.0));
        scope.vars.insert(var.clone(), place);
        place
    }

    /// The number of a source.
    pub(super) fn source(&self, name: &SourceName, scope: &Scope<'_>) -> Result<usize> {
        let default = name.is_default().then_some(scope.default).flatten();
        match default.or_else(|| self.sources.iter().position(|(known, _)| *known == name)) {
            Some(source) => Ok(source),
            None => Err(self.inputs.source(name).err().unwrap_or_else(|| {
                Error::incorrect("db.error/unknown-source", format!("there is no source `{}`", name.0))
            })),
        }
    }

    fn invocation(&mut self, call: &Call, scope: &mut Scope<'_>, span: Option<Span>) -> Result<Invocation> {
        let count = call.args.len() + usize::from(call.query.is_some());
        let callee = if call.name.as_str().starts_with('?') {
            match self.place(&Var(call.name.clone()), scope) {
                Place::Var(var) => Callee::Var(var),
                Place::Const(cell) => match self.pool.edn(cell) {
                    Edn::Symbol(name) => self.callee(&name, count)?,
                    _ => return Err(functions::unknown(&call.name).at(span)),
                },
                Place::Blank => return Err(functions::unknown(&call.name).at(span)),
            }
        } else {
            self.callee(&call.name, count)?
        };
        let mut args = Vec::with_capacity(count);
        args.extend(call.query.iter().map(|query| Argument::Query(Arc::clone(query))));
        for arg in &call.args {
            args.push(match arg {
                Arg::Var(var) => Argument::Place(self.place(var, scope)),
                Arg::Source(name) => Argument::Source(self.source(name, scope)?),
                Arg::Const(edn) => Argument::Place(Place::Const(self.pool.intern_edn(edn))),
            });
        }
        let span = call.span.or(span);
        Ok(Invocation { callee, name: call.name.clone(), args, meant: Vec::new(), span })
    }

    /// What of a result stands where names are settled, with those places.
    fn meant(&self, binding: &Binding, scope: &Scope<'_>) -> Vec<(Place, Vec<places::Place>)> {
        let (whole, default) = scope.whole;
        let source = default.map_or_else(SourceName::default_source, |at| self.sources[at].0.clone());
        let places = |var: Var| {
            let places = places::of_variable_over(whole, self.inputs.rules(), &var, &source);
            (!places.is_empty()).then(|| Some((*scope.vars.get(&var)?, places)))?
        };
        binding_vars(binding).into_iter().filter_map(places).collect()
    }

    fn callee(&self, name: &Symbol, count: usize) -> Result<Callee> {
        let callee = functions::Callee::find(name, self.inputs.functions())?;
        callee.check_count(count)?;
        Ok(Callee::Named(callee))
    }

    fn rule(
        &mut self,
        source: &SourceName,
        name: &Symbol,
        args: &[Term],
        scope: &mut Scope<'_>,
        span: Option<Span>,
        goals: &mut Vec<Goal>,
    ) -> Result<()> {
        let rules = self.rules;
        let definitions = rules.of(name).ok_or_else(|| {
            Error::incorrect("db.error/unknown-rule", format!("there is no rule `{name}`"))
                .hint("rules are given as an input, named % in :in")
        })?;
        let source = self.source(source, scope)?;
        let mut places = Vec::with_capacity(args.len());
        for (at, arg) in args.iter().enumerate() {
            places.push(match arg {
                Term::Var(var) => self.place(var, scope),
                Term::Blank => Place::Var(self.fresh(&Symbol::new("_"))),
                Term::Const(edn) => {
                    let named = self.sources[source].0;
                    match self.inputs.rule_argument(name, at, named, edn)? {
                        Some(value) => Place::Const(self.pool.intern_edn(&value)),
                        None => {
                            goals.push(self.never(args, scope));
                            return Ok(());
                        }
                    }
                }
            });
        }
        if let Some(rule) = definitions.iter().find(|rule| rule.args.len() != args.len()) {
            let message = format!("rule `{name}` takes {} arguments, not {}", rule.args.len(), args.len());
            return Err(Error::incorrect("db.error/rule-arity", message));
        }
        let required = definitions.iter().map(|rule| rule.required).max().unwrap_or(0);
        if !rules.can_be_written_out(name) || self.options.keep_rules {
            goals.push(Goal::Call(RuleCall { name: name.clone(), source, args: places, required, span }));
            return Ok(());
        }
        let bodies = definitions.iter().map(|rule| self.body(rule, source, &places));
        let mut branches = bodies.collect::<Result<Vec<_>>>()?;
        if branches.len() == 1 && required == 0 {
            goals.append(&mut branches[0]);
            return Ok(());
        }
        let vars = |places: &[Place]| places.iter().filter_map(|place| place.var()).collect::<BTreeSet<_>>();
        let on = vars(&places).into_iter().collect();
        let required = vars(&places[..required]).into_iter().collect();
        goals.push(Goal::Or { required, on, branches, span });
        Ok(())
    }

    /// The goals of a rule's body with these arguments.
    pub fn body(&mut self, rule: &Rule, source: usize, args: &[Place]) -> Result<Vec<Goal>> {
        let mut scope =
            Scope { default: Some(source), whole: (&rule.body, Some(source)), vars: HashMap::default() };
        let mut same = Vec::new();
        for (var, place) in rule.args.iter().zip(args) {
            if let Some(first) = scope.vars.insert(var.clone(), *place) {
                same.push(Goal::Same(first, *place));
            }
        }
        let mut goals = self.goals(&rule.body, &mut scope)?;
        goals.extend(same);
        Ok(goals)
    }
}
