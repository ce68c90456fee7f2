//! Frames of every kind, written once and kept for ever in `golden/`: whoever changes a format sees here what it must
//! still read.
//!
//! Each file is a frame in hexadecimal, named by its kind and the version of its payload, beside what it holds as this
//! build's structures. Files are never written again; a new version of a payload gets files of its own, and the old
//! ones stay, with nothing that writes them any more. `ANNALS_BLESS=1 cargo test golden` writes those that are missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use uuid::Uuid;

use crate::backend::catalog::Parting;
use crate::backend::{Catalog, DatabaseId, MemoryStorage, Sequence, Storage};
use crate::datom::{AttrId, Decimal, EntityId, Order, Partition, Tag, Value};
use crate::frame::{self, Expected, Kind};
use crate::index::garbage::freed;
use crate::log::batch::{self, BATCH_VERSION, Stored};
use crate::log::packed::segment::{Position, Segment};
use crate::log::{LogBatch, LogDatom, LoggedTx, Op};
use crate::page::of_hex;
use crate::root::{AttributeNote, Excision, Freed, Generation, LogEnd, Root, Tier};
use crate::tree::arbitrary::{Fact, run_of};
use crate::tree::directory::{self, DIRECTORY_VERSION, Directory, Keys};
use crate::tree::leaf::{self, LEAF_VERSION};
use crate::tree::{Entry, Name, Shape, Tree, Zone};

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed_0000_0000_0000_0000_0000_0001);

type Check = Box<dyn Fn(&[u8])>;

/// A file, what it holds, and how this build writes the same.
struct Golden {
    file: &'static str,
    /// None for a version that is only read.
    today: Option<Vec<u8>>,
    /// Panics if the frame does not hold what it should.
    check: Check,
}

fn golden(file: &'static str, today: Vec<u8>, check: impl Fn(&[u8]) + 'static) -> Golden {
    Golden { file, today: Some(today), check: Box::new(check) }
}

/// All of them. What they hold is never changed here, only added to.
fn all() -> Vec<Golden> {
    vec![
        leaf("leaf-1", Order::Eavt, Shape::Open, every_type()),
        leaf("leaf-1-one-row", Order::Aevt, Shape::Open, every_type()[..1].to_vec()),
        leaf("leaf-1-compressed", Order::Aevt, Shape::Open, many()),
        leaf("history-leaf-1", Order::Avet, Shape::Closed, every_type()),
        leaf("history-leaf-1-compressed", Order::Avet, Shape::Closed, many()),
        directory("directory-1", 1, open_zone),
        directory("directory-1-upper-closed", 2, closed_zone),
        Golden { file: "log-batch-1", today: None, check: Box::new(check_first_version) },
        log_batch("log-batch-2", None),
        log_batch("log-batch-2-standing-for-another", Some(0x0f0e_0d0c << 96 | 5)),
        log_segment(),
        root(),
        catalog_entry("catalog-entry-1-created", 0),
        catalog_entry("catalog-entry-1-dropped", 1),
        forked_entry(),
        freed_list(),
    ]
}

fn opened(bytes: &[u8], kind: Kind, kind_version: u8) -> Vec<u8> {
    let expected = Expected { kind, kind_version, database: DATABASE, place: "a golden file" };
    frame::open(bytes, &expected).expect("a frame of this kind").payload.into_owned()
}

/// Facts of every type, with the values that go wrong first.
fn every_type() -> Vec<Fact> {
    let e = EntityId::new(Partition::USER, 1000);
    let big = |text: &str| text.parse::<num_bigint::BigInt>().expect("a number");
    let decimal = |digits: i64, scale| Decimal(bigdecimal::BigDecimal::new(digits.into(), scale));
    let pair = [Some(Value::Long(-1)), None, Some(Value::string("a\0b"))];
    let values = vec![
        Value::Boolean(true),
        Value::Long(i64::MIN),
        Value::Long(i64::MAX),
        Value::BigInt(Arc::new(big("-123456789012345678901234567890"))),
        Value::Float(-1.5),
        Value::Double(f64::NAN),
        Value::Double(0.1),
        Value::BigDec(Arc::new(decimal(100, 2))),
        Value::BigDec(Arc::new(decimal(1, 0))),
        Value::Instant(1_700_000_000_000_000),
        Value::Uuid(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)),
        Value::keyword("colour/green"),
        Value::Symbol("f".into()),
        Value::string("Grüße"),
        Value::string(""),
        Value::Uri("https://example.org/".into()),
        Value::Bytes([0, 255, 0].as_slice().into()),
        Value::Ref(EntityId::of_t(7)),
        Value::Tuple(pair.as_slice().into()),
    ];
    let fact = |(v, n): (Value, u64)| Fact { e: e.0, a: v.tag() as u32 + 70, v, from: n / 3, to: n + 1 };
    let of_one_type = values.iter().cloned().zip(0..).map(fact);
    // And one attribute with values of all types.
    let mixed = values.iter().zip(0..).map(|(v, n)| Fact {
        e: e.0 + n % 2,
        a: 9,
        v: v.clone(),
        from: 5,
        to: 1 << 41,
    });
    of_one_type.chain(mixed).collect()
}

