//! Keys of rows as bytes that sort as the rows do: what directories are searched by.
//!
//! ```text
//!   open rows     EAVT  e:8 a:4 V from:8       AEVT  a:4 e:8 V from:8       AVET  a:4 V e:8 from:8
//!   closed rows   EAVT  e:8 a:4 to:8 V from:8  AEVT  a:4 e:8 to:8 V from:8  AVET  a:4 V to:8 e:8 from:8
//!   V             type number:1, then 8 bytes of a fixed type, or the code with 00 written 00 FF, closed by 00 00
//! ```
//!
//! No part of a key is the beginning of another value of that part, so all rows that begin with the same parts lie
//! between these bytes and their [`successor`].

use crate::datom::code::word_bytes;
use crate::datom::{Order, Tag, ValueBound, ValueRef};
use crate::run::{Lead, Run};
use crate::tree::Shape;

/// Appends the key of a row.
pub(crate) fn of_row(run: &Run, row: usize, shape: Shape, out: &mut Vec<u8>) {
    let rows = &run.rows;
    let (e, a, from) = (rows.e[row].to_be_bytes(), rows.a[row].to_be_bytes(), rows.from[row].to_be_bytes());
    let to = |out: &mut Vec<u8>| {
        if shape == Shape::Closed {
            out.extend_from_slice(&rows.to[row].to_be_bytes());
        }
    };
    match run.order {
        Order::Eavt | Order::Aevt => {
            put_entity_and_attribute(run.order, &e, &a, out);
            to(out);
            put_value(run.value(row), out);
        }
        Order::Avet => {
            out.extend_from_slice(&a);
            put_value(run.value(row), out);
            to(out);
            out.extend_from_slice(&e);
        }
    }
    out.extend_from_slice(&from);
}

fn put_entity_and_attribute(order: Order, e: &[u8; 8], a: &[u8; 4], out: &mut Vec<u8>) {
    if order == Order::Eavt {
        out.extend_from_slice(e);
        out.extend_from_slice(a);
    } else {
        out.extend_from_slice(a);
        out.extend_from_slice(e);
    }
}

fn put_value(v: ValueRef<'_>, out: &mut Vec<u8>) {
    out.push(v.tag() as u8);
    match v {
        ValueRef::Fixed(_, word) => out.extend_from_slice(&word_bytes(word)),
        ValueRef::Variable(_, code) => {
            let mut parts = code.split(|byte| *byte == 0);
            out.extend_from_slice(parts.next().unwrap_or_default());
            for part in parts {
                out.extend_from_slice(&[0, 0xff]);
                out.extend_from_slice(part);
            }
            out.extend_from_slice(&[0, 0]);
        }
    }
}

/// The shortest bytes that sort above `below` and not above `above`; `below < above`.
pub(crate) fn separator<'a>(below: &[u8], above: &'a [u8]) -> &'a [u8] {
    debug_assert!(below < above, "keys ascend");
    let shared = below.iter().zip(above).take_while(|(x, y)| x == y).count();
    &above[..(shared + 1).min(above.len())]
}

/// The least bytes above everything that begins with these; none if there are no such bytes.
pub(crate) fn successor(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if last < 0xff {
            prefix.push(last + 1);
            return Some(prefix);
        }
    }
    None
}

/// Between which keys the rows of a lead lie: not below `low`, below `high` if there is one. Rows outside the lead
/// may lie between too (an endless lead into closed rows starts at their first two places only); none of the lead's
/// lies outside. A range of values that is empty may give a `high` that is not above `low`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: Vec<u8>,
    pub(crate) high: Option<Vec<u8>>,
}

impl Bounds {
    /// Of a lead in the rows of an order and shape.
    pub(crate) fn of(lead: &Lead<'_>, order: Order, shape: Shape) -> Bounds {
        let third_too = shape == Shape::Open;
        let mut known = Known::default();
        match order {
            Order::Eavt => {
                let _ = known.bytes(lead.e.map(u64::to_be_bytes))
                    && known.bytes(lead.a.map(u32::to_be_bytes))
                    && third_too
                    && known.value(&lead.v);
            }
            Order::Aevt => {
                let _ = known.bytes(lead.a.map(u32::to_be_bytes))
                    && known.bytes(lead.e.map(u64::to_be_bytes))
                    && third_too
                    && known.value(&lead.v);
            }
            Order::Avet => {
                let _ = known.bytes(lead.a.map(u32::to_be_bytes))
                    && known.value(&lead.v)
                    && third_too
                    && known.bytes(lead.e.map(u64::to_be_bytes));
            }
        }
        known.bounds(lead.endless)
    }

    /// Everything.
    pub(crate) fn all() -> Bounds {
        Bounds::default()
    }
}

/// What a lead knows of its order's places, from the first on.
#[derive(Default)]
struct Known {
    prefix: Vec<u8>,
    /// The ends of a range of values, which is the last place looked at.
    range: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Known {
    /// Takes a place; false if it is unknown, which ends the known ones.
    fn bytes<const N: usize>(&mut self, place: Option<[u8; N]>) -> bool {
        self.prefix.extend_from_slice(place.as_ref().map_or(&[], |bytes| bytes.as_slice()));
        place.is_some()
    }

    /// The same for the value.
    fn value(&mut self, bound: &ValueBound<'_>) -> bool {
        match bound {
            ValueBound::Any => false,
            ValueBound::Is(v) => {
                put_value(*v, &mut self.prefix);
                true
            }
            ValueBound::Range(tag, low, high) => {
                self.range = Some(self.ends(*tag, low, high));
                false
            }
        }
    }

    fn ends(&self, tag: Tag, low: &End<'_>, high: &End<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
        let of_type = [&self.prefix[..], &[tag as u8]].concat();
        let of_value = |v: ValueRef<'_>| {
            let mut key = self.prefix.clone();
            put_value(v, &mut key);
            key
        };
        let low = low.map(|(v, inclusive)| {
            let key = of_value(v);
            if inclusive { key } else { successor(key.clone()).unwrap_or(key) }
        });
        let high = match high {
            Some((v, false)) => Some(of_value(*v)),
            Some((v, true)) => successor(of_value(*v)),
            None => successor(of_type.clone()),
        };
        (low.unwrap_or(of_type), high)
    }

