//! How many facts of one pattern a fact of another meets: tried on some facts, where counts tell too little.
//!
//! A pattern's count says how many facts there are, not how many of them share an entity or a value, nor whether the
//! values that lead there are the frequent ones. So some facts of the one pattern, spread over all, are taken, and for each
//! those of the other are counted. That costs some tens of seeks: who asks must expect the query to cost more.

use annals_storage::datom::{AttrId, EntityId, Pattern, Tag, ValueBound, ValueRef};

use super::goals::Planner;
use super::{Attr, Match};
use crate::error::Result;
use crate::inputs::SourceArg;
use crate::source::{Flow, Source};

impl Planner<'_> {
    /// How many facts of `to`'s attribute one of `from` meets, on the average of so many, if what is at the one place is
    /// at the other. If none is met, it is as if half of one were.
    pub(super) fn fan(
        &self,
        from: &Match,
        at: usize,
        to: &Match,
        other: usize,
        facts: usize,
    ) -> Result<Option<f64>> {
        let (SourceArg::Db(source), SourceArg::Db(target)) =
            (self.sources[from.source].1, self.sources[to.source].1)
        else {
            return Ok(None);
        };
        let (Some(pattern), Some(attr)) = (from.pattern(self.pool), to.attr) else { return Ok(None) };
        let (mut tried, mut met) = (0_u64, 0_u64);
        let mut outcome = Ok(());
        source.sample(&pattern, facts, &mut |batch| {
            for row in 0..batch.len {
                let v = if at == 0 {
                    ValueRef::Fixed(Tag::Ref, batch.e.get(row) as i64)
                } else {
                    batch.v.get(row)
                };
                match meets(target.as_ref(), attr, other, v) {
                    Some(Ok(count)) => (tried, met) = (tried + 1, met + count),
                    Some(Err(error)) => outcome = Err(error),
                    None => {}
                }
            }
            if outcome.is_ok() { Flow::Continue(()) } else { Flow::Break(()) }
        })?;
        outcome?;
        Ok((tried > 0).then(|| (met as f64).max(0.5) / tried as f64))
    }
}

/// How many facts of an attribute have this value in the place of the entity or of the value.
fn meets(source: &dyn Source, attr: Attr, place: usize, v: ValueRef<'_>) -> Option<Result<u64>> {
    let a: AttrId = attr.id;
    let pattern = match (place, v) {
        (0, ValueRef::Fixed(Tag::Ref, word)) => {
            Pattern { e: Some(EntityId(word as u64)), ..Pattern::attribute(a) }
        }
        (2, v) if v.tag() == attr.tag => Pattern { v: ValueBound::Is(v), ..Pattern::attribute(a) },
        _ => return None,
    };
    Some(source.count(&pattern))
}
