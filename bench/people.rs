//! People and their orders, as logged transactions: strings, e-mails, longs, doubles, instants, booleans, UUIDs, single
//! and many references. The same seed gives the same facts.

use annals_storage::datom::{AttrId, EntityId, Partition, T, Value};
use annals_storage::log::{LogDatom, LoggedTx, Op};

/// A person's yearly pay: a long of cardinality one.
pub const SALARY: AttrId = AttrId(106);
/// A person's e-mail: a string nobody else has.
pub const EMAIL: AttrId = AttrId(101);

const PERSON: [AttrId; 10] = [
    AttrId(100), // name
    EMAIL,
    AttrId(102), // born
    AttrId(103), // height
    AttrId(104), // active
    AttrId(105), // key
    SALARY,
    AttrId(107), // manager
    AttrId(108), // friends
    AttrId(109), // city
];
const CITIES: [&str; 12] = [
    "Lisbon", "Oslo", "Kyoto", "Quito", "Accra", "Turin", "Perth", "Cusco", "Hanoi", "Tunis", "Malmö",
    "Ghent",
];
const FIRST: [&str; 16] = [
    "Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Alan", "Radia", "Niklaus", "Karen", "Tony",
    "Jean", "Dennis", "Adele", "Robin", "Leslie",
];

/// Numbers that look random, the same for the same seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}

/// The entity of a person.
pub fn person(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

/// Facts about one person, about ten.
pub fn facts(n: u64, chance: &mut Chance) -> Vec<LogDatom> {
    let e = person(n);
    let first = FIRST[chance.below(16) as usize];
    let mut values = vec![
        Value::String(format!("{first} {}", n % 9973).into()),
        Value::String(format!("{}.{n}@example.org", first.to_lowercase()).into()),
        Value::Instant(chance.below(2_000_000_000) as i64 * 1_000_000),
        Value::Double(1.5 + chance.below(600) as f64 / 1000.0),
        Value::Boolean(chance.below(4) > 0),
        Value::Uuid(uuid::Uuid::from_u64_pair(chance.number(), chance.number())),
        Value::Long(20_000 + chance.below(100_000) as i64),
        Value::Ref(person(chance.below(n + 1))),
        Value::Ref(person(chance.below(n + 1))),
        Value::String(CITIES[chance.below(12) as usize].into()),
    ];
    values.drain(..).zip(PERSON).map(|(v, a)| LogDatom { e, a, v, op: Op::Assert }).collect()
}

/// A transaction that gives somebody another salary.
pub fn raise(t: T, n: u64, old: (i64, T), new: i64) -> LoggedTx {
    let fact = |v, op| LogDatom { e: person(n), a: SALARY, v: Value::Long(v), op };
    let datoms = vec![fact(old.0, Op::Retract { from: old.1, forget: false }), fact(new, Op::Assert)];
    LoggedTx { t, instant: instant(t), datoms }
}

/// The instant of a transaction.
pub fn instant(t: T) -> i64 {
    1_700_000_000_000_000 + t as i64 * 1_000
}
