//! Holds the worked example of `docs/format.md` to the code, byte for byte.

use super::chain::Chain;
use super::{LogBatch, LogDatom, LoggedTx, Op};
use crate::backend::DatabaseId;
use crate::datom::{AttrId, EntityId, Partition, Value};
use crate::page;

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed_0000_0000_0000_0000_0000_0001);

/// What the page says the bytes mean.
fn batch() -> LogBatch {
    let ada = EntityId::new(Partition::USER, 1000);
    let tx = EntityId::of_t(1);
    let assert = |e, a, v| LogDatom { e, a: AttrId(a), v, op: Op::Assert };
    let retract = |a, v, forget| LogDatom { e: ada, a: AttrId(a), v, op: Op::Retract { from: 0, forget } };
    let datoms = vec![
        assert(tx, 50, Value::Instant(1_700_000_000_000_000)),
        assert(ada, 72, Value::string("Ada")),
        assert(ada, 73, Value::Long(-1)),
        assert(ada, 74, Value::Ref(EntityId::new(Partition::USER, 1001))),
        retract(75, Value::keyword("a/b"), false),
        retract(76, Value::Long(2), true),
    ];
    LogBatch {
        seq: 0,
        epoch: 1,
        id: 0x00112233_44556677_8899aabb_ccddeeff,
        next: vec![(Partition::USER, 1002)],
        txs: vec![LoggedTx { t: 1, instant: 1_700_000_000_000_000, datoms }],
    }
}

#[test]
fn the_worked_example_is_true() {
    let frame = page::bytes("hex");
    let sealed = Chain::new(DATABASE).seal(&batch()).expect("it begins a log");
    assert_eq!(frame, sealed, "the page's bytes against {sealed:02x?}");
    assert_eq!(Chain::new(DATABASE).accept(&frame).expect("it begins a log"), batch());
}

/// The page's example as version 1 had it: written by an older build, and readable for ever.
const VERSION_1: &str = "
    41 4e 4c 53 00 01 04 01 00 00 00 00 00 00 00 52 00 00 00 52 0b 5e 55 ed
    1a d9 ac e0 30 d5 e5 a0 09 2d a2 6f 5c 38 b1 fd
    00 01 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff
    0b 5e 55 ed 00 00 00 00 00 00 00 00 00 00 00 01 01 04 ea 07 01 01
    80 80 f2 81 83 89 85 06 05 07 0b 02 0e 89 00 ce 8f 80 80 80 80 02 00 00 00
    32 48 49 4a 4b 01 00 03 41 64 61 01 02 03 61 00 62";

#[test]
fn version_1_is_read() {
    let frame: Vec<u8> = page::of_hex(VERSION_1).collect();
    let mut expected = batch();
    expected.txs[0].datoms.pop();
    let mut chain = Chain::new(DATABASE);
    assert_eq!(chain.accept(&frame).expect("it begins a log"), expected);
    // What is appended to it is of this version, and continues it.
    let next = LogBatch { seq: 1, epoch: 1, id: 7, next: vec![], txs: vec![] };
    let sealed = chain.seal(&next).expect("it continues");
    assert_eq!(chain.accept(&sealed).expect("it continues"), next);
}