/// Facts that rows share, that begin alike, that step, and that lie scattered.
fn many() -> Vec<Fact> {
    let person = |n: u64| {
        let e = EntityId::new(Partition::USER, 1000 + n).0;
        let fact = |a, v| Fact { e, a, v, from: 1 + n / 10, to: 100 + n % 7 };
        [
            fact(72, Value::string(format!("person{:04}@example.org", n * 7919 % 1000))),
            fact(73, Value::keyword(["state/open", "state/done"][n as usize % 2])),
            fact(74, Value::Double((n * 7919 % 1000) as f64 / 4.0)),
            fact(75, Value::Instant(1_700_000_000_000_000 + n as i64 * 60_000_000)),
            fact(76, Value::Ref(EntityId::new(Partition::USER, 1000 + n * n % 97))),
        ]
    };
    (0..300).flat_map(person).collect()
}

fn leaf(file: &'static str, order: Order, shape: Shape, facts: Vec<Fact>) -> Golden {
    let kind = if shape == Shape::Open { Kind::Leaf } else { Kind::HistoryLeaf };
    let (run, mut payload) = (run_of(&facts, order, shape), Vec::new());
    leaf::encode(&run, 0..run.len(), shape, &mut payload);
    let today = frame::seal(kind, LEAF_VERSION, DATABASE, &payload).expect("a small payload");
    golden(file, today, move |bytes| {
        let found = leaf::decode(&opened(bytes, kind, LEAF_VERSION), order, shape).expect("a leaf");
        assert_eq!(found.len(), run.len());
        (0..run.len()).for_each(|row| assert!(found.compare(row, &run, row).is_eq(), "row {row}"));
        (0..run.len()).for_each(|row| assert_eq!(found.value(row).to_value(), run.value(row).to_value()));
    })
}

fn name(n: u64) -> Name {
    Name { epoch: 1 + n / 4, job: (0xfeed_beef << 32) + n / 4, ordinal: n * 10 }
}

fn open_zone(n: u64) -> Zone {
    Zone { from: (n, 100 - n), to: (u64::MAX, u64::MAX) }
}

fn closed_zone(n: u64) -> Zone {
    Zone { from: (0, n), to: (n, n * n) }
}

fn directory(file: &'static str, level: u8, zone: fn(u64) -> Zone) -> Golden {
    let leaves = |n| if level == 1 { 1 } else { 100 + n };
    let entry =
        |n| Entry { name: name(n), rows: 1 << (3 * n), leaves: leaves(n), zone: zone(n), bytes: 30_000 - n };
    let mut keys = Keys::default();
    ["", "key", "key of", "key to", "key\u{7f}", "ley", "z"].iter().for_each(|key| keys.push(key.as_bytes()));
    let expected = Directory::new(level, (0..7).map(entry).collect(), keys).expect("small numbers");
    let mut payload = Vec::new();
    directory::encode(&expected, &mut payload);
    let today = frame::seal(Kind::Directory, DIRECTORY_VERSION, DATABASE, &payload).expect("a small payload");
    golden(file, today, move |bytes| {
        let found = directory::decode(&opened(bytes, Kind::Directory, DIRECTORY_VERSION));
        assert_eq!(found.as_ref(), Ok(&expected));
    })
}

/// Transactions with every type and operation.
fn batch() -> LogBatch {
    let datom = |(fact, n): (Fact, u64)| {
        let op = if n % 4 == 3 { Op::Retract { from: 2, forget: n % 8 == 3 } } else { Op::Assert };
        LogDatom { e: EntityId(fact.e), a: AttrId(fact.a), v: fact.v, op }
    };
    let again = LogDatom {
        e: EntityId::new(Partition::USER, 1000),
        a: AttrId(72),
        v: Value::Long(7),
        op: Op::Assert,
    };
    let datoms = every_type().into_iter().take(19).zip(0..).map(datom);
    LogBatch {
        seq: 3,
        epoch: 2,
        id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        next: vec![(Partition::DB, 80), (Partition::USER, 1002)],
        txs: vec![
            LoggedTx { t: 5, instant: 1_700_000_000_000_000, datoms: datoms.collect() },
            LoggedTx { t: 6, instant: 1_700_000_000_000_123, datoms: vec![again] },
        ],
    }
}

const PREVIOUS: u128 = 0xffee_ddcc_bbaa_9988_7766_5544_3322_1100;

