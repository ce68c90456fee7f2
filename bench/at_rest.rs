//! What facts at rest cost: `cargo bench -p annals-bench --bench at_rest -- [FACTS]... [PART]...`, where the facts are
//! 1000000 and 10000000 unless said, and the parts `present`, `scattered` and `past`, all unless said.
//!
//! Everything is loaded into a redb file through the log and the index job, without transactor and schema. Figures are
//! medians; trust the ratios: each is the median over rounds that time both sides in turn.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_bench::people::{self, Chance, EMAIL, SALARY, instant, person};
use annals_bench::{median, memory};
use annals_storage::backend::redb::{Options, RedbStorage};
use annals_storage::backend::{DatabaseId, Storage};
use annals_storage::cache::Cache;
use annals_storage::datom::{Col, Order, Pattern, T, Tag, ValueRef};
use annals_storage::index::{Job, Revisions, Settings, collect};
use annals_storage::log::{Log, LogBatch, LoggedTx};
use annals_storage::novelty::Novelty;
use annals_storage::rest::{Extent, Rest};
use annals_storage::snapshot::{Snapshot, View};

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed << 96 | 1);
/// Datoms of novelty with which a job is started.
const THRESHOLD: usize = 256 * 1024;
const CACHE_BYTES: usize = 1 << 30;
const ROUNDS: usize = 9;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let sizes: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let parts: Vec<&String> = args.iter().filter(|arg| arg.parse::<u64>().is_err()).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| *wanted == part);
    for facts in if sizes.is_empty() { vec![1_000_000, 10_000_000] } else { sizes } {
        if wanted("present") {
            println!("\n== {facts} facts about people, appended");
            let mut house = House::new("people");
            let (people, _) = house.load_people(facts / 10, false);
            present(&mut house, people);
            scattered(&mut house, people);
            compacted(house, people * 10);
        }
        if wanted("scattered") {
            println!("\n== {facts} facts about people, entities in random order");
            House::new("scattered").load_people(facts / 10, true);
        }
        for versions in [1, 4, 16].into_iter().filter(|_| wanted("past")) {
            let people = facts / (2 * versions + 1);
            println!("\n== {people} people with {versions} closed versions each, raised in random order");
            let mut house = House::new("past");
            house.load_raises(people, versions);
            past(&house);
        }
    }
}

/// One database in a file, kept as the transactor would.
struct House {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    cache: Arc<Cache>,
    log: Log,
    rest: Rest,
    revisions: Revisions,
    novelty: Novelty,
    settings: Settings,
    t: T,
    jobs: u64,
    rows: (u64, u64),
    job_time: Duration,
}

impl House {
    fn new(name: &str) -> House {
        let path = std::env::temp_dir().join(format!("annals-at-rest-{name}-{}.annals", std::process::id()));
        let _ = std::fs::remove_file(&path);
        House::open(path)
    }

