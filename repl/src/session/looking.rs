//! Commands that look at facts: schema, entities, the log, single transactions, indexes, plans.

use std::io::Write;

use annals::edn::Form;
use annals::{AttributeInfo, Category, Datom, Db, Edn, EntityId, EntityName, Order, T, Tag, TimePoint, Tx};

use super::commands::misused;
use super::entry::{self, Argument, Asked, Entry, range};
use super::{Flow, Session, timed};
use crate::present::{self, Sheet, Shown, cell, datoms as rows, schema as attributes};
use crate::problem::{Problem, Result};
use crate::settings::on_or_off;
use crate::verbs::upkeep;

/// How many transactions `.log` shows unless told.
const LAST: u64 = 20;

/// `.schema [NAMESPACE | ATTRIBUTE]`
pub(super) fn schema(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let only = Some(argument.text).filter(|text| !text.is_empty());
    let sheet = attributes::sheet(&session.db().schema(), only)?;
    if sheet.rows.is_empty() {
        session.remark(out, "no attributes yet; `.schema db` shows the built-in ones")?;
    }
    shown(session, &Shown::Rows(sheet), out)
}

/// `.entity ENTITY`
pub(super) fn entity(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let forms = argument.forms()?;
    let [form] = forms.as_slice() else { return Err(misused("entity", argument)) };
    let db = session.db();
    let e = entity_of(session, &db, form, argument)?;
    let facts = db.datoms(Order::Eavt, &[Edn::from(e)], None)?;
    let mut namer = rows::Namer::new(&db);
    let mut sheet = Sheet::of_maps(&["a", "v", "t", "instant", "added"], Vec::new());
    for datom in &facts {
        let t = datom.tx.t().unwrap_or_default();
        let instant = db.instant_of(t)?.map_or(Edn::Nil, Edn::Inst);
        let (a, v) = (namer.attribute(datom.a), namer.value(&datom.v));
        sheet.rows.push(vec![a, v, Edn::Int(t as i64), instant, Edn::Bool(datom.added)]);
    }
    if !db.is_history() {
        sheet.drop_last_column();
    }
    session.remark(out, &format!("entity {e}"))?;
    shown(session, &Shown::Rows(sheet), out)
}

/// `.pull PATTERN ENTITY`
pub(super) fn pull(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let forms = argument.forms()?;
    let [pattern, entity] = forms.as_slice() else { return Err(misused("pull", argument)) };
    let db = session.db();
    let e = entity_of(session, &db, entity, argument)?;
    let pattern = argument.of_form(pattern);
    let (tree, took) = timed(|| db.pull(pattern.text, e));
    let tree = tree.map_err(|error| Problem::from(error).shifted(pattern.offset))?;
    session.show(&Shown::Value(tree), Some(took), out)?;
    Ok(Flow::Go)
}

/// The entity that a form of a command names.
fn entity_of(session: &Session, db: &Db, form: &Form, argument: Argument<'_>) -> Result<EntityId> {
    let place = range(form).start + argument.offset..range(form).end + argument.offset;
    let name = session.value(form).map_err(|problem| problem.shifted(argument.offset))?;
    let found =
        db.entid(EntityName::from(name.clone())).map_err(|error| Problem::from(error).at(place.clone()))?;
    found.ok_or_else(|| {
        let message = format!("{name} names no entity in this view");
        Problem::new(Category::NotFound, "db.error/not-an-entity", message).at(place)
    })
}

/// `.log [FROM [TO]]`
pub(super) fn log(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let (from, to) = match argument.words().as_slice() {
        [] => (Some(TimePoint::T((session.conn.db().basis_t() + 1).saturating_sub(LAST))), None),
        [from] => (Some(point(from, argument)?), None),
        [from, to] => (Some(point(from, argument)?), Some(point(to, argument)?)),
        _ => return Err(misused("log", argument)),
    };
    let mut txs = Vec::new();
    session.conn.log().each(from, to, &mut |tx| {
        txs.push(tx);
        !session.stop.load(std::sync::atomic::Ordering::Relaxed)
    })?;
    shown(session, &Shown::Rows(rows::transactions(&txs)), out)
}

/// `.tx T | INSTANT`
pub(super) fn tx(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if argument.text.is_empty() {
        return Err(misused("tx", argument));
    }
    let db = session.conn.db();
    let t = t_of(&db, point(argument.text, argument)?);
    let mut found: Option<Tx> = None;
    session.conn.log().each(Some(TimePoint::T(t)), None, &mut |tx| {
        found = Some(tx);
        false
    })?;
    let Some(tx) = found.filter(|tx| tx.t == t) else {
        let message = format!("there is no transaction {}; the newest is t {}", argument.text, db.basis_t());
        return Err(Problem::new(Category::NotFound, "db.error/no-transaction", message)
            .at(argument.offset..argument.offset + argument.text.len()));
    };
    session.remark(out, &format!("t {}, entity {}, {}", tx.t, tx.tx, cell::bare(&Edn::Inst(tx.instant))))?;
    shown(session, &Shown::Rows(rows::changes(&db, &tx.datoms)), out)
}

