//! Comparisons narrow patterns: a test of a value against a constant becomes an end of the range that is scanned.
//!
//! Only where the order of the index is the order of the comparison, which is inside one type. The test stays, so
//! that a range may be too wide but never wrong.

use annals_storage::datom::Tag;

use super::goals::Planner;
use super::{Argument, Goal, Place, VarId};
use crate::error::Result;
use crate::inputs::SourceArg;
use crate::run::column::{Cell, Kind};

impl Planner<'_> {
    /// Narrows patterns by comparisons of their value with a constant of the attribute's own type.
    pub(super) fn push_down(&mut self, goals: &mut [Goal]) -> Result<()> {
        let bounds: Vec<(VarId, Bound)> = goals.iter().filter_map(comparison).collect();
        for (var, bound) in bounds {
            for goal in goals.iter_mut() {
                let Goal::Match(goal) = goal else { continue };
                let Some(attr) = goal.attr else { continue };
                if goal.places[2] != Place::Var(var) || !bound.suits(attr.tag) {
                    continue;
                }
                goal.low = bound.low.or(goal.low);
                goal.high = bound.high.or(goal.high);
                let (_, SourceArg::Db(facts)) = self.sources[goal.source] else { continue };
                if let Some(pattern) = goal.pattern(self.pool) {
                    goal.count = facts.count(&pattern)?;
                }
            }
        }
        Ok(())
    }
}

struct Bound {
    low: Option<(Cell, bool)>,
    high: Option<(Cell, bool)>,
}

impl Bound {
    /// True if the order of the index is the order of the comparison for this type.
    fn suits(&self, tag: Tag) -> bool {
        let own = [self.low, self.high].into_iter().flatten().all(|(cell, _)| cell.kind == Kind::of(tag));
        own && matches!(tag, Tag::Long | Tag::Instant | Tag::String)
    }
}

/// What a test says of one variable, if it compares it with a constant.
fn comparison(goal: &Goal) -> Option<(VarId, Bound)> {
    let Goal::Test(call) = goal else { return None };
    let name = call.plain_name()?;
    let (var, cell, turned) = match call.args.as_slice() {
        [Argument::Place(Place::Var(var)), Argument::Place(Place::Const(cell))] => (*var, *cell, false),
        [Argument::Place(Place::Const(cell)), Argument::Place(Place::Var(var))] => (*var, *cell, true),
        _ => return None,
    };
    let (low, high) = match (name, turned) {
        ("<", false) | (">", true) => (None, Some((cell, false))),
        ("<=", false) | (">=", true) => (None, Some((cell, true))),
        (">", false) | ("<", true) => (Some((cell, false)), None),
        (">=", false) | ("<=", true) => (Some((cell, true)), None),
        _ => return None,
    };
    Some((var, Bound { low, high }))
}
