//! Expectations: what a request takes for granted about the state before it.
//!
//! | form | met if |
//! | --- | --- |
//! | `{:basis t}` | nothing at all was transacted since t |
//! | `{:entity e :unchanged-since t}`, `:components true` | no fact about e (and its components) came or went since t |
//! | `{:entity e :attribute a :is v}` | the values are v: one, a set of them, or nil for none |
//! | `{:query q :args […] :is :empty}`, `:nonempty` | the query over the state before has no answer, or one |
//! | `{:query q :args […] :unchanged-since t}` | its answer is what it was as of t |
//! | `{:patterns [[e a v] …] :unchanged-since t}` | no fact that matches one of them came or went since t; `_` matches all |
//!
//! All are looked at, and all that are not met are told together, with what is there instead.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use annals_query::edn::{Edn, Form, FormKind};
use annals_query::{Prepared, parse};
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, EntityId, Pattern, T, Value, ValueBound};
use annals_storage::snapshot::View;

use super::problem::Problems;
use crate::basis::{Basis, with_ref};
use crate::code;
use crate::database::Db;
use crate::error::{Error, Result, brief};
use crate::names;
use crate::question::{Arg, Question};
use crate::schema::bootstrap as at;

/// Judges all expectations.
pub(super) fn check(before: &Db, expectations: &[Form]) -> Result<()> {
    let mut problems = Problems::default();
    let mut failed = Vec::new();
    for form in expectations {
        match judge(before, form) {
            Ok(None) => {}
            Ok(Some(actual)) => failed.push((form, actual)),
            Err(error) => problems.push(error.at(form.span)),
        }
    }
    problems.settle()?;
    let Some((first, _)) = failed.first() else { return Ok(()) };
    let more = match failed.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let message = format!("what was expected is not so: {}{more}", brief(&first.to_edn()));
    let span = first.span;
    let told: Vec<Edn> = failed
        .into_iter()
        .map(|(form, actual)| {
            Edn::Map([(Edn::keyword("expected"), form.to_edn()), (Edn::keyword("actual"), actual)].into())
        })
        .collect();
    Err(Error::new(Category::Conflict, "db.error/expectation-failed", message)
        .with_hint("read again and decide anew; :db.error/failed says what is there instead")
        .with_data("db.error/failed", told)
        .with_data("db.error/basis-t", before.basis_t() as i64)
        .at(span))
}

/// The parts of an expectation, by name.
struct Parts<'f> {
    form: &'f Form,
    pairs: &'f [(Form, Form)],
}

impl<'f> Parts<'f> {
    fn of(form: &'f Form) -> Result<Parts<'f>> {
        match &form.kind {
            FormKind::Map(pairs) => Ok(Parts { form, pairs }),
            _ => Err(invalid(form)),
        }
    }

    fn get(&self, name: &str) -> Option<&'f Form> {
        let is_it = |key: &Form| matches!(key.as_atom(), Some(Edn::Keyword(key)) if key.as_str() == name);
        self.pairs.iter().find(|(key, _)| is_it(key)).map(|(_, part)| part)
    }

    fn t(&self, name: &str) -> Result<T> {
        match self.get(name).and_then(Form::as_atom) {
            Some(Edn::Int(t)) => {
                u64::try_from(*t).map(|t| EntityId(t).t().unwrap_or(t)).map_err(|_| invalid(self.form))
            }
            _ => Err(invalid(self.form)),
        }
    }

    /// The names of the parts, sorted.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.pairs.iter().map(|(key, _)| key.to_edn().to_string()).collect();
        names.sort();
        names
    }
}

fn invalid(form: &Form) -> Error {
    Error::incorrect("db.error/invalid-expectation", format!("{} is no expectation", brief(&form.to_edn())))
        .with_hint("as in {:basis 12}, {:entity e :unchanged-since 12}, {:entity e :attribute :a/b :is v}, {:query q :is :empty} or {:patterns [[_ :a/b v]] :unchanged-since 12}")
        .at(form.span)
}