    fn open(path: PathBuf) -> House {
        let options = Options { cache_bytes: 16 << 20, ..Options::default() };
        let storage: Arc<dyn Storage> = Arc::new(RedbStorage::open_with(&path, &options).expect("a file"));
        let cache = Arc::new(Cache::new(CACHE_BYTES));
        let rest = Rest::open(Arc::clone(&storage), DATABASE, Arc::clone(&cache)).expect("a root or none");
        let mut novelty = Novelty::new().bulk();
        let basis = rest.basis();
        let log = Log::open(Arc::clone(&storage), DATABASE, &rest, &mut |batch| {
            batch.txs.iter().filter(|tx| Some(tx.t) > basis).for_each(|tx| novelty.push(tx));
            Ok(())
        })
        .expect("a sound log");
        let t = log.next_t();
        let novelty = novelty.finish();
        let revisions = Revisions::default();
        House {
            path,
            storage,
            cache,
            log,
            rest,
            revisions,
            novelty,
            settings: Settings::default(),
            t,
            jobs: 0,
            rows: (0, 0),
            job_time: Duration::ZERO,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::over(self.rest.clone(), self.novelty.clone())
    }

    /// Makes transactions durable, and indexes when it is time.
    fn append(&mut self, txs: Vec<LoggedTx>) {
        let mut bulk = self.novelty.bulk();
        txs.iter().for_each(|tx| bulk.push(tx));
        self.novelty = bulk.finish();
        self.t = txs.last().map_or(self.t, |tx| tx.t + 1);
        let seq = self.log.next_seq();
        self.log
            .append(&LogBatch { seq, epoch: 1, id: seq.into(), next: Vec::new(), txs })
            .expect("appended");
        let size = self.novelty.size();
        if size.open + size.tombstones + size.closed >= THRESHOLD {
            self.index();
        }
    }

    fn index(&mut self) {
        let start = Instant::now();
        let sealed = self.novelty.sealed();
        let job = Job {
            storage: &self.storage,
            lineage: DATABASE.into(),
            cache: &self.cache,
            rest: &self.rest,
            novelty: &sealed,
            log: &self.log.reader(),
            epoch: 1,
            job: unheard_of(),
            now: instant(self.t),
            settings: self.settings,
            excise: &[],
        };
        let done = job.run().expect("a job");
        self.rows = (self.rows.0 + done.rows_new, self.rows.1 + done.rows_written);
        self.rest = done.rest;
        self.revisions.publish(&self.rest);
        self.novelty = sealed.after(sealed.seal().expect("a seal"));
        self.log.reader().rebase(&self.rest);
        collect(
            &*self.storage,
            &self.rest,
            &annals_storage::index::Shared::default(),
            self.revisions.oldest_live(),
            instant(self.t),
            i64::MAX,
        )
        .expect("collected");
        self.jobs += 1;
        self.job_time += start.elapsed();
    }

    /// Loads people, a hundred a transaction; how many, and how long it took.
    fn load_people(&mut self, people: u64, shuffled: bool) -> (u64, Duration) {
        let mut chance = Chance(7);
        let start = Instant::now();
        let mut loaded = 0;
        while loaded < people {
            // A thousand people in ten transactions become durable together.
            let first = self.t.max(1);
            let mut txs = Vec::new();
            for t in first..first + 10 {
                let datoms = (0..100).flat_map(|_| {
                    loaded += 1;
                    let n = if shuffled { scramble(loaded, people) } else { loaded };
                    people::facts(n, &mut chance)
                });
                txs.push(LoggedTx { t, instant: instant(t), datoms: datoms.collect() });
            }
            self.append(txs);
        }
        self.index();
        self.report(loaded * 10, start.elapsed());
        (loaded, start.elapsed())
    }

    /// Everyone gets a salary and `versions` raises, in random order, a hundred a transaction.
    fn load_raises(&mut self, people: u64, versions: u64) {
        let start = Instant::now();
        let mut held: Vec<(i64, T)> = vec![(0, 0); people as usize];
        let mut chance = Chance(11);
        let mut order: Vec<u64> = (0..people * (versions + 1)).map(|n| n % people).collect();
        for n in (people as usize + 1..order.len()).rev() {
            let other = people as usize + chance.below((n - people as usize) as u64) as usize;
            order.swap(n, other);
        }
        let mut datoms = 0;
        for chunk in order.chunks(1000) {
            let mut txs = Vec::new();
            for part in chunk.chunks(100) {
                let t = self.t.max(1) + txs.len() as T;
                let mut all = Vec::new();
                let mut seen = std::collections::HashSet::new();
                for n in part.iter().filter(|n| seen.insert(**n)) {
                    let new = 20_000 + chance.below(100_000) as i64;
                    let old = std::mem::replace(&mut held[*n as usize], (new, t));
                    let skip = usize::from(old.1 == 0);
                    all.extend(people::raise(t, *n, old, new).datoms.into_iter().skip(skip));
                }
                datoms += all.len() as u64;
                txs.push(LoggedTx { t, instant: instant(t), datoms: all });
            }
            self.append(txs);
        }
        self.index();
        self.report(datoms, start.elapsed());
    }

    fn report(&self, datoms: u64, took: Duration) {
        let file = std::fs::metadata(&self.path).expect("the file").len();
        println!(
            "loaded {datoms} datoms in {:.1} s, {:.0} a second; {} jobs took {:.1} s and wrote {:.1} rows a new row",
            took.as_secs_f64(),
            datoms as f64 / took.as_secs_f64(),
            self.jobs,
            self.job_time.as_secs_f64(),
            self.rows.1 as f64 / self.rows.0 as f64,
        );
        println!("file: {:.1} bytes a datom; {}", file as f64 / datoms as f64, at_rest(&self.rest, datoms));
        println!("memory: {} MB resident, {} MB at most", memory("VmRSS"), memory("VmHWM"));
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A number no other job has.
fn unheard_of() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    now.as_nanos() as u64
}

/// A permutation of 1 to `people`, nearly: good enough to scatter.
fn scramble(n: u64, people: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % people + 1
}

/// The sum of three columns of an attribute: what a scan and a plain pass are compared by.
fn sum(snapshot: &Snapshot, view: &View) -> (u64, u64) {
    let (mut total, mut rows) = (0u64, 0u64);
    let scan = snapshot.scan(view, &Pattern::attribute(SALARY), &mut |batch| {
        total = total.wrapping_add(added(&batch.e, |e| e));
        total = total.wrapping_add(added(&batch.v.words, |word| word as u64));
        total = total.wrapping_add(added(&batch.t, |t| t));
        rows += batch.len as u64;
        ControlFlow::Continue(())
    });
    scan.expect("a scan");
    (total, rows)
}

fn added<V: Copy>(column: &Col<'_, V>, word: impl Fn(V) -> u64) -> u64 {
    match column {
        Col::Const(v) => word(*v),
        Col::Each(each) => each.iter().fold(0u64, |sum, v| sum.wrapping_add(word(*v))),
    }
}

/// The three columns as plain arrays.
fn columns(snapshot: &Snapshot) -> (Vec<u64>, Vec<i64>, Vec<u64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    let scan = snapshot.scan(&View::default(), &Pattern::attribute(SALARY), &mut |batch| {
        for row in 0..batch.len {
            columns.0.push(batch.e.get(row));
            columns.1.push(batch.v.words.get(row));
            columns.2.push(batch.t.get(row));
        }
        ControlFlow::Continue(())
    });
    scan.expect("a scan");
    columns
}

fn ns(took: Duration, per: u64) -> f64 {
    took.as_secs_f64() * 1e9 / per.max(1) as f64
}

/// Nanoseconds a row of two things timed in turn, and the median of their ratios.
struct Beside {
    this: f64,
    that: f64,
    ratio: f64,
}

fn beside(mut this: impl FnMut() -> u64, mut that: impl FnMut() -> u64) -> Beside {
    let time = |work: &mut dyn FnMut() -> u64| {
        let start = Instant::now();
        let rows = work();
        ns(start.elapsed(), rows)
    };
    // Twice: what is made once is made, and what was asked for again is kept.
    for _ in 0..2 {
        this();
        that();
    }
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (time(&mut this), time(&mut that))).collect();
    let mut middle = |of: &dyn Fn(&(f64, f64)) -> f64| {
        rounds.sort_by(|x, y| of(x).total_cmp(&of(y)));
        of(&rounds[ROUNDS / 2])
    };
    Beside {
        this: middle(&|round| round.0),
        that: middle(&|round| round.1),
        ratio: middle(&|round| round.0 / round.1),
    }
}

/// A scan beside a plain pass over the columns of all that holds now.
fn beside_plain(snapshot: &Snapshot) -> Beside {
    let (e, words, t) = columns(snapshot);
    beside(
        || sum(snapshot, &View::default()).1,
        || {
            let each = added(&Col::Each(&e), |e| e);
            black_box(
                each.wrapping_add(added(&Col::Each(&words), |word| word as u64))
                    .wrapping_add(added(&Col::Each(&t), |t| t)),
            );
            e.len() as u64
        },
    )
}

/// The same rest with nothing in its cache.
fn cold(house: &House, bytes: usize) -> Snapshot {
    cold_with(house, bytes).0
}

fn cold_with(house: &House, bytes: usize) -> (Snapshot, Arc<Cache>) {
    let cache = Arc::new(Cache::new(bytes));
    let rest = Rest::open(Arc::clone(&house.storage), DATABASE, Arc::clone(&cache)).expect("a root");
    (Snapshot::over(rest, house.novelty.clone()), cache)
}

/// Bytes a datom of each tree and the log, and how many tiers and generations there are.
fn at_rest(rest: &Rest, datoms: u64) -> String {
    let stats = rest.stats().expect("a root's numbers");
    let bytes =
        |extents: &[Extent]| extents.iter().map(|extent| extent.bytes).sum::<u64>() as f64 / datoms as f64;
    let orders = Order::ALL.map(|order| {
        let (tiers, past) = (&stats.tiers[order as usize], &stats.generations[order as usize]);
        format!("{order:?} {:.1}+{:.1} in {} tiers", bytes(tiers), bytes(past), tiers.len())
    });
    format!(
        "{}, {} generations, log {:.1}",
        orders.join(", "),
        stats.generations[0].len(),
        bytes(std::slice::from_ref(&stats.log))
    )
}

fn present(house: &mut House, people: u64) {
    let snapshot = house.snapshot();
    let Beside { this, that, ratio } = beside_plain(&snapshot);
    println!("hot scan of {people} rows: {this:.2} ns a row, plain pass {that:.2}: ratio {ratio:.2}");
    let start = Instant::now();
    let (_, rows) = sum(&cold(house, CACHE_BYTES), &View::default());
    println!("cold scan: {:.1} ns a row", ns(start.elapsed(), rows));

    let lookup = |snapshot: &Snapshot, n: u64| {
        let mut found = 0;
        let scan = snapshot.scan(&View::default(), &Pattern::values(person(n), SALARY), &mut |batch| {
            found += batch.len;
            ControlFlow::Continue(())
        });
        scan.expect("a look-up");
        assert_eq!(found, 1);
    };
    let by_email = |snapshot: &Snapshot, n: u64| {
        // Names depend on chance, so most of these are not found; the way there is the same.
        let email = format!("ada.{n}@example.org");
        let wanted = Pattern::value(EMAIL, ValueRef::Variable(Tag::String, email.as_bytes()));
        snapshot.scan(&View::default(), &wanted, &mut |_| ControlFlow::Continue(())).expect("a look-up");
    };
    let mut chance = Chance(3);
    let many: Vec<u64> = (0..100_000).map(|_| chance.below(people) + 1).collect();
    many.iter().for_each(|n| lookup(&snapshot, *n));
    let took = median(5, || many.iter().for_each(|n| lookup(&snapshot, *n)));
    many.iter().for_each(|n| by_email(&snapshot, *n));
    let email = median(5, || many.iter().for_each(|n| by_email(&snapshot, *n)));
    let count = median(5, || {
        many.iter()
            .map(|n| snapshot.count(&View::default(), &Pattern::entity(person(*n))).expect("a count"))
            .sum::<u64>()
    });
    let all = median(99, || {
        black_box(snapshot.count(&View::default(), &Pattern::attribute(SALARY)).expect("a count"))
    });
    println!(
        "hot look-up: values {:.2} us, e-mail {:.2} us; count of an entity {:.2} us, of an attribute {:.2} us",
        ns(took, 100_000) / 1e3,
        ns(email, 100_000) / 1e3,
        ns(count, 100_000) / 1e3,
        ns(all, 1) / 1e3
    );
    let uncached = cold(house, 0);
    let took = median(5, || many[..200].iter().for_each(|n| lookup(&uncached, *n)));
    println!("look-up without a cache: {:.0} us", ns(took, 200) / 1e3);

    let path = house.path.clone();
    // The house is given up so that the file is free, and opened anew.
    let spare = std::mem::replace(house, House::new("spare"));
    drop((snapshot, uncached, spare.give_up()));
    let before = memory("VmRSS");
    let start = Instant::now();
    let reopened = House::open(path);
    let opened = start.elapsed();
    lookup(&reopened.snapshot(), 1);
    println!(
        "open: {:.1} ms, with the first look-up {:.1} ms; {} MB resident more",
        ns(opened, 1) / 1e6,
        ns(start.elapsed(), 1) / 1e6,
        memory("VmRSS").saturating_sub(before)
    );
    *house = reopened;
}

impl House {
    /// Lets go of everything but the file.
    fn give_up(mut self) -> PathBuf {
        std::mem::take(&mut self.path)
    }
}

/// How small the file becomes.
fn compacted(house: House, datoms: u64) {
    let path = house.give_up();
    let start = Instant::now();
    let sizes = RedbStorage::open(&path).and_then(|mut storage| storage.compact()).expect("compacted");
    let each = |bytes: u64| bytes as f64 / datoms as f64;
    let took = start.elapsed().as_secs_f64();
    println!(
        "compacted in {took:.1} s: from {:.1} to {:.1} bytes a datom",
        each(sizes.before),
        each(sizes.after)
    );
    std::fs::remove_file(&path).expect("the file was there");
}

/// Raises of a part of all people, one in `every`, on top of what is at rest.
fn scattered(house: &mut House, people: u64) {
    let base = house.snapshot();
    let beside_base =
        |snapshot: &Snapshot| beside(|| sum(snapshot, &View::default()).1, || sum(&base, &View::default()).1);
    let mut held = std::collections::HashMap::new();
    let scan = house.snapshot().scan(&View::default(), &Pattern::attribute(SALARY), &mut |batch| {
        for row in 0..batch.len {
            held.insert(batch.e.get(row), (batch.v.words.get(row), batch.t.get(row)));
        }
        ControlFlow::Continue(())
    });
    scan.expect("a scan");
    for (percent, every, shift) in [(1, 100, 0), (5, 25, 1)] {
        let mut txs = Vec::new();
        for n in (1..=people).filter(|n| n % every == shift) {
            let t = house.t + txs.len() as T;
            let old = held[&person(n).0];
            txs.push(people::raise(t, n, old, old.0 + 1));
            held.insert(person(n).0, (old.0 + 1, t));
        }
        let mut bulk = house.novelty.bulk();
        txs.iter().for_each(|tx| bulk.push(tx));
        let novelty = bulk.finish();
        let snapshot = Snapshot::over(house.rest.clone(), novelty.clone());
        let Beside { this, ratio, .. } = beside_base(&snapshot);
        println!("{percent} % raised, in novelty: {this:.2} ns a row, ratio {ratio:.1} to none");

        let settings = house.settings;
        house.settings.rewrite_bound = 0;
        house.append(txs);
        if house.novelty.seal().is_some() || house.novelty.size().open > 0 {
            house.index();
        }
        house.settings = settings;
        let snapshot = house.snapshot();
        let start = Instant::now();
        let (_, rows) = sum(&snapshot, &View::default());
        let first = ns(start.elapsed(), rows);
        let Beside { this, ratio, .. } = beside_base(&snapshot);
        println!(
            "{percent} % raised, in a tier of their own: first {first:.1}, then {this:.2} ns a row, ratio {ratio:.1}"
        );
    }
}

fn past(house: &House) {
    let snapshot = house.snapshot();
    let Beside { this: now, that: plain, .. } = beside_plain(&snapshot);
    // The house's own cache counts what its jobs read, too.
    let (uncached, cache) = cold_with(house, CACHE_BYTES);
    let (_, rows) = sum(&uncached, &View::default());
    assert_eq!(cache.stats().history_leaves_read, 0, "the present reads no history");
    println!("now: {now:.2} ns a row of {rows}, plain pass {plain:.2}, {}", at_rest(&house.rest, rows));
    for percent in [99, 90, 50, 10] {
        let view = View { as_of: Some(house.t * percent / 100), ..View::default() };
        let (uncached, cache) = cold_with(house, CACHE_BYTES);
        let start = Instant::now();
        let (_, rows) = sum(&uncached, &view);
        let first = ns(start.elapsed(), rows);
        let Beside { this: scan, ratio, .. } =
            beside(|| sum(&uncached, &view).1, || sum(&snapshot, &View::default()).1);
        let stats = cache.stats();
        println!(
            "as of {percent} %: first {first:.1}, then {scan:.2} ns a row of {rows}, ratio {ratio:.2} to now; {} history leaves read",
            stats.history_leaves_read
        );
        let mut chance = Chance(5);
        let took = median(3, || {
            for _ in 0..20_000 {
                let wanted = Pattern::values(person(chance.below(rows)), SALARY);
                uncached.scan(&view, &wanted, &mut |_| ControlFlow::Continue(())).expect("a look-up");
            }
        });
        println!("    look-up {:.2} us", ns(took, 20_000) / 1e3);
    }
}
