//! Composite tuples: values the database keeps, made of the values of other attributes of the same entity.
//!
//! Whoever says something about a member, even what holds already, has the tuple computed anew, in the same
//! transaction. A member without a value is nil in the tuple; a tuple of nothing but nil is not stored.

use annals_storage::datom::{AttrId, EntityId, Value};
use annals_storage::log::{LogDatom, Op};

use crate::basis::Basis;
use crate::error::Result;
use crate::schema::{Attr, Tuple};

/// Adds what changes about the tuples of these entities to what the transaction changes.
pub(super) fn compose(
    before: &Basis,
    mut touched: Vec<(EntityId, AttrId)>,
    net: &mut Vec<LogDatom>,
) -> Result<()> {
    if touched.is_empty() {
        return Ok(());
    }
    touched.sort_unstable();
    touched.dedup();
    let mut changes = Vec::new();
    for (e, a) in touched {
        let Some(attr) = before.schema.attr(a) else { continue };
        if !attr.is_composite() {
            continue;
        }
        let forget = attr.no_history;
        let made = made(before, net, e, attr)?;
        let stored = if before.is_allocated(e) { before.value(e, a)? } else { None };
        if made.as_ref() == stored.as_ref().map(|(v, _)| v) {
            continue;
        }
        changes.extend(stored.map(|(v, from)| LogDatom { e, a, v, op: Op::Retract { from, forget } }));
        changes.extend(made.map(|v| LogDatom { e, a, v, op: Op::Assert }));
    }
    net.append(&mut changes);
    net.sort_by_key(|datom| (datom.e, datom.a));
    Ok(())
}

/// The tuple that the members of an entity make after the transaction; none if it has no member.
pub(super) fn made(before: &Basis, net: &[LogDatom], e: EntityId, attr: &Attr) -> Result<Option<Value>> {
    let Tuple::Composite(members) = &attr.tuple else { return Ok(None) };
    let members = members.iter().map(|member| after(before, net, e, *member));
    let slots: Vec<Option<Value>> = members.collect::<Result<_>>()?;
    Ok(slots.iter().any(Option::is_some).then(|| Value::Tuple(slots.into())))
}

/// The value a member has after the transaction.
fn after(before: &Basis, net: &[LogDatom], e: EntityId, a: AttrId) -> Result<Option<Value>> {
    let start = net.partition_point(|datom| (datom.e, datom.a) < (e, a));
    let mut own = net[start..].iter().take_while(|datom| (datom.e, datom.a) == (e, a)).peekable();
    if own.peek().is_some() {
        return Ok(own.find(|datom| datom.op == Op::Assert).map(|datom| datom.v.clone()));
    }
    if !before.is_allocated(e) {
        return Ok(None);
    }
    Ok(before.value(e, a)?.map(|(v, _)| v))
}
