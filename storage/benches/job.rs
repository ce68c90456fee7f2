//! What putting facts to rest costs: `cargo bench -p annals-storage --bench job -- [DATOMS]`.
//!
//! People with six attributes each, taken by a job every 250,000 datoms, in memory: with rising ids, with scattered
//! ones, and then raises of scattered people. Times are this thread's own; the log is written beforehand. *Written* is
//! how many rows were written for each new one, by count.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::sync::Arc;
use std::time::Instant;

use annals_storage::backend::{DatabaseId, MemoryStorage, Storage};
use annals_storage::cache::Cache;
use annals_storage::datom::{AttrId, EntityId, Partition, T, Value};
use annals_storage::index::{Job, Settings, Verify};
use annals_storage::log::{Log, LogBatch, LogDatom, LoggedTx, Op};
use annals_storage::novelty::Novelty;
use annals_storage::rest::Rest;

const DATABASE: DatabaseId = DatabaseId(0xbe7d << 112);
const SALARY: AttrId = AttrId(73);
/// People in a job, and in a transaction.
const PEOPLE: u64 = 250_000 / 6;
const TX_PEOPLE: usize = 10;

fn main() {
    let datoms = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(2_500_000_u64);
    let jobs = (datoms / 6).div_ceil(PEOPLE);
    println!(
        "{:<10} {:>12} {:>8} {:>12} {:>12} {:>8}",
        "load", "rows", "written", "ns/new row", "ns/written", "jobs"
    );
    let mut house = House::new();
    house.report("rising", jobs, |job| (job * PEOPLE..(job + 1) * PEOPLE).map(|n| (n, n)).collect());
    println!("{:.1} bytes a datom, log and trees and garbage", house.bytes() as f64 / house.datoms as f64);
    house.verify();
    let mut house = House::new();
    let scattered = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 26;
    house.report("scattered", jobs, |job| {
        (job * PEOPLE..(job + 1) * PEOPLE).map(|n| (n, scattered(n))).collect()
    });
    let mut state = 1_u64;
    house.raises(jobs, &mut || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % (jobs * PEOPLE)
    });
    house.verify();
}

struct House {
    storage: Arc<dyn Storage>,
    cache: Arc<Cache>,
    log: Log,
    rest: Rest,
    novelty: Novelty,
    jobs: u64,
    datoms: u64,
    /// By number: whose salary, when it was set and to what.
    salaries: Vec<(EntityId, T, i64)>,
}

#[derive(Default)]
struct Sums {
    new: u64,
    written: u64,
    nanos: u64,
}

impl House {
    fn new() -> House {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let log = Log::open(Arc::clone(&storage), DATABASE, &Rest::none(), &mut |_| Ok(()));
        House {
            log: log.expect("an empty log"),
            storage,
            cache: Arc::new(Cache::new(256 << 20)),
            rest: Rest::none(),
            novelty: Novelty::new(),
            jobs: 0,
            datoms: 0,
            salaries: Vec::new(),
        }
    }

    fn report(&mut self, name: &str, jobs: u64, people: impl Fn(u64) -> Vec<(u64, u64)>) {
        let mut sums = Sums::default();
        for job in 0..jobs {
            let first = self.log.next_t().max(1);
            let mut txs = Vec::new();
            for (t, people) in (first..).zip(people(job).chunks(TX_PEOPLE)) {
                let datoms: Vec<LogDatom> = people.iter().flat_map(|(n, id)| person(*n, *id)).collect();
                self.salaries
                    .extend(datoms.iter().filter(|datom| datom.a == SALARY).map(|datom| (datom.e, t, 0)));
                txs.push(LoggedTx { t, instant: 0, datoms });
            }
            self.take(txs, &mut sums);
        }
        sums.print(name, jobs);
    }

