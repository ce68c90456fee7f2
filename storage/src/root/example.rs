//! Holds the worked example of a root in `docs/format.md` to the code, byte for byte.

use super::*;
use crate::page;

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed_0000_0000_0000_0000_0000_0001);

/// What the page says the bytes mean.
fn root() -> Root {
    let name = |ordinal| Name { epoch: 1, job: 2, ordinal };
    let tree = |ordinal| Tree { top: Some(name(ordinal)), height: 1, rows: 4, leaves: 1, bytes: 150 };
    let tiers = [1, 3, 5].map(|top| vec![Tier { first: 0, last: 2, open: tree(top), dead: Tree::default() }]);
    Root {
        revision: 0,
        epoch: 1,
        job: 2,
        at: 1_700_000_001_000_000,
        basis: Some(2),
        instant: 1_700_000_000_000_000,
        next: vec![(Partition::USER, 1002)],
        log_epoch: 1,
        tiers,
        generations: vec![],
        attributes: vec![
            AttributeNote { a: 72, tags: 1 << Tag::String as u16, long: 0 },
            AttributeNote { a: 73, tags: 1 << Tag::Long as u16, long: 0 },
        ],
        log: Tree { top: Some(name(7)), height: 1, rows: 6, leaves: 1, bytes: 300 },
        log_end: LogEnd { seq: 2, t: Some(3), previous: 0x00112233_44556677_8899aabb_ccddeeff },
        freed: vec![],
        excisions: vec![],
        leaf_bytes: 32_256,
    }
}

#[test]
fn the_worked_example_is_true() {
    let (page, sealed) = (page::bytes("hex root"), root().seal(DATABASE).expect("a root is small"));
    assert_eq!(page, sealed, "the page's bytes against {sealed:02x?}");
    assert_eq!(Root::open(DATABASE, 0, &page).expect("a root"), root());
}