fn log_batch(file: &'static str, stands_for: Option<u128>) -> Golden {
    let mut payload = Vec::new();
    batch::encode(&batch(), PREVIOUS, stands_for, &mut payload).expect("storable values");
    let today = frame::seal(Kind::LogBatch, BATCH_VERSION, DATABASE, &payload).expect("a small payload");
    golden(file, today, move |bytes| {
        let expected = Stored { batch: batch(), previous: PREVIOUS, stands_for };
        assert_eq!(batch::decode(&opened(bytes, Kind::LogBatch, BATCH_VERSION), 2), Ok(expected));
    })
}

/// The example that `docs/format.md` had when batches were of version 1.
fn check_first_version(bytes: &[u8]) {
    let e = EntityId::new(Partition::USER, 1000);
    let datom = |e, a, v, op| LogDatom { e, a: AttrId(a), v, op };
    let datoms = vec![
        datom(EntityId::of_t(1), 50, Value::Instant(1_700_000_000_000_000), Op::Assert),
        datom(e, 72, Value::string("Ada"), Op::Assert),
        datom(e, 73, Value::Long(-1), Op::Assert),
        datom(e, 74, Value::Ref(EntityId::new(Partition::USER, 1001)), Op::Assert),
        datom(e, 75, Value::keyword("a/b"), Op::Retract { from: 0, forget: false }),
    ];
    let batch = LogBatch {
        seq: 0,
        epoch: 1,
        id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        next: vec![(Partition::USER, 1002)],
        txs: vec![LoggedTx { t: 1, instant: 1_700_000_000_000_000, datoms }],
    };
    let expected = Stored { batch, previous: DATABASE.0, stands_for: None };
    assert_eq!(bytes[7], 1, "the file's version");
    assert_eq!(batch::decode(&opened(bytes, Kind::LogBatch, BATCH_VERSION), 1), Ok(expected));
}

fn log_segment() -> Golden {
    let stream: Vec<u8> = (0..=255).collect();
    let start = Position { seq: 7, before: 90 };
    let today = Segment::seal(DATABASE, 2, start, 300, &stream).expect("a small payload");
    golden("log-segment-1", today, move |bytes| {
        let found = Segment::open(DATABASE, bytes, "a golden file").expect("a segment of the log");
        assert_eq!(found, Segment { generation: 2, start, left: 300, bytes: stream.clone() });
    })
}

fn root() -> Golden {
    let tree = |n: u64| Tree {
        top: Some(name(n)),
        height: 1 + n as u8 % 3,
        rows: n << 20,
        leaves: n << 8,
        bytes: n << 23,
    };
    let tier = |n| Tier {
        first: n * 10,
        last: n * 10 + 9,
        open: tree(n),
        dead: if n == 0 { Tree::default() } else { tree(n + 4) },
    };
    let generation = |n| Generation {
        first: n * 100 + 1,
        last: n * 100 + 100,
        first_from: n,
        closed: [0, 1, 2].map(|i| tree(n + i)),
    };
    let freed =
        |n| Freed { revision: n, at: n as i64 * 1_000_000, list: name(n), segments: n, bytes: n << 15 };
    let e = |n: u64| EntityId::new(Partition::USER, 1000 + n);
    let expected = Root {
        revision: 42,
        epoch: 3,
        job: 0x0123_4567_89ab_cdef,
        at: 1_700_000_000_000_000,
        basis: Some(1234),
        instant: 1_699_999_999_000_000,
        next: vec![(Partition::DB, 80), (Partition::USER, 5000)],
        log_epoch: 2,
        tiers: [1, 2, 3].map(|count| (0..count).map(tier).collect()),
        generations: (0..3).map(generation).collect(),
        attributes: vec![
            AttributeNote { a: 72, tags: 1 << Tag::String as u16, long: 1 << Tag::String as u16 },
            AttributeNote { a: 700, tags: 1 << Tag::Ref as u16, long: 0 },
        ],
        log: tree(9),
        log_end: LogEnd { seq: 600, t: Some(1235), previous: PREVIOUS },
        freed: vec![freed(40), freed(42)],
        excisions: vec![
            Excision { t: 17, entities: vec![e(0), e(7)], attributes: vec![], references: true, before: 17 },
            Excision { t: 20, entities: vec![], attributes: vec![AttrId(72)], references: false, before: 9 },
        ],
        leaf_bytes: 32_256,
    };
    let today = expected.seal(DATABASE).expect("a root is small");
    golden("root-1", today, move |bytes| {
        assert_eq!(Root::open(DATABASE, 42, bytes).expect("a root"), expected);
    })
}

