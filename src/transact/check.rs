//! From facts to what the log gets: conflicts found, the redundant left out, what is replaced retracted.
//!
//! Conflicts are judged on what was submitted, before redundancy is looked at: whether two facts contradict each other
//! does not depend on what is stored. Uniqueness is judged on the net effect, so a value can move from one entity to
//! another, and two entities can swap theirs.

use annals_query::edn::Edn;
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, EntityId, T, Value};
use annals_storage::log::{LogDatom, Op};
use hashbrown::HashSet;

use super::ensure::unknown_predicate;
use super::problem::{self, Problems};
use super::resolve::Holders;
use super::{Fact, compose, fill};
use crate::basis::Basis;
use crate::code::{self, Context};
use crate::error::{Error, Result, brief};
use crate::schema::{Attr, bootstrap as at};
use crate::time;

/// The instant of the transaction: the one it states, if it may, else the time.
///
/// Instants never go back: if the clock is behind the newest transaction, that one's instant is used again.
pub(super) fn instant(before: &Basis, facts: &[Fact], now: i64) -> Result<i64> {
    let tx = EntityId::of_t(before.t + 1);
    let mut stated = None;
    for fact in facts.iter().filter(|fact| fact.a == at::TX_INSTANT) {
        let Value::Instant(instant) = fact.v else { continue };
        if fact.e != tx || !fact.added {
            return Err(reset(fact.e).at(fact.span));
        }
        stated = Some((instant, fact.span));
    }
    let latest = now.max(before.instant);
    let Some((instant, span)) = stated else { return Ok(latest) };
    let shown = |micros| Edn::Inst(micros).to_string();
    if instant < before.instant {
        let message = format!(
            "the instant {} is older than that of the newest transaction, {}",
            shown(instant),
            shown(before.instant)
        );
        return Err(Error::incorrect("db.error/past-tx-instant", message)
            .with_hint("facts of the past are imported in order, into a database that has nothing newer")
            .at(span));
    }
    if instant > latest {
        let message = format!("the instant {} is in the future; it is {}", shown(instant), shown(latest));
        return Err(Error::incorrect("db.error/future-tx-instant", message)
            .with_hint("state an instant that has passed, or none: the time of the clock is taken then")
            .at(span));
    }
    Ok(instant)
}

fn reset(e: EntityId) -> Error {
    let message = if time::is_tx(e) {
        format!("the instant of transaction {e} stands and cannot be changed")
    } else {
        format!("entity {e} is no transaction, and only transactions have a :db/txInstant")
    };
    Error::incorrect("db.error/reset-tx-instant", message)
        .with_hint("an instant is stated on \"datomic.tx\", in the transaction itself")
}

/// What a transaction changes, sorted by entity and attribute, a retraction before its replacement.
pub(super) fn net(context: &Context<'_>, mut facts: Vec<Fact>, holders: &Holders) -> Result<Vec<LogDatom>> {
    let (before, instant) = (&**context.db().basis(), context.instant());
    let tx = EntityId::of_t(before.t + 1);
    facts.push(Fact { added: true, e: tx, a: at::TX_INSTANT, v: Value::Instant(instant), span: None });
    facts.sort_by(|x, y| (x.e, x.a, &x.v, x.added).cmp(&(y.e, y.a, &y.v, y.added)));
    facts.dedup_by(|y, x| (x.e, x.a, x.added) == (y.e, y.a, y.added) && x.v == y.v);

    let mut problems = Problems::default();
    let mut net = Vec::with_capacity(facts.len());
    let mut touched = Vec::new();
    for group in facts.chunk_by(|x, y| (x.e, x.a) == (y.e, y.a)) {
        let (e, a) = (group[0].e, group[0].a);
        let Some(attr) = before.schema.attr(a) else {
            let message = format!("{a:?} is no attribute of this database");
            return Err(Error::new(Category::Fault, "db.error/not-an-attribute", message));
        };
        passes(context, attr, group, &mut problems)?;
        touched.extend(attr.composites.iter().map(|composite| (e, *composite)));
        if attr.is_composite() {
            touched.push((e, a));
        } else if let Some(conflict) = conflict(before, attr, group) {
            problems.push(conflict);
        } else {
            group_net(before, attr, group, &mut net)?;
        }
    }
    compose::compose(before, touched, &mut net)?;
    install(&mut net);
    fill::announce(before, &mut net)?;
    unique(before, &net, holders, &mut problems)?;
    protect(before, &net, &mut problems);
    problems.settle()?;
    Ok(net)
}

