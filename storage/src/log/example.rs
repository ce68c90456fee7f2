//! Holds the worked example of `docs/format.md` to the code, byte for byte.

use super::chain::Chain;
use super::{LogBatch, LogDatom, LoggedTx, Op};
use crate::backend::DatabaseId;
use crate::datom::{AttrId, EntityId, Partition, Value};

const FORMAT: &str = include_str!("../../../docs/format.md");
const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed_0000_0000_0000_0000_0000_0001);

/// What the page says the bytes mean.
fn batch() -> LogBatch {
    let ada = EntityId::new(Partition::USER, 1000);
    let tx = EntityId::of_t(1);
    let assert = |e, a, v| LogDatom { e, a: AttrId(a), v, op: Op::Assert };
    let datoms = vec![
        assert(tx, 50, Value::Instant(1_700_000_000_000_000)),
        assert(ada, 72, Value::string("Ada")),
        assert(ada, 73, Value::Long(-1)),
        assert(ada, 74, Value::Ref(EntityId::new(Partition::USER, 1001))),
        LogDatom { e: ada, a: AttrId(75), v: Value::keyword("a/b"), op: Op::Retract { from: 0 } },
    ];
    LogBatch {
        seq: 0,
        epoch: 1,
        id: 0x00112233_44556677_8899aabb_ccddeeff,
        next: vec![(Partition::USER, 1002)],
        txs: vec![LoggedTx { t: 1, instant: 1_700_000_000_000_000, datoms }],
    }
}

/// The bytes of the page's block marked `hex`: each line is bytes, a bar, and what they mean.
fn bytes_of_the_page() -> Vec<u8> {
    let block = FORMAT.split("```hex\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = block.expect("a block marked hex").lines();
    lines
        .flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

#[test]
fn the_worked_example_is_true() {
    let frame = bytes_of_the_page();
    let sealed = Chain::new(DATABASE).seal(&batch()).expect("it begins a log");
    assert_eq!(frame, sealed, "the page's bytes against {sealed:02x?}");
    assert_eq!(Chain::new(DATABASE).accept(&frame).expect("it begins a log"), batch());
}
