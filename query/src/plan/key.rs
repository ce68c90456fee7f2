//! What the planner looks at when it orders goals, as words that can be compared.
//!
//! Two calls of a query with one key have goals that differ in nothing but constants, places in the text and counts
//! that are equal up to a factor of two. So whatever arrangement was made for the one fits the other, and costs it
//! about the same. The schema is in the key by what it says of the attributes, the view of time by its counts, the inputs by
//! how many rows they have and which variables have one value in all of them.
//!
//! There is no key where a plan depends on more than that: on the bodies of rules that stay calls.

use super::lead::Lead;
use super::{Argument, Attr, Callee, Goal, Invocation, Match, Place, Shape, VarId};
use crate::ast::SourceName;
use crate::inputs::SourceArg;
use crate::run::batch::Table;

/// The sources of a query.
type Sources<'q> = [(&'q SourceName, &'q SourceArg)];

/// The longest key. A query beyond it takes longer to run than to plan.
const WORDS_MAX: usize = 256;

/// What a plan is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(Vec<u32>);

impl Key {
    /// The key of these goals, from these rows to these variables; none if plans for them are not kept.
    pub(super) fn of(
        goals: &[Goal],
        sources: &Sources<'_>,
        start: &Table,
        want: &[VarId],
        lead: Option<&Lead>,
    ) -> Option<Key> {
        let mut key = Writer { words: Vec::with_capacity(64), sources };
        key.vars(&start.vars);
        key.count(start.rows as u64);
        key.vars(want);
        key.word(lead.map_or(0, |lead| 1 + lead.var.0));
        key.count(lead.map_or(0, |lead| lead.rows as u64));
        key.goals(goals)?;
        (key.words.len() <= WORDS_MAX).then_some(Key(key.words))
    }
}

struct Writer<'k> {
    words: Vec<u32>,
    sources: &'k Sources<'k>,
}

impl Writer<'_> {
    fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// A number that is small, or ends the key by its size.
    fn number(&mut self, number: usize) {
        self.word(u32::try_from(number).unwrap_or(u32::MAX));
    }

    /// A count up to a factor of two.
    fn count(&mut self, count: u64) {
        self.word(count.checked_ilog2().map_or(0, |log| log + 1));
    }

    fn vars(&mut self, vars: &[VarId]) {
        self.number(vars.len());
        self.words.extend(vars.iter().map(|var| var.0));
    }

    fn place(&mut self, place: Place) {
        self.word(match place {
            Place::Blank => 0,
            Place::Const(_) => 1,
            Place::Var(var) => var.0.saturating_add(2),
        });
    }

    fn places(&mut self, places: &[Place]) {
        self.number(places.len());
        places.iter().for_each(|place| self.place(*place));
    }

    fn goals(&mut self, goals: &[Goal]) -> Option<()> {
        self.number(goals.len());
        goals.iter().try_for_each(|goal| self.goal(goal))
    }

    fn goal(&mut self, goal: &Goal) -> Option<()> {
        if self.words.len() > WORDS_MAX {
            return None;
        }
        match goal {
            Goal::Match(goal) => self.facts(goal),
            Goal::Tuples(goal) => {
                self.word(1);
                self.number(goal.source);
                self.count(match self.sources[goal.source].1 {
                    SourceArg::Collection(tuples) => tuples.len() as u64,
                    SourceArg::Db(_) | SourceArg::Log(_) => 1,
                });
                self.places(&goal.places);
            }
            Goal::Test(call) => {
                self.word(2);
                self.call(call);
            }
            Goal::Bind(call, shape) => {
                self.word(3);
                self.call(call);
                self.shape(shape);
            }
            Goal::Same(one, other) => {
                self.word(4);
                self.places(&[*one, *other]);
            }
            Goal::Not { on, goals, .. } => {
                self.word(5);
                self.vars(on);
                self.goals(goals)?;
            }
            Goal::Or { required, on, branches, .. } => {
                self.word(6);
                self.vars(required);
                self.vars(on);
                self.number(branches.len());
                branches.iter().try_for_each(|branch| self.goals(branch))?;
            }
            Goal::Never(vars) => {
                self.word(7);
                self.vars(vars);
            }
            Goal::Call(_) | Goal::Known(_) => return None,
        }
        Some(())
    }

    fn facts(&mut self, goal: &Match) {
        self.word(0);
        self.number(goal.source);
        match goal.attr {
            Some(Attr { id, tag, many, unique }) => {
                self.word(id.0);
                self.word(1 | u32::from(many) << 1 | u32::from(unique) << 2 | (tag as u32) << 3);
            }
            None => self.word(0),
        }
        goal.places.iter().for_each(|place| self.place(*place));
        self.word(u32::from(goal.low.is_some()) | u32::from(goal.high.is_some()) << 1);
        self.count(goal.count);
        self.count(goal.whole);
    }

    fn call(&mut self, call: &Invocation) {
        self.place(match call.callee {
            Callee::Var(var) => Place::Var(var),
            Callee::Named(_) => Place::Blank,
        });
        self.number(call.args.len());
        for arg in &call.args {
            self.place(match arg {
                Argument::Place(place) => *place,
                Argument::Source(_) | Argument::Query(_) => Place::Blank,
            });
        }
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Place(place) => {
                self.word(0);
                self.place(*place);
            }
            Shape::Tuple(parts) => {
                self.word(1);
                self.number(parts.len());
                parts.iter().for_each(|part| self.shape(part));
            }
            Shape::Each(each) => {
                self.word(2);
                self.shape(each);
            }
        }
    }
}