/// Two facts about one attribute of one entity that cannot both be.
fn conflict(before: &Basis, attr: &Attr, group: &[Fact]) -> Option<Error> {
    let both = |pair: &&[Fact]| pair[0].v == pair[1].v;
    let contradicted: Vec<&Fact> = match group.windows(2).find(both) {
        Some(pair) => pair.iter().collect(),
        None if attr.is_many() => return None,
        None => {
            let added: Vec<&Fact> = group.iter().filter(|fact| fact.added).collect();
            if added.len() < 2 {
                return None;
            }
            added
        }
    };
    let e = group[0].e;
    let values: Vec<String> = contradicted
        .iter()
        .map(|fact| format!("{}{}", if fact.added { "+" } else { "-" }, brief(&Edn::from(fact.v.clone()))))
        .collect();
    let message = format!(
        "the transaction contradicts itself about {} of entity {e}: {}",
        attr.ident(),
        values.join(" ")
    );
    let datoms: Vec<Edn> = contradicted.iter().map(|fact| problem::fact(&before.schema, fact)).collect();
    let span = contradicted.iter().rev().find_map(|fact| fact.span);
    Some(
        Error::incorrect("db.error/datoms-conflict", message)
            .with_hint(
                "all facts of a transaction hold together: an attribute of cardinality one takes one value",
            )
            .with_data("db.error/datoms", datoms)
            .at(span),
    )
}

/// Every value that is asserted, new or not, passes the predicates its attribute had before.
fn passes(context: &Context<'_>, attr: &Attr, group: &[Fact], problems: &mut Problems) -> Result<()> {
    for (pred, fact) in attr.preds.iter().flat_map(|pred| group.iter().map(move |fact| (pred, fact))) {
        if !fact.added {
            continue;
        }
        let value = Edn::from(fact.v.clone());
        let verdict =
            code::judge_value(context, pred, &value).map_err(|error| error.without_span().at(fact.span))?;
        let problem = match verdict {
            Some(Edn::Bool(true)) => continue,
            None => unknown_predicate(pred),
            Some(verdict) => {
                let message = format!(
                    "{} does not pass {pred} of {}, which says {verdict}",
                    brief(&value),
                    attr.ident()
                );
                Error::incorrect("db.error/attr-pred", message)
                    .with_hint("give a value that passes, or alter the :db.attr/preds of the attribute first")
                    .with_data("db.error/entity", fact.e)
                    .with_data("db.error/attribute", attr.ident().clone())
                    .with_data("db.error/value", value)
                    .with_data("db.error/pred", pred.clone())
                    .with_data("db.error/pred-return", verdict)
            }
        };
        problems.push(problem.at(fact.span));
    }
    Ok(())
}

/// What the facts about one attribute of one entity change.
fn group_net(before: &Basis, attr: &Attr, group: &[Fact], net: &mut Vec<LogDatom>) -> Result<()> {
    let (e, a) = (group[0].e, group[0].a);
    let asserted = |fact: &Fact| LogDatom { e, a, v: fact.v.clone(), op: Op::Assert };
    let forget = attr.no_history;
    let retracted = |v: &Value, from: T| LogDatom { e, a, v: v.clone(), op: Op::Retract { from, forget } };
    if !before.is_allocated(e) {
        net.extend(group.iter().filter(|fact| fact.added).map(asserted));
        return Ok(());
    }
    if attr.is_many() {
        for fact in group {
            match (before.asserted(e, a, &fact.v)?, fact.added) {
                (None, true) => net.push(asserted(fact)),
                (Some(from), false) => net.push(retracted(&fact.v, from)),
                _ => {}
            }
        }
        return Ok(());
    }
    let current = before.value(e, a)?;
    let added = group.iter().find(|fact| fact.added);
    if let Some((old, from)) = &current
        && (added.is_some_and(|fact| fact.v != *old)
            || group.iter().any(|fact| !fact.added && fact.v == *old))
    {
        net.push(retracted(old, *from));
    }
    if let Some(fact) = added
        && current.is_none_or(|(old, _)| old != fact.v)
    {
        net.push(asserted(fact));
    }
    Ok(())
}

