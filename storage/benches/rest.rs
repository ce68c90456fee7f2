//! What reading facts at rest costs: `cargo bench -p annals-storage --bench rest -- [ROWS] [PART]...`, with the parts
//! `now`, `newer` and `past`.
//!
//! People with six attributes each, put to rest by real jobs in memory. Figures are medians of rounds in nanoseconds of
//! this thread's own time; trust ratios inside one run. *Array* is a plain pass over the same columns (entity, word,
//! transaction) in arrays of that length.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use annals_storage::backend::{DatabaseId, MemoryStorage, Storage};
use annals_storage::cache::Cache;
use annals_storage::datom::{AttrId, Col, EntityId, Partition, Pattern, T, Tag, Value, ValueRef};
use annals_storage::index::{Job, Settings};
use annals_storage::log::{Log, LogBatch, LogDatom, LoggedTx, Op};
use annals_storage::novelty::Novelty;
use annals_storage::rest::Rest;
use annals_storage::snapshot::{Snapshot, View};

const SALARY: AttrId = AttrId(73);
const DATABASE: DatabaseId = DatabaseId(0xbe7c << 112);
/// Transactions have so many datoms.
const TX_DATOMS: usize = 60;
/// Merges would hide what an unmerged tier costs.
const UNMERGED: Settings = Settings {
    rewrite_bound: 1,
    most_tiers: 8,
    generation_rows: 1 << 16,
    leaf_bytes: None,
    threads_from: 1 << 16,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rows = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000_u64);
    let asked =
        |part: &str| args.iter().all(|arg| arg.parse::<u64>().is_ok()) || args.iter().any(|arg| arg == part);
    if asked("now") {
        now(rows / 6);
    }
    if asked("newer") {
        newer(rows / 6);
    }
    if asked("past") {
        [1, 4, 16].into_iter().for_each(|versions| past(rows / 10, versions));
    }
}

/// A database in memory.
struct House {
    storage: Arc<dyn Storage>,
    cache: Arc<Cache>,
    log: Log,
    rest: Rest,
    novelty: Novelty,
    settings: Settings,
    jobs: u64,
    /// By person, when the salary was set and to what.
    salaries: Vec<(T, i64)>,
}

impl House {
    fn new(settings: Settings) -> House {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let log =
            Log::open(Arc::clone(&storage), DATABASE, &Rest::none(), &mut |_| Ok(())).expect("an empty log");
        House {
            storage,
            cache: Arc::new(Cache::new(1 << 30)),
            log,
            rest: Rest::none(),
            novelty: Novelty::new(),
            settings,
            jobs: 0,
            salaries: Vec::new(),
        }
    }

    fn next_t(&self) -> T {
        self.log.next_t().max(1)
    }

    fn append(&mut self, txs: Vec<LoggedTx>) {
        let mut bulk = self.novelty.bulk();
        txs.iter().for_each(|tx| bulk.push(tx));
        self.novelty = bulk.finish();
        for txs in txs.chunks(1_000) {
            let (seq, txs) = (self.log.next_seq(), txs.to_vec());
            let batch = LogBatch { seq, epoch: 1, id: u128::from(seq), next: Vec::new(), txs };
            self.log.append(&batch).expect("memory does not fail");
        }
    }

    fn people(&mut self, people: u64) {
        let facts: Vec<LogDatom> = (0..people).flat_map(person).collect();
        let mut txs = Vec::new();
        for (t, datoms) in (self.next_t()..).zip(facts.chunks(TX_DATOMS)) {
            txs.push(LoggedTx { t, instant: 0, datoms: datoms.to_vec() });
            self.salaries
                .extend(datoms.iter().filter(|datom| datom.a == SALARY).map(|datom| (t, long(datom))));
        }
        self.append(txs);
    }

    /// Raises of some people, a transaction for every ten.
    fn raise(&mut self, people: impl Iterator<Item = u64>) {
        let people: Vec<u64> = people.collect();
        let mut txs = Vec::new();
        for (t, people) in (self.next_t()..).zip(people.chunks(10)) {
            let mut datoms = Vec::new();
            for n in people {
                let (from, salary) = self.salaries[*n as usize];
                let fact = |v: i64, op: Op| LogDatom { e: entity(*n), a: SALARY, v: Value::Long(v), op };
                datoms.push(fact(salary, Op::Retract { from, forget: false }));
                datoms.push(fact(salary + 1, Op::Assert));
                self.salaries[*n as usize] = (t, salary + 1);
            }
            txs.push(LoggedTx { t, instant: 0, datoms });
        }
        self.append(txs);
    }

