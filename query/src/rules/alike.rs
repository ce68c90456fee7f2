//! Bodies that differ in the names of their variables only: what one finds, the other need not look for again.
//!
//! Reachability is the case that matters: `p(x y) :- edge(x y)` and `p(x y) :- edge(x z), p(z y)` both follow the edges of
//! what is reached, one to answer and one to go on. Only patterns over facts and collections are compared, in the
//! order they are written; what else stands in a body keeps it by itself.

use crate::plan::{Goal, Match, Place, VarId};

/// Which variable of one body stands for which of another.
#[derive(Default)]
pub struct Renaming(Vec<(VarId, VarId)>);

impl Renaming {
    /// The renaming that makes one body, with what it starts from, the other; if there is one.
    pub fn between(from: (&[Place], &[Goal]), to: (&[Place], &[Goal])) -> Option<Renaming> {
        let mut renaming = Renaming::default();
        let is_same = renaming.unites(from.0, to.0)
            && from.1.len() == to.1.len()
            && from.1.iter().zip(to.1).all(|goals| match goals {
                (Goal::Match(one), Goal::Match(other)) => {
                    asks_alike(one, other) && renaming.unites(&one.places, &other.places)
                }
                (Goal::Tuples(one), Goal::Tuples(other)) => {
                    one.source == other.source && renaming.unites(&one.places, &other.places)
                }
                _ => false,
            });
        is_same.then_some(renaming)
    }

    /// The places with the other names; none if one has no other name.
    pub fn renamed(&self, places: &[Place]) -> Option<Vec<Place>> {
        let other = |place: &Place| match place {
            Place::Var(var) => self.0.iter().find(|(from, _)| from == var).map(|(_, to)| Place::Var(*to)),
            place => Some(*place),
        };
        places.iter().map(other).collect()
    }

    /// Makes some places equal to others, if that contradicts nothing so far: each name has one other, either way.
    fn unites(&mut self, from: &[Place], to: &[Place]) -> bool {
        from.len() == to.len()
            && from.iter().zip(to).all(|places| match places {
                (Place::Var(one), Place::Var(other)) => {
                    let known = self.0.iter().copied().find(|(from, to)| from == one || to == other);
                    if known.is_none() {
                        self.0.push((*one, *other));
                    }
                    known.is_none_or(|known| known == (*one, *other))
                }
                (one, other) => one == other,
            })
    }
}

/// True if two patterns ask the same of the same source, but for their places.
fn asks_alike(one: &Match, other: &Match) -> bool {
    (one.source, one.attr, one.low, one.high) == (other.source, other.attr, other.low, other.high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::column::Cell;

    fn pattern(source: usize, e: Place, v: Place) -> Goal {
        let places = [e, Place::Blank, v, Place::Blank, Place::Blank];
        Goal::Match(Match { source, attr: None, places, low: None, high: None, count: 1, whole: 1 })
    }

    fn var(number: u32) -> Place {
        Place::Var(VarId(number))
    }

    #[test]
    fn names_are_exchanged_one_for_one() {
        let start = [var(0), var(1)];
        let body = [pattern(0, var(1), var(2)), pattern(0, var(2), var(1))];
        let alike = [pattern(0, var(6), var(7)), pattern(0, var(7), var(6))];
        let found = Renaming::between((&start, &body), (&[var(5), var(6)], &alike)).expect("alike");
        assert_eq!(found.renamed(&[var(2), var(0), Place::Blank]), Some(vec![var(7), var(5), Place::Blank]));
        assert_eq!(found.renamed(&[var(9)]), None);
    }

    #[test]
    fn what_differs_in_more_than_names_is_not_alike() {
        let (start, body) = ([var(0)], [pattern(0, var(0), var(1))]);
        let others = [
            (var(4), pattern(1, var(4), var(5))),
            (var(4), pattern(0, var(5), var(4))),
            (var(4), pattern(0, var(4), var(4))),
            (var(4), pattern(0, var(4), Place::Blank)),
            (var(4), pattern(0, var(4), Place::Const(Cell::long(1)))),
            (Place::Blank, pattern(0, var(4), var(5))),
        ];
        for (place, goal) in others {
            let other = [goal];
            assert!(Renaming::between((&start, &body), (&[place], &other)).is_none(), "{place:?} {other:?}");
            assert!(Renaming::between((&[place], &other), (&start, &body)).is_none(), "{place:?} {other:?}");
        }
        let longer = [body[0].clone(), body[0].clone()];
        assert!(Renaming::between((&start, &body), (&start, &longer)).is_none());
    }
}