/// Every new attribute is listed on the schema partition, whether the transaction says so or not.
fn install(net: &mut Vec<LogDatom>) {
    let is_new = |datom: &&LogDatom| datom.a == at::VALUE_TYPE && datom.op == Op::Assert;
    let listed: HashSet<Value> =
        net.iter().filter(|datom| datom.a == at::INSTALL_ATTRIBUTE).map(|datom| datom.v.clone()).collect();
    let new = net.iter().filter(is_new).map(|datom| Value::Ref(datom.e));
    let missing: Vec<Value> = new.filter(|v| !listed.contains(v)).collect();
    if missing.is_empty() {
        return;
    }
    let listing = |v| LogDatom { e: at::PART_DB, a: at::INSTALL_ATTRIBUTE, v, op: Op::Assert };
    net.extend(missing.into_iter().map(listing));
    net.sort_by_key(|datom| (datom.e, datom.a));
}

/// Every asserted unique value has one holder afterwards.
fn unique(before: &Basis, net: &[LogDatom], holders: &Holders, problems: &mut Problems) -> Result<()> {
    let is_claim = |datom: &&LogDatom| {
        datom.op == Op::Assert && before.schema.attr(datom.a).is_some_and(|attr| attr.unique().is_some())
    };
    let mut claims: Vec<&LogDatom> = net.iter().filter(is_claim).collect();
    claims.sort_by(|x, y| (x.a, &x.v, x.e).cmp(&(y.a, &y.v, y.e)));
    for group in claims.chunk_by(|x, y| x.a == y.a && x.v == y.v) {
        let (a, v, e) = (group[0].a, &group[0].v, group[0].e);
        if let Some(other) = group.iter().find(|claim| claim.e != e) {
            problems.push(taken(before, a, v, e, other.e, "both are given it by this transaction"));
        }
        let Some(holder) = holders.of(before, a, v)? else { continue };
        let given_up = || {
            let start = net.partition_point(|datom| (datom.e, datom.a) < (holder, a));
            let mut own = net[start..].iter().take_while(|datom| (datom.e, datom.a) == (holder, a));
            own.any(|datom| datom.v == *v && datom.op != Op::Assert)
        };
        // A holder without a stored tuple was found by its members: do they still make it?
        let unmade = match before.schema.attr(a) {
            Some(attr) if attr.filling && holder != e => {
                compose::made(before, net, holder, attr)?.as_ref() != Some(v)
            }
            _ => false,
        };
        if holder != e && !unmade && !given_up() {
            problems.push(taken(before, a, v, e, holder, "the second one has it"));
        }
    }
    Ok(())
}

fn taken(before: &Basis, a: AttrId, v: &Value, e: EntityId, other: EntityId, why: &str) -> Error {
    let name = before.schema.attr(a).map_or_else(|| a.entity().to_string(), |attr| attr.ident().to_string());
    let message = format!(
        "{name} is unique: {} cannot be a value of entity {e} and of entity {other}; {why}",
        brief(&Edn::from(v.clone()))
    );
    let datoms = vec![
        problem::datom(&before.schema, e, a, v, true),
        problem::datom(&before.schema, other, a, v, true),
    ];
    Error::new(Category::Conflict, "db.error/unique-conflict", message)
        .with_hint("retract it from the entity that has it in the same transaction, or give another value")
        .with_data("db.error/datoms", datoms)
}

/// What a database is born with stays as it is, but for the lists of what users install.
fn protect(before: &Basis, net: &[LogDatom], problems: &mut Problems) {
    const LISTS: [AttrId; 4] =
        [at::INSTALL_PARTITION, at::INSTALL_VALUE_TYPE, at::INSTALL_ATTRIBUTE, at::INSTALL_FUNCTION];
    let is_own = |datom: &&LogDatom| at::is_system(datom.e) && at::is_system(datom.a.entity());
    let is_listing = |datom: &LogDatom| match datom.v {
        Value::Ref(listed) => datom.e == at::PART_DB && LISTS.contains(&datom.a) && !at::is_system(listed),
        _ => false,
    };
    if let Some(datom) = net.iter().filter(is_own).find(|datom| !is_listing(datom)) {
        let name = before.schema.ident(datom.e).map_or_else(|| datom.e.to_string(), ToString::to_string);
        let shown = problem::datom(&before.schema, datom.e, datom.a, &datom.v, datom.op == Op::Assert);
        problems.push(
            Error::new(
                Category::Forbidden,
                "db.error/protected-entity",
                format!("{name} belongs to the database: {shown} cannot be"),
            )
            .with_hint("attributes of your own can be added to it")
            .with_data("db.error/datoms", vec![shown]),
        );
    }
    if let Some(datom) = net.iter().find(|datom| datom.a == at::TX_INSTANT && datom.op != Op::Assert) {
        problems.push(reset(datom.e));
    }
}