    fn raises(&mut self, jobs: u64, random: &mut dyn FnMut() -> u64) {
        let mut sums = Sums::default();
        for _ in 0..jobs {
            let first = self.log.next_t().max(1);
            let mut txs = Vec::new();
            for t in first..first + 12_500 {
                let mut people: Vec<u64> = (0..TX_PEOPLE).map(|_| random()).collect();
                people.sort_unstable();
                people.dedup();
                let mut datoms = Vec::new();
                for n in people {
                    let (e, from, salary) = self.salaries[n as usize];
                    let fact = |v: i64, op: Op| LogDatom { e, a: SALARY, v: Value::Long(v), op };
                    datoms.push(fact(salary, Op::Retract { from, forget: false }));
                    datoms.push(fact(salary + 1, Op::Assert));
                    self.salaries[n as usize] = (e, t, salary + 1);
                }
                txs.push(LoggedTx { t, instant: 0, datoms });
            }
            self.take(txs, &mut sums);
        }
        sums.print("raises", jobs);
    }

    /// Logs transactions, and puts them to rest by one job.
    fn take(&mut self, txs: Vec<LoggedTx>, sums: &mut Sums) {
        let mut bulk = self.novelty.bulk();
        txs.iter().for_each(|tx| bulk.push(tx));
        self.datoms += txs.iter().map(|tx| tx.datoms.len() as u64).sum::<u64>();
        self.novelty = bulk.finish();
        for txs in txs.chunks(100) {
            let (seq, txs) = (self.log.next_seq(), txs.to_vec());
            let batch = LogBatch { seq, epoch: 1, id: u128::from(seq), next: Vec::new(), txs };
            self.log.append(&batch).expect("memory does not fail");
        }
        self.jobs += 1;
        let novelty = self.novelty.sealed();
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
            settings: Settings::default(),
            excise: &[],
        };
        let origin = Instant::now();
        let start = clock(origin);
        let done = job.run().expect("memory does not fail");
        sums.nanos += clock(origin) - start;
        sums.new += done.rows_new;
        sums.written += done.rows_written;
        self.rest = done.rest;
        self.log.reader().rebase(&self.rest);
        self.novelty = novelty.after(self.rest.basis().expect("facts are at rest"));
        annals_storage::index::collect(
            &*self.storage,
            &self.rest,
            &annals_storage::index::Shared::default(),
            None,
            0,
            i64::MAX,
        )
        .expect("memory does not fail");
    }

    fn bytes(&self) -> u64 {
        self.storage.stored_bytes().expect("memory does not fail")
    }

    fn verify(&self) {
        let origin = Instant::now();
        let start = clock(origin);
        let verify = Verify { storage: &self.storage, lineage: DATABASE.into(), most_problems: 3 };
        let report = verify.run(&mut |_| ()).expect("memory does not fail");
        let nanos = clock(origin) - start;
        println!("verified: {} problems, {} ns a datom", report.problems.len(), nanos / self.datoms);
    }
}

impl Sums {
    fn print(&self, name: &str, jobs: u64) {
        let Sums { new, written, nanos } = self;
        let (factor, per_new, per_written) = (*written as f64 / *new as f64, nanos / new, nanos / written);
        println!("{name:<10} {new:>12} {factor:>8.2} {per_new:>12} {per_written:>12} {jobs:>8}");
    }
}

fn person(n: u64, id: u64) -> [LogDatom; 6] {
    let e = EntityId::new(Partition::USER, id);
    let fact = |a: u32, v: Value| LogDatom { e, a: AttrId(a), v, op: Op::Assert };
    [
        fact(70, Value::string(format!("Name {}", n % 5_000))),
        fact(71, Value::string(format!("person{n}@example.org"))),
        fact(72, Value::Long((n * 7 % 90) as i64)),
        fact(SALARY.0, Value::Long(0)),
        fact(74, Value::Instant(n as i64 * 1_000_000)),
        fact(75, Value::Ref(EntityId::new(Partition::USER, id / 10))),
    ]
}

/// Nanoseconds of this thread's own processor time where the system tells them, else of the day.
fn clock(origin: Instant) -> u64 {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let own = own.and_then(|text| text.split(' ').next()?.parse().ok());
    own.unwrap_or_else(|| origin.elapsed().as_nanos() as u64)
}