/// What is there instead of what was expected; `None` if the expectation is met.
fn judge(before: &Db, form: &Form) -> Result<Option<Edn>> {
    let parts = Parts::of(form)?;
    let names = parts.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match &names[..] {
        [":basis"] => {
            let expected = parts.t("basis")?;
            Ok((before.basis_t() != expected).then(|| Edn::from(before.basis_t() as i64)))
        }
        [":entity", ":unchanged-since"] | [":components", ":entity", ":unchanged-since"] => {
            entity(before, &parts)
        }
        [":attribute", ":entity", ":is"] => value(before, &parts),
        [":is", ":query"] | [":args", ":is", ":query"] => rows(before, &parts),
        [":query", ":unchanged-since"] | [":args", ":query", ":unchanged-since"] => answer(before, &parts),
        [":patterns", ":unchanged-since"] => patterns(before, &parts),
        _ => Err(invalid(form)),
    }
}

fn named(before: &Db, name: &Form) -> Result<EntityId> {
    let basis = before.basis();
    let found = names::entity(&basis.schema, name, &|a, v| basis.holder(a, v))?;
    found.ok_or_else(|| {
        let message = format!("{} names no entity", brief(&name.to_edn()));
        Error::incorrect("db.error/not-an-entity", message).at(name.span)
    })
}

/// What came or went after `since`.
fn changes(since: T) -> View {
    View { since: Some(since), history: true, ..View::default() }
}

