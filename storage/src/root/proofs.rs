//! Roots come back, damage is noticed, and what a newer build requires is refused by name.

use proptest::prelude::*;

use super::*;
use crate::datom::Value;
use crate::datom::arbitrary::{attribute, entity};
use crate::error::Error;
use crate::wire::put_unsigned;

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed << 96 | 7);

fn number() -> BoxedStrategy<u64> {
    prop_oneof![4 => 0u64..1000, 1 => any::<u64>()].boxed()
}

fn name() -> impl Strategy<Value = Name> {
    // Few jobs write many segments.
    let job = prop_oneof![(1u64..3).prop_map(|job| job << 40), any::<u64>()];
    (0u64..3, job, number()).prop_map(|(epoch, job, ordinal)| Name { epoch, job, ordinal })
}

fn tree() -> impl Strategy<Value = Tree> {
    let full = (name(), 1u8..=16, number(), number(), number())
        .prop_map(|(top, height, rows, leaves, bytes)| Tree { top: Some(top), height, rows, leaves, bytes });
    prop_oneof![1 => Just(Tree::default()), 3 => full]
}

fn span() -> impl Strategy<Value = (T, T)> {
    (number(), number()).prop_map(|(x, y)| (x.min(y), x.max(y)))
}

fn tiers() -> impl Strategy<Value = Vec<Tier>> {
    let tier = (span(), tree(), tree());
    prop::collection::vec(tier.prop_map(|((first, last), open, dead)| Tier { first, last, open, dead }), 0..4)
}

fn generations() -> impl Strategy<Value = Vec<Generation>> {
    let generation = (span(), number(), [tree(), tree(), tree()]);
    let generation = generation.prop_map(|((first, last), first_from, closed)| Generation {
        first,
        last,
        first_from,
        closed,
    });
    prop::collection::vec(generation, 0..4)
}

fn notes() -> impl Strategy<Value = Vec<AttributeNote>> {
    prop::collection::btree_map(any::<u32>(), any::<(u16, u16)>(), 0..8).prop_map(|notes| {
        notes.into_iter().map(|(a, (tags, long))| AttributeNote { a, tags, long }).collect()
    })
}

fn freed() -> impl Strategy<Value = Vec<Freed>> {
    let freed = (number(), any::<i64>(), name(), number(), number());
    let freed =
        freed.prop_map(|(revision, at, list, segments, bytes)| Freed { revision, at, list, segments, bytes });
    prop::collection::vec(freed, 0..4)
}

fn excision() -> impl Strategy<Value = Excision> {
    let entities = prop::collection::btree_set(entity(), 0..4);
    let attributes = prop::collection::btree_set(attribute(), 0..4);
    (number(), entities, attributes, any::<bool>(), number()).prop_map(
        |(t, entities, attributes, references, before)| Excision {
            t,
            entities: entities.into_iter().collect(),
            attributes: attributes.into_iter().collect(),
            references,
            before,
        },
    )
}

fn root() -> impl Strategy<Value = Root> {
    let counters = prop::collection::vec((any::<u32>().prop_map(Partition), any::<u64>()), 0..5);
    let times = (any::<i64>(), prop::option::of(0u64..1 << 42), any::<i64>(), number(), number());
    let log = (tree(), number(), prop::option::of(0u64..1 << 42), any::<u128>());
    let trees = ([tiers(), tiers(), tiers()], generations(), notes());
    let garbage = (freed(), prop::collection::vec(excision(), 0..3));
    ((number(), number(), any::<u64>()), times, counters, log, trees, garbage).prop_map(
        |((revision, epoch, job), times, next, log, (tiers, generations, attributes), (freed, excisions))| {
            let (at, basis, instant, log_epoch, leaf_bytes) = times;
            let (log, seq, t, previous) = log;
            let log_end = LogEnd { seq, t, previous };
            Root {
                revision,
                epoch,
                job,
                at,
                basis,
                instant,
                next,
                log_epoch,
                tiers,
                generations,
                attributes,
                log,
                log_end,
                freed,
                excisions,
                leaf_bytes,
            }
        },
    )
}

fn payload(root: &Root) -> Vec<u8> {
    let mut payload = Vec::new();
    bytes::encode(root, &mut payload);
    payload
}

