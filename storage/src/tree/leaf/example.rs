//! Holds the worked example of a leaf in `docs/format.md` to the code, byte for byte.

use super::*;
use crate::backend::DatabaseId;
use crate::datom::{EntityId, Partition, Value};
use crate::frame::{self, Expected, Kind};
use crate::page;
use crate::tree::arbitrary::{Fact, run_of};

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed_0000_0000_0000_0000_0000_0001);

#[test]
fn the_worked_example_is_true() {
    let fact = |e, a, v, from| Fact { e: EntityId::new(Partition::USER, e).0, a, v, from, to: from };
    let run = run_of(
        &[
            fact(1000, 72, Value::string("Ada"), 1),
            fact(1000, 73, Value::Long(36), 1),
            fact(1001, 72, Value::string("Alan"), 1),
            fact(1001, 73, Value::Long(41), 2),
        ],
        Order::Eavt,
        Shape::Open,
    );
    let (page, mut payload) = (page::bytes("hex leaf"), Vec::new());
    encode(&run, 0..4, Shape::Open, &mut payload);
    let sealed = frame::seal(Kind::Leaf, LEAF_VERSION, DATABASE, &payload).expect("a small payload");
    assert_eq!(page, sealed, "the page's bytes against {sealed:02x?}");
    let expected =
        Expected { kind: Kind::Leaf, kind_version: LEAF_VERSION, database: DATABASE, place: "the page" };
    let opened = frame::open(&page, &expected).expect("a frame");
    let decoded = decode(&opened.payload, Order::Eavt, Shape::Open).expect("a leaf");
    assert_eq!(decoded.len(), 4);
    assert!((0..4).all(|row| decoded.compare(row, &run, row).is_eq()));
}