/// `.diff T1 T2`
pub(super) fn diff(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let words = argument.words();
    let [one, other] = words.as_slice() else { return Err(misused("diff", argument)) };
    let db = session.conn.db();
    let ends = [t_of(&db, point(one, argument)?), t_of(&db, point(other, argument)?)];
    let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let txs = session.conn.log().range(low + 1..high + 1)?;
    let mut changed = rows::net(txs.into_iter().flat_map(|tx| tx.datoms).collect());
    if ends[0] > ends[1] {
        changed.iter_mut().for_each(|datom| datom.added = !datom.added);
    }
    session.remark(out, &format!("from t {} to t {}", ends[0], ends[1]))?;
    shown(session, &Shown::Rows(rows::changes(&db, &changed)), out)
}

/// `.datoms INDEX [COMPONENT…]`
pub(super) fn datoms(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let forms = argument.forms()?;
    let Some((index, components)) = forms.split_first() else { return Err(misused("datoms", argument)) };
    let values = components.iter().map(|form| session.value(form));
    let values = values.collect::<Result<Vec<Edn>>>().map_err(|problem| problem.shifted(argument.offset))?;
    let db = session.db();
    let limit = (session.style.limit > 0).then_some(session.style.limit);
    let (facts, took) = timed(|| match argument.of_form(index).text.trim_start_matches(':') {
        "eavt" => Ok(Some(db.datoms(Order::Eavt, &values, limit)?)),
        "aevt" => Ok(Some(db.datoms(Order::Aevt, &values, limit)?)),
        "avet" => Ok(Some(db.datoms(Order::Avet, &values, limit)?)),
        "vaet" => referrers(&db, &values, limit).map(Some),
        _ => Ok::<_, Problem>(None),
    });
    let facts = facts?.ok_or_else(|| misused("datoms", argument.of_form(index)))?;
    session.show(&Shown::Rows(rows::sheet(&db, &facts)), Some(took), out)?;
    if limit == Some(facts.len()) {
        session.remark(out, "these are the first; `.limit 0` shows all")?;
    }
    Ok(Flow::Go)
}

/// VAET is AVET over the attributes of type ref.
fn referrers(db: &Db, values: &[Edn], limit: Option<usize>) -> Result<Vec<Datom>> {
    let Some((target, rest)) = values.split_first() else {
        return Err(Problem::usage("vaet needs the entity that is referred to"));
    };
    let mut infos: Vec<AttributeInfo> = db.schema();
    infos.retain(|info| info.value_type == Tag::Ref);
    infos.sort_by_key(|info| info.id);
    let mut found = Vec::new();
    for info in infos {
        let ident = Edn::Keyword(info.ident);
        if rest.first().is_some_and(|wanted| *wanted != ident) {
            continue;
        }
        let components: Vec<Edn> =
            [ident, target.clone()].into_iter().chain(rest.iter().skip(1).cloned()).collect();
        let left = limit.map(|limit| limit - found.len());
        found.extend(db.datoms(Order::Avet, &components, left)?);
        if left.is_some_and(|_| found.len() == limit.unwrap_or_default()) {
            break;
        }
    }
    Ok(found)
}

/// `.explain QUERY [INPUT…]`
pub(super) fn explain(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let entries = entry::read(argument.text).map_err(|problem| problem.shifted(argument.offset))?;
    let [Entry::Query(asked)] = entries.as_slice() else { return Err(misused("explain", argument)) };
    let text = Argument { offset: asked.text.offset + argument.offset, ..asked.text };
    let question = session.question(&Asked { text, ..asked.clone() })?;
    let plan = question.explain().map_err(|error| Problem::from(error).shifted(text.offset))?;
    present::plan(plan, &session.style, out)?;
    Ok(Flow::Go)
}

/// `.next`: the page after the one that was shown last, of the same moment.
pub(super) fn next(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        return Err(misused("next", argument));
    }
    let Some(page) = session.page.take() else {
        return Err(Problem::usage("there is no page to go on from")
            .hint("ask with a :limit: [:find ?a :order-by ?a :limit 10 :where …]"));
    };
    session.answer(page.question.after(&page.cursor), page.columns, 0, out)?;
    Ok(Flow::Go)
}

/// `.stats`
pub(super) fn stats(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        return Err(misused("stats", argument));
    }
    let stats = session.base().stats()?;
    shown(session, &Shown::Value(stats), out)
}

/// `.verify`, `.verify on | off`
pub(super) fn verify(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        session.verify = on_or_off(argument.text).ok_or_else(|| misused("verify", argument))?;
        return Ok(Flow::Go);
    }
    let mut watch = upkeep::Watching::on(session.bars);
    let report = session.conn.verify(&mut |step| watch.step(step));
    watch.end();
    let (report, name) = (report?, session.conn.name().to_owned());
    if !report.is_clean() {
        session.show(&Shown::Rows(upkeep::problems(&report)), None, out)?;
    }
    writeln!(out, "{}", upkeep::summary(&name, &report))?;
    upkeep::verdict(&name, &report)?;
    Ok(Flow::Go)
}

fn shown(session: &mut Session, what: &Shown, out: &mut dyn Write) -> Result<Flow> {
    session.show(what, None, out)?;
    Ok(Flow::Go)
}

/// A moment in the words of a command.
fn point(word: &str, argument: Argument<'_>) -> Result<TimePoint> {
    let at = argument.offset + argument.text.find(word).unwrap_or(0);
    TimePoint::parse(word).map_err(|error| Problem::from(error).at(at..at + word.len()))
}

/// The t that a moment means: of an instant, that of the last transaction not after it.
fn t_of(db: &Db, point: TimePoint) -> T {
    match point {
        TimePoint::T(t) => t,
        TimePoint::Instant(_) => db.as_of(point).as_of_t().unwrap_or_else(|| db.basis_t()),
    }
}