    fn settle(&mut self) {
        let novelty = self.novelty.sealed();
        self.jobs += 1;
        let job = Job {
            storage: &self.storage,
            lineage: DATABASE.into(),
            cache: &self.cache,
            rest: &self.rest,
            novelty: &novelty,
            log: &self.log.reader(),
            epoch: 1,
            job: self.jobs,
            now: 0,
            settings: self.settings,
            excise: &[],
        };
        self.rest = job.run().expect("memory does not fail").rest;
        self.novelty = novelty.after(self.rest.basis().expect("facts are at rest"));
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::over(self.rest.clone(), self.novelty.clone())
    }

    /// The same with nothing in the cache, and room for so many bytes.
    fn cold(&self, bytes: usize) -> Snapshot {
        let cache = Arc::new(Cache::new(bytes));
        let rest = Rest::open(Arc::clone(&self.storage), DATABASE, cache).expect("memory does not fail");
        Snapshot::over(rest, self.novelty.clone())
    }
}

fn entity(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

fn long(datom: &LogDatom) -> i64 {
    if let Value::Long(n) = datom.v { n } else { 0 }
}

fn person(n: u64) -> [LogDatom; 6] {
    let fact = |a: u32, v: Value| LogDatom { e: entity(n), a: AttrId(a), v, op: Op::Assert };
    [
        fact(70, Value::string(format!("Name {}", n % 5_000))),
        fact(71, Value::string(format!("person{n}@example.org"))),
        fact(72, Value::Long((n * 7 % 90) as i64)),
        fact(SALARY.0, Value::Long((n * 7919 % 100_000) as i64)),
        fact(74, Value::Instant(n as i64 * 1_000_000)),
        fact(75, Value::Ref(entity(n / 10))),
    ]
}

/// The median time of some rounds, in nanoseconds for each of `units`. A round lasts long enough for the clock.
fn median<R>(rounds: usize, units: u64, mut work: impl FnMut() -> R) -> f64 {
    black_box(work());
    let origin = Instant::now();
    black_box(work());
    let times = 1 + 40_000_000 / (origin.elapsed().as_nanos() as u64 + 1);
    let mut round = || {
        let start = clock(origin);
        (0..times).for_each(|_| drop(black_box(work())));
        (clock(origin) - start) / times as f64
    };
    let mut all: Vec<f64> = (0..rounds).map(|_| round()).collect();
    all.sort_by(f64::total_cmp);
    all[rounds / 2] / units as f64
}

/// Nanoseconds of this thread's own processor time where the system tells them, else of the day.
fn clock(origin: Instant) -> f64 {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let own = own.and_then(|text| text.split(' ').next()?.parse().ok());
    own.unwrap_or_else(|| origin.elapsed().as_nanos() as f64)
}

fn sum(column: &Col<'_, u64>, rows: usize) -> u64 {
    match column {
        Col::Const(n) => n.wrapping_mul(rows as u64),
        Col::Each(all) => all.iter().fold(0, |sum, n| sum.wrapping_add(*n)),
    }
}

/// Sums the salaries' three columns.
fn column(snapshot: &Snapshot, view: &View) -> (u64, u64) {
    let (mut rows, mut total) = (0, 0_u64);
    let scan = snapshot.scan(view, &Pattern::attribute(SALARY), &mut |batch| {
        rows += batch.len as u64;
        total = total.wrapping_add(sum(&batch.e, batch.len)).wrapping_add(sum(&batch.t, batch.len));
        total = total.wrapping_add(match batch.v.words {
            Col::Const(word) => (word as u64).wrapping_mul(batch.len as u64),
            Col::Each(words) => words.iter().fold(0, |sum, n| sum.wrapping_add(*n as u64)),
        });
        ControlFlow::Continue(())
    });
    scan.expect("memory does not fail");
    (rows, total)
}

/// A plain pass over three arrays.
fn array(rows: u64) -> f64 {
    let columns: [Vec<u64>; 3] = [1, 2, 3].map(|k| (0..rows).map(|n| n * k).collect());
    median(21, rows, || {
        let columns = black_box(&columns);
        columns
            .iter()
            .map(|column| column.iter().fold(0_u64, |sum, n| sum.wrapping_add(*n)))
            .fold(0, u64::wrapping_add)
    })
}

fn found(snapshot: &Snapshot, view: &View, pattern: &Pattern<'_>) -> u64 {
    let mut found = 0;
    let scan = snapshot.scan(view, pattern, &mut |batch| {
        found += batch.len as u64;
        ControlFlow::Continue(())
    });
    scan.expect("memory does not fail");
    found
}

fn scattered(people: u64) -> impl Iterator<Item = u64> {
    (0..people).map(move |n| n.wrapping_mul(7919) % people)
}

fn points(snapshot: &Snapshot, people: u64) {
    let view = View::default();
    let each = |work: &mut dyn FnMut(u64) -> u64| {
        let (times, mut n) = (10_000, 0_u64);
        median(5, times, || {
            let mut total = 0;
            for _ in 0..times {
                n = n.wrapping_add(0x9e37_79b9);
                total += work(n % people);
            }
            total
        })
    };
    let values = each(&mut |n| found(snapshot, &view, &Pattern::values(entity(n), SALARY)));
    let all = each(&mut |n| found(snapshot, &view, &Pattern::entity(entity(n))));
    let value = each(&mut |n| {
        let email = format!("person{n}@example.org");
        found(snapshot, &view, &Pattern::value(AttrId(71), ValueRef::Variable(Tag::String, email.as_bytes())))
    });
    let count = each(&mut |n| {
        snapshot.count(&view, &Pattern::values(entity(n), SALARY)).expect("memory does not fail")
    });
    println!("  values {values:.0}, entity {all:.0}, e-mail {value:.0}, count of values {count:.0} ns");
    let count =
        median(5, 1, || snapshot.count(&view, &Pattern::attribute(SALARY)).expect("memory does not fail"));
    let sample = median(5, 1, || {
        let mut found = 0;
        let sink = &mut |batch: &annals_storage::datom::Batch<'_>| {
            found += batch.len;
            ControlFlow::Continue(())
        };
        snapshot.sample(&view, &Pattern::attribute(SALARY), 64, sink).expect("memory does not fail");
        found
    });
    println!("  count of a column {:.1} us, 64 samples of it {:.0} us", count / 1e3, sample / 1e3);
}