    fn bounds(self, endless: bool) -> Bounds {
        let (low, high) = match self.range {
            Some(ends) => ends,
            None => (self.prefix.clone(), successor(self.prefix)),
        };
        Bounds { low, high: high.filter(|_| !endless) }
    }
}

type End<'a> = Option<(ValueRef<'a>, bool)>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datom::Value;
    use crate::tree::arbitrary::{Fact, facts, run_of};

    fn keys(run: &Run, shape: Shape) -> Vec<Vec<u8>> {
        let key = |row| {
            let mut key = Vec::new();
            of_row(run, row, shape, &mut key);
            key
        };
        (0..run.len()).map(key).collect()
    }

    /// Every lead that can be made of a fact's parts, and ranges of values between two facts.
    fn with_leads(x: &Fact, y: &Fact, check: &mut dyn FnMut(&Lead<'_>)) {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        x.v.with_ref(&mut first, |v| {
            y.v.with_ref(&mut second, |w| {
                let ends = [None, Some((v, true)), Some((v, false))];
                let others = [None, Some((w, true)), Some((w, false))];
                let ranges = ends
                    .iter()
                    .flat_map(|low| others.iter().map(|high| ValueBound::Range(v.tag(), *low, *high)));
                let bounds = [ValueBound::Any, ValueBound::Is(v)].into_iter().chain(ranges);
                for v in bounds {
                    for (e, a) in [(None, None), (None, Some(x.a)), (Some(x.e), None), (Some(x.e), Some(x.a))]
                    {
                        for endless in [false, true] {
                            check(&Lead { e, a, v, endless });
                        }
                    }
                }
            });
        });
    }

    proptest! {
        #[test]
        fn keys_sort_as_rows_do(facts in facts(1..30)) {
            for order in Order::ALL {
                for shape in [Shape::Open, Shape::Closed] {
                    let run = run_of(&facts, order, shape);
                    let keys = keys(&run, shape);
                    for x in 0..run.len() {
                        for y in 0..run.len() {
                            prop_assert_eq!(keys[x].cmp(&keys[y]), run.compare(x, &run, y));
                        }
                    }
                }
            }
        }

        #[test]
        fn separators_part_and_are_short(facts in facts(2..30)) {
            let run = run_of(&facts, Order::Avet, Shape::Open);
            for pair in keys(&run, Shape::Open).windows(2) {
                let (below, above) = (&pair[0][..], &pair[1][..]);
                let parting = separator(below, above);
                prop_assert!(below < parting && parting <= above);
                prop_assert!(&parting[..parting.len() - 1] <= below, "a shorter one would do");
            }
        }

        #[test]
        fn rows_of_a_lead_lie_in_its_bounds(facts in facts(1..30), x: prop::sample::Index, y: prop::sample::Index) {
            let (x, y) = (x.get(&facts), y.get(&facts));
            for order in Order::ALL {
                for shape in [Shape::Open, Shape::Closed] {
                    let run = run_of(&facts, order, shape);
                    let keys = keys(&run, shape);
                    with_leads(x, y, &mut |lead| {
                        let bounds = Bounds::of(lead, order, shape);
                        let above = |key: &Vec<u8>| bounds.high.as_ref().is_some_and(|high| key >= high);
                        for row in run.seek(lead) {
                            let key = &keys[row];
                            assert!(*key >= bounds.low && !above(key), "{order:?} {shape:?} {lead:?} {key:02x?}");
                        }
                        assert!(!lead.endless || bounds.high.is_none());
                    });
                }
            }
        }

        #[test]
        fn bounds_of_open_rows_are_exact(facts in facts(1..30), x: prop::sample::Index, y: prop::sample::Index) {
            let (x, y) = (x.get(&facts), y.get(&facts));
            for order in Order::ALL {
                let run = run_of(&facts, order, Shape::Open);
                let keys = keys(&run, Shape::Open);
                with_leads(x, y, &mut |lead| {
                    if matches!(lead.v, ValueBound::Range(tag, _, Some((high, _))) if tag != high.tag()) {
                        return; // The end lies in other values of other types.
                    }
                    let bounds = Bounds::of(lead, order, Shape::Open);
                    let inside = |key: &Vec<u8>| *key >= bounds.low && bounds.high.as_ref().is_none_or(|high| key < high);
                    let inside = keys.iter().filter(|key| inside(key)).count();
                    assert_eq!(inside, run.seek(lead).len(), "{order:?} {lead:?}");
                });
            }
        }
    }

    #[test]
    fn everything_has_no_bounds() {
        assert_eq!(Bounds::of(&Lead::default(), Order::Eavt, Shape::Open), Bounds::all());
        assert_eq!(successor(vec![1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(successor(vec![0xff, 0xff]), None);
    }

    #[test]
    fn a_key_reads_as_documented() {
        let fact = Fact { e: 1, a: 2, v: Value::string("a\0b"), from: 3, to: 4 };
        let run = run_of(&[fact], Order::Avet, Shape::Closed);
        let expected: &[u8] = &[
            0, 0, 0, 2, 11, b'a', 0, 0xff, b'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
            0, 0, 0, 0, 0, 3,
        ];
        assert_eq!(keys(&run, Shape::Closed), [expected]);
    }
}