proptest! {
    #[test]
    fn roots_come_back(root in root()) {
        let frame = root.seal(DATABASE).expect("a root is small");
        prop_assert_eq!(Root::open(DATABASE, root.revision, &frame).expect("what was sealed"), root);
    }

    #[test]
    fn cut_roots_are_refused(root in root(), cut: prop::sample::Index) {
        let payload = payload(&root);
        prop_assert!(bytes::decode(&payload[..cut.index(payload.len())]).is_err());
        let frame = root.seal(DATABASE).expect("a root is small");
        prop_assert!(Root::open(DATABASE, root.revision, &frame[..cut.index(frame.len())]).is_err());
    }

    #[test]
    fn a_flipped_bit_is_found_and_the_slot_named(root in root(), at: prop::sample::Index, bit in 0u32..8) {
        let mut frame = root.seal(DATABASE).expect("a root is small");
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        let error = Root::open(DATABASE, root.revision, &frame).expect_err("the frame was damaged").to_string();
        prop_assert!(error.contains(&Sequence::Root(DATABASE).slot(root.revision)), "{}", error);
    }

    #[test]
    fn damaged_payloads_give_a_root_or_an_error(
        root in root(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = payload(&root);
        for (at, byte) in damage {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Ok(root) = bytes::decode(&payload) {
            // What is read can be written again.
            prop_assert_eq!(bytes::decode(&self::payload(&root)), Ok(root));
        }
    }

    #[test]
    fn any_bytes_give_a_root_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = bytes::decode(&payload);
    }
}

#[test]
fn the_root_before_the_first_expects_the_first_batch() {
    let root = Root::empty(DATABASE);
    assert_eq!((root.revision, root.basis, root.log_end.seq), (Root::NONE, None, 0));
    assert_eq!(root.log_end.previous, DATABASE.0, "the first batch continues the database's id");
}

#[test]
fn a_root_in_another_slot_or_database_is_refused() {
    let root = Root { revision: 3, ..Root::empty(DATABASE) };
    let frame = root.seal(DATABASE).expect("a root is small");
    let error = Root::open(DATABASE, 4, &frame).expect_err("another slot");
    assert!(error.to_string().contains("revision 3, expected 4"), "{error}");
    assert!(Root::open(DatabaseId(1), 3, &frame).is_err());
}

#[test]
fn features_that_must_be_known_are_named() {
    let root = Root { revision: 0, ..Root::empty(DATABASE) };
    let known = payload(&root);
    let mut unknown = Vec::new();
    put_unsigned(&mut unknown, 1 << 3 | 1 << 40);
    unknown.extend_from_slice(&known[1..]);
    let frame = frame::seal(Kind::Root, ROOT_VERSION, DATABASE, &unknown).expect("a root is small");
    let error = Root::open(DATABASE, 0, &frame).expect_err("features of a newer build");
    assert!(matches!(error, Error::UnknownVersion { found: 3, .. }));
    assert!(error.to_string().ends_with("has required feature 3, this build knows none of 3, 40"), "{error}");
}

#[test]
fn features_that_need_not_be_known_are_passed_over() {
    let root = Root { revision: 0, ..Root::empty(DATABASE) };
    let known = payload(&root);
    let more = [&[0, 2, 5, 3, 1, 2, 3, 9, 0], &known[2..]].concat();
    assert_eq!(bytes::decode(&more), Ok(root));
}

#[test]
fn few_bytes_that_claim_much_are_refused() {
    let mut payload = payload(&Root { revision: 0, ..Root::empty(DATABASE) });
    payload.pop();
    put_unsigned(&mut payload, u64::MAX);
    assert!(bytes::decode(&payload).is_err(), "2^64 excisions");
}

#[test]
fn a_root_of_many_trees_is_small() {
    let name = |ordinal| Name { epoch: 3, job: 0x1234_5678_9abc_def0, ordinal };
    let tree = |n| Tree { top: Some(name(n)), height: 2, rows: n << 20, leaves: n << 9, bytes: n << 22 };
    let tier = |n| Tier { first: n << 20, last: (n + 1) << 20, open: tree(n), dead: tree(n) };
    let generation = |n| Generation {
        first: n << 20,
        last: (n + 1) << 20,
        first_from: 0,
        closed: [tree(n), tree(n), tree(n)],
    };
    let note = |a| AttributeNote { a, tags: 1 << 11, long: 0 };
    let root = Root {
        revision: 0,
        tiers: [0, 1, 2].map(|_| (1..9).map(tier).collect()),
        generations: (1..17).map(generation).collect(),
        attributes: (0..200).map(note).collect(),
        ..Root::empty(DATABASE)
    };
    assert!(root.seal(DATABASE).expect("a root is small").len() < 2048);
}

#[test]
fn an_excision_takes_what_it_names() {
    let (e, other, a, b) = (EntityId(10), EntityId(11), AttrId(1), AttrId(2));
    let (to_e, one) = (Value::Ref(e), Value::Long(e.0 as i64));
    let takes = |excision: &Excision, e, a, v: &Value, from| {
        v.with_ref(&mut Vec::new(), |v| excision.takes(e, a, v, from))
    };
    let all = Excision { t: 9, entities: vec![e], attributes: vec![], references: true, before: 9 };
    assert!(takes(&all, e, a, &one, 8));
    assert!(!takes(&all, e, a, &one, 9), "asserted too late");
    assert!(takes(&all, other, a, &to_e, 8), "a reference to it");
    assert!(!takes(&all, other, a, &one, 8), "a number is no reference");
    let some = Excision { attributes: vec![b], references: false, ..all.clone() };
    assert!(takes(&some, e, b, &one, 8) && !takes(&some, e, a, &one, 8));
    assert!(!takes(&some, other, b, &to_e, 8), "references stay");
    let attribute = Excision { entities: vec![], attributes: vec![a], references: false, ..all.clone() };
    assert!(takes(&attribute, other, a, &one, 8) && !takes(&attribute, other, b, &one, 8));
    let nothing = Excision { entities: vec![], attributes: vec![], ..all };
    assert!(!takes(&nothing, e, a, &one, 8));
}