fn now(people: u64) {
    let mut house = House::new(Settings::default());
    house.people(people);
    let novel = house.snapshot();
    println!("{people} people; array: {:.3} ns a row", array(people));
    println!("novelty: {:.3} ns a row", median(21, people, || column(&novel, &View::default())));
    house.settle();
    let (array, snapshot) = (array(people), house.snapshot());
    let hot = median(21, people, || column(&snapshot, &View::default()));
    println!("at rest: {hot:.3} ns a row, {:.2} of array", hot / array);
    let cold = median(5, people, || column(&house.cold(1 << 30), &View::default()));
    println!("  cold: {cold:.1} ns a row");
    points(&snapshot, people);
    let mut n = 0_u64;
    let cold = median(5, 1, || {
        n = n.wrapping_add(0x9e37_79b9);
        found(&house.cold(1 << 30), &View::default(), &Pattern::values(entity(n % people), SALARY))
    });
    println!("  values, cold: {:.0} us", cold / 1e3);
}

fn newer(people: u64) {
    for percent in [1, 5] {
        for at_rest in [true, false] {
            let mut house = House::new(UNMERGED);
            house.people(people);
            house.settle();
            let array = array(people);
            house.raise(scattered(people).take((people * percent / 100) as usize));
            if at_rest {
                house.settle();
            }
            let snapshot = house.snapshot();
            let hot = median(11, people, || column(&snapshot, &View::default()));
            let place = if at_rest { "a tier" } else { "novelty" };
            println!("{percent} % scattered in {place}: {hot:.2} ns a row, {:.1} of array", hot / array,);
            if at_rest {
                let cold = median(5, people, || column(&house.cold(1 << 30), &View::default()));
                println!("  cold: {cold:.1} ns a row");
            }
            points(&snapshot, people);
        }
    }
}

/// Everyone gets `versions` raises, one after the other, and a job puts them to rest now and then.
fn past(people: u64, versions: u64) {
    let mut house = House::new(Settings::default());
    house.people(people);
    house.settle();
    let array = array(people);
    for version in 0..versions {
        house.raise(scattered(people));
        if version % 4 == 3 || version + 1 == versions {
            house.settle();
        }
    }
    let (last, snapshot) = (house.next_t() - 1, house.snapshot());
    let first = people * 6 / TX_DATOMS as u64;
    let now = median(11, people, || column(&snapshot, &View::default()));
    println!("{versions} closed versions: now {now:.3} ns a row, {:.2} of array", now / array);
    for percent in [99, 90, 50, 10] {
        let view = View { as_of: Some(first + (last - first) * percent / 100), ..View::default() };
        let fresh = median(5, people, || column(&house.cold(1 << 30), &view));
        let plain = median(5, people, || column(&house.cold(1 << 30), &View::default()));
        let hot = median(11, people, || column(&snapshot, &view));
        let nothing = median(5, people, || column(&house.cold(0), &view));
        let mut n = 0_u64;
        let point = median(5, 1_000, || {
            (0..1_000)
                .map(|_| {
                    n = n.wrapping_add(0x9e37_79b9);
                    found(&snapshot, &view, &Pattern::values(entity(n % people), SALARY))
                })
                .sum::<u64>()
        });
        println!(
            "  as of {percent} %: hot {hot:.3} ns a row, {:.2} of now; cold {fresh:.1}, {:.1} of cold now; without cache {nothing:.1}; values {point:.0} ns",
            hot / now,
            fresh / plain,
        );
    }
}