/// The first transaction number of what a scan finds.
fn first(basis: &Basis, view: &View, pattern: &Pattern<'_>) -> Result<Option<T>> {
    let mut found = None;
    basis.each_in(view, pattern, &mut |_, _, _, t| {
        found = Some(t);
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn entity(before: &Db, parts: &Parts<'_>) -> Result<Option<Edn>> {
    let (Some(name), since) = (parts.get("entity"), parts.t("unchanged-since")?) else {
        return Err(invalid(parts.form));
    };
    let with_components = match parts.get("components").map(Form::as_atom) {
        None | Some(Some(Edn::Bool(false))) => false,
        Some(Some(Edn::Bool(true))) => true,
        _ => return Err(invalid(parts.form)),
    };
    let basis = before.basis();
    let mut waiting = vec![named(before, name)?];
    let mut seen: BTreeSet<EntityId> = waiting.iter().copied().collect();
    while let Some(e) = waiting.pop() {
        if let Some(t) = first(basis, &changes(since), &Pattern::entity(e))? {
            return Ok(Some(changed(e, t)));
        }
        // Nothing about it changed, so that its components are those of then.
        if with_components {
            for (a, v) in basis.facts_of(e)? {
                if let Value::Ref(part) = v
                    && basis.schema.attr(a).is_some_and(|attr| attr.public.component)
                    && seen.insert(part)
                {
                    waiting.push(part);
                }
            }
        }
    }
    Ok(None)
}

fn changed(e: EntityId, t: T) -> Edn {
    Edn::Map([(Edn::keyword("entity"), e.into()), (Edn::keyword("changed-at"), Edn::from(t as i64))].into())
}

fn value(before: &Db, parts: &Parts<'_>) -> Result<Option<Edn>> {
    let (Some(name), Some(attr), Some(wanted)) =
        (parts.get("entity"), parts.get("attribute"), parts.get("is"))
    else {
        return Err(invalid(parts.form));
    };
    let basis = before.basis();
    let (e, attr) = (named(before, name)?, names::attribute(&basis.schema, attr)?);
    let constant = |form: &Form| {
        let found = names::constant(&basis.schema, attr, form, &|a, v| basis.holder(a, v))?;
        found.ok_or_else(|| invalid(form))
    };
    let wanted: BTreeSet<Value> = match &wanted.kind {
        FormKind::Atom(Edn::Nil) => BTreeSet::new(),
        FormKind::Set(values) if attr.is_many() => values.iter().map(constant).collect::<Result<_>>()?,
        _ => BTreeSet::from([constant(wanted)?]),
    };
    let actual: BTreeSet<Value> = basis.values(e, attr.id())?.into_iter().map(|(v, _)| v).collect();
    if actual == wanted {
        return Ok(None);
    }
    let mut actual: Vec<Edn> = actual.into_iter().map(Edn::from).collect();
    Ok(Some(match actual.len() {
        0 => Edn::Nil,
        1 if !attr.is_many() => actual.remove(0),
        _ => Edn::Set(actual.into_iter().collect()),
    }))
}

fn question(before: &Db, parts: &Parts<'_>) -> Result<Question> {
    let Some(query) = parts.get("query") else { return Err(invalid(parts.form)) };
    let query = match query.as_atom() {
        Some(Edn::String(text)) => parse::query_text(text)?,
        _ => parse::query(query)?,
    };
    let args = match parts.get("args").map(Form::as_seq) {
        None => &[],
        Some(Some(args)) => args,
        Some(None) => return Err(invalid(parts.form)),
    };
    let functions = before.basis().home.options.code.functions();
    let question =
        Question::of(Arc::new(Prepared::from(query))).functions(functions).budget(code::budget(before));
    Ok(args.iter().fold(question, |question, arg| question.arg(Arg::Edn(arg.to_edn()))))
}

fn rows(before: &Db, parts: &Parts<'_>) -> Result<Option<Edn>> {
    let wanted = match parts.get("is").and_then(Form::as_atom) {
        Some(Edn::Keyword(word)) if word.as_str() == "empty" => true,
        Some(Edn::Keyword(word)) if word.as_str() == "nonempty" => false,
        _ => return Err(invalid(parts.form)),
    };
    let answer = question(before, parts)?.over(before).limit(20).run()?;
    Ok((answer.is_empty() != wanted).then(|| answer.into_edn()))
}

fn answer(before: &Db, parts: &Parts<'_>) -> Result<Option<Edn>> {
    let since = parts.t("unchanged-since")?;
    let question = question(before, parts)?;
    let now = question.clone().over(before).run()?.into_edn();
    let then = question.over(&before.as_of(since)).run()?.into_edn();
    let sorted = |answer: Edn| match answer {
        Edn::Vector(rows) => Edn::Set(rows.into_iter().collect()),
        other => other,
    };
    let (now, then) = (sorted(now), sorted(then));
    Ok((now != then).then_some(now))
}

fn patterns(before: &Db, parts: &Parts<'_>) -> Result<Option<Edn>> {
    let since = parts.t("unchanged-since")?;
    let Some(patterns) = parts.get("patterns").and_then(Form::as_seq) else {
        return Err(invalid(parts.form));
    };
    for pattern in patterns {
        if let Some(t) = pattern_changed(before, pattern, since)? {
            return Ok(Some(Edn::Map(
                [
                    (Edn::keyword("pattern"), pattern.to_edn()),
                    (Edn::keyword("changed-at"), Edn::from(t as i64)),
                ]
                .into(),
            )));
        }
    }
    Ok(None)
}

/// A transaction after `since` in which a fact came or went that matches the pattern.
fn pattern_changed(before: &Db, pattern: &Form, since: T) -> Result<Option<T>> {
    let basis = before.basis();
    let terms = pattern.as_seq().filter(|terms| (1..=3).contains(&terms.len()));
    let terms = terms.ok_or_else(|| invalid(pattern))?;
    let is_free = |term: &Form| match term.as_atom() {
        Some(Edn::Symbol(name)) => name.as_str() == "_" || name.as_str().starts_with('?'),
        _ => false,
    };
    let term = |at: usize| terms.get(at).filter(|term| !is_free(term));
    let e = match term(0) {
        // What names nobody now and did not then was not changed.
        Some(name) => match names::entity(&basis.schema, name, &|a, v| basis.holder(a, v))? {
            Some(e) => Some(e),
            None => return Ok(None),
        },
        None => None,
    };
    let attr = term(1).map(|name| names::attribute(&basis.schema, name)).transpose()?;
    let v = match (attr, term(2)) {
        (_, None) => None,
        (None, Some(v)) => return Err(invalid(v)),
        (Some(attr), Some(v)) => match names::constant(&basis.schema, attr, v, &|a, v| basis.holder(a, v))? {
            Some(v) => Some(v),
            None => return Ok(None),
        },
    };
    let found = |v: ValueBound<'_>| {
        let pattern = Pattern { e, a: attr.map(|attr| attr.id()), v, ..Pattern::default() };
        first_but_own(basis, &changes(since), &pattern)
    };
    match &v {
        Some(v) => with_ref(v, |v| found(ValueBound::Is(v))),
        None => found(ValueBound::Any),
    }
}

/// As [`first`], but for the instants that every transaction has.
fn first_but_own(basis: &Basis, view: &View, pattern: &Pattern<'_>) -> Result<Option<T>> {
    let mut found = None;
    basis.each_in(view, pattern, &mut |_, a: AttrId, _, t| {
        if a == at::TX_INSTANT {
            return ControlFlow::Continue(());
        }
        found = Some(t);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