/// The frames in the first slots of a catalog in which a database was created and dropped.
fn catalog() -> Vec<Vec<u8>> {
    let storage = Arc::new(MemoryStorage::new());
    let mut catalog = Catalog::open(Arc::clone(&storage) as Arc<dyn Storage>).expect("an empty catalog");
    catalog.create("people", DATABASE).expect("a good name");
    catalog.drop("people").expect("it is there");
    storage.read_slots(Sequence::Catalog, 0, 2).expect("memory does not fail")
}

/// The entry of a slot, read behind those that stand before it.
fn catalog_entry(file: &'static str, slot: u64) -> Golden {
    let today = catalog()[slot as usize].clone();
    golden(file, today, move |bytes| {
        let storage = MemoryStorage::new();
        let before = catalog();
        for (slot, bytes) in (0..).zip(before[..slot as usize].iter().map(Vec::as_slice).chain([bytes])) {
            storage.fill_slot(Sequence::Catalog, slot, bytes).expect("memory does not fail");
        }
        let mut catalog = Catalog::open(Arc::new(storage)).expect("a catalog");
        let expected = if slot == 0 { vec![("people".to_owned(), DATABASE)] } else { vec![] };
        assert_eq!(catalog.list().expect("memory does not fail"), expected);
    })
}

/// The entry of a fork, read behind that of its parent.
fn forked_entry() -> Golden {
    let fork = DatabaseId(DATABASE.0 + 1);
    let created = catalog()[0].clone();
    let parent = move || {
        let storage = MemoryStorage::new();
        storage.fill_slot(Sequence::Catalog, 0, &created).expect("memory does not fail");
        storage
    };
    let storage = parent();
    let mut before = Catalog::open(Arc::new(storage.clone())).expect("a catalog");
    before.fork("trial", fork, Parting { parent: DATABASE, batch: 300, t: 1_000 }).expect("a good name");
    let today = storage.read_slots(Sequence::Catalog, 1, 1).expect("memory does not fail").remove(0);
    golden("catalog-entry-2-forked", today, move |bytes| {
        let storage = parent();
        storage.fill_slot(Sequence::Catalog, 1, bytes).expect("memory does not fail");
        let mut catalog = Catalog::open(Arc::new(storage)).expect("a catalog");
        assert_eq!(catalog.find("trial").expect("memory does not fail"), Some(fork));
        let lineage = catalog.lineage(fork);
        assert_eq!((lineage.first(), lineage.parted()), (300, Some(1_000)));
        assert_eq!(lineage.parent(), Some(DATABASE.into()));
    })
}

fn freed_list() -> Golden {
    let names: Vec<Name> = (0..12).map(name).collect();
    let today = freed::seal(DATABASE, &names).expect("a short list");
    golden("freed-1", today, move |bytes| {
        let storage = MemoryStorage::new();
        let freed = Freed { revision: 0, at: 0, list: Name::default(), segments: 12, bytes: 0 };
        storage.write_segments(&[(freed.list.of(DATABASE), bytes)]).expect("memory does not fail");
        assert_eq!(freed::read(&storage, DATABASE, &freed).expect("a list"), Some(names.clone()));
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn path(file: &str) -> PathBuf {
    folder().join(format!("{file}.hex"))
}

fn to_hex(bytes: &[u8]) -> String {
    let line =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ") + "\n";
    bytes.chunks(32).map(line).collect()
}

/// Writes what is missing, if asked to; what is there is never touched.
fn bless() {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so this way")]
    if env::var_os("ANNALS_BLESS").is_none() {
        return;
    }
    for golden in all().iter().filter(|golden| !path(golden.file).exists()) {
        if let Some(today) = &golden.today {
            fs::write(path(golden.file), to_hex(today)).expect("the folder is there");
        }
    }
}

#[test]
fn golden_files_are_read_for_ever() {
    bless();
    for golden in all() {
        let text = fs::read_to_string(path(golden.file))
            .unwrap_or_else(|error| panic!("golden/{}.hex: {error}", golden.file));
        (golden.check)(&of_hex(&text).collect::<Vec<u8>>());
    }
}

#[test]
fn what_this_build_writes_holds_the_same() {
    for golden in all() {
        if let Some(today) = &golden.today {
            (golden.check)(today);
        }
    }
}

#[test]
fn no_golden_file_is_forgotten() {
    let files = fs::read_dir(folder()).expect("the folder is there");
    let name = |file: fs::DirEntry| file.file_name().into_string().expect("plain names");
    let there: BTreeSet<String> =
        files.map(|file| name(file.expect("a file"))).filter(|name| name.ends_with(".hex")).collect();
    let known: BTreeSet<String> = all().iter().map(|golden| format!("{}.hex", golden.file)).collect();
    assert_eq!(there, known);
}

#[test]
fn compressed_frames_are_among_them() {
    let compressed = |golden: &Golden| golden.today.as_ref().is_some_and(|frame| frame[8] == 1);
    assert!(all().iter().filter(|golden| compressed(golden)).count() >= 2);
}
