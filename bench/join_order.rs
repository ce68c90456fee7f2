//! Is the order that the planner finds the best one?
//! `cargo bench -p annals-bench --bench join_order -- [QUESTIONS [DRAWN]]`.
//!
//! Random joins over skewed facts: chains, stars, snowflakes and others between, some entered by a constant. Each is asked
//! with the planner's order, with the order that takes the cheapest step next, and with orders drawn at random, the best
//! of which stands for the best there is. Printed are, by kind of join, the medians and extremes of the ratios; then
//! the questions for which the planner does worst, and those where the two ways differ most.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::Db;
use annals_bench::people::Chance;
use annals_query::Stopwatch;
use annals_query::ast::Query;
use annals_query::plan::PlanOptions;
use annals_query::{Budget, QueryArg, explain_with, parse};

const QUESTIONS: u64 = 240;
/// How many orders are drawn for each.
const DRAWN: u64 = 100;
/// Questions that are answered at once tell nothing, those that take long are left out.
const SHORT: Duration = Duration::from_micros(100);
const LONG: Duration = Duration::from_millis(300);
/// How often an order is timed; the fastest counts, for whatever else the machine does only slows it.
const ROUNDS: usize = 5;
/// Entities of each of the five kinds.
const ENTITIES: [u64; 5] = [20_000, 8_000, 3_000, 500, 50];

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let questions = numbers.first().copied().unwrap_or(QUESTIONS);
    let drawn = numbers.get(1).copied().unwrap_or(DRAWN);
    let source = [QueryArg::Source(Arc::new(facts()))];
    let mut asked = Vec::new();
    let mut seed = 0;
    while (asked.len() as u64) < questions {
        seed += 1;
        let (kind, text) = question(&mut Chance(seed));
        asked.extend(measure(kind, text, &source, drawn));
    }
    println!(
        "{:12} {:>5} {:>26} {:>26} {:>26}",
        "joins", "", "planner / greedy", "planner / best", "greedy / best"
    );
    for kind in ["chain", "star", "snowflake", "tree"] {
        table(kind, &asked.iter().filter(|one| one.kind == kind).collect::<Vec<_>>());
    }
    table("all", &asked.iter().collect::<Vec<_>>());
    let mut sorted: Vec<&Asked> = asked.iter().collect();
    sorted.sort_by(|x, y| y.against_best().total_cmp(&x.against_best()));
    tell("planner worst against the best", &sorted);
    sorted.sort_by(|x, y| y.against_greedy().total_cmp(&x.against_greedy()));
    tell("planner worst against greedy", &sorted);
    sorted.reverse();
    tell("greedy worst against the planner", &sorted);
}

/// A question and how long it took in microseconds.
struct Asked {
    kind: &'static str,
    text: String,
    planner: f64,
    greedy: f64,
    best: f64,
    /// How long it took to plan, the planner and greedily.
    planning: [f64; 2],
    is_searched: bool,
}

impl Asked {
    fn against_greedy(&self) -> f64 {
        self.planner / self.greedy
    }

    fn against_best(&self) -> f64 {
        self.planner / self.best
    }
}

fn measure(kind: &'static str, text: String, source: &[QueryArg], drawn: u64) -> Option<Asked> {
    let query = parse::query_text(&text).expect("a sound question");
    let plain = PlanOptions { leap: Some(false), ..PlanOptions::default() };
    if ask(&query, source, plain, LONG)?.running < SHORT {
        return None;
    }
    let greedy = PlanOptions { search: Some(false), ..plain };
    // In turn, so that whatever else the machine does slows all.
    let [planner, greedy] = best_of([plain, greedy], &query, source)?;
    let mut best = planner.running.min(greedy.running);
    for seed in 0..drawn {
        let options = PlanOptions { order: Some(seed), ..plain };
        let once = ask(&query, source, options, 2 * best);
        if once.is_some_and(|once| once.running < best) {
            best = best_of([options], &query, source).map_or(best, |[all]| best.min(all.running));
        }
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Some(Asked {
        kind,
        text,
        planner: micros(planner.running),
        greedy: micros(greedy.running),
        best: micros(best),
        planning: [micros(planner.planning), micros(greedy.planning)],
        is_searched: planner.is_searched,
    })
}

/// How long it took to plan and to run.
#[derive(Clone, Copy)]
struct Took {
    planning: Duration,
    running: Duration,
    is_searched: bool,
}

/// How long orders take at best, each timed in turn.
fn best_of<const N: usize>(ways: [PlanOptions; N], query: &Query, source: &[QueryArg]) -> Option<[Took; N]> {
    let mut best: [Option<Took>; N] = [None; N];
    for _ in 0..ROUNDS {
        for (best, options) in best.iter_mut().zip(ways) {
            let Took { planning, running, is_searched } = ask(query, source, options, LONG)?;
            let before = best.unwrap_or(Took { planning, running, is_searched });
            let (planning, running) = (planning.min(before.planning), running.min(before.running));
            *best = Some(Took { planning, running, is_searched });
        }
    }
    let mut all = best.into_iter().flatten();
    Some(std::array::from_fn(|_| all.next().expect("each was timed")))
}

/// How long an order takes; nothing if it makes too many rows or takes too long.
fn ask(query: &Query, source: &[QueryArg], options: PlanOptions, most: Duration) -> Option<Took> {
    let begun = Instant::now();
    let stopwatch = Some(Stopwatch::new(move || begun.elapsed()));
    let budget = Budget { time: Some(most), stopwatch, ..Budget::default() };
    let told = explain_with(query, source, &budget, options).ok()?;
    let is_searched = told.search == Some("dynamic-programming");
    Some(Took { planning: told.planning?, running: told.running?, is_searched })
}

fn table(kind: &str, asked: &[&Asked]) {
    let column = |ratio: fn(&Asked) -> f64| {
        let mut ratios: Vec<f64> = asked.iter().map(|one| ratio(one)).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |part: f64| ratios.get(((ratios.len() - 1) as f64 * part) as usize).copied().unwrap_or(0.0);
        format!("{:>5.2} {:>6.2} {:>6.2} {:>6.2}", at(0.0), at(0.5), at(0.95), at(1.0))
    };
    if asked.is_empty() {
        return;
    }
    let ratios =
        [column(Asked::against_greedy), column(Asked::against_best), column(|one| one.greedy / one.best)];
    let sum = |part: fn(&Asked) -> f64| asked.iter().map(|one| part(one)).sum::<f64>() / 1e3;
    println!("{kind:12} {:>5} {}", asked.len(), ratios.join("  "));
    println!(
        "{:18} planner {:.1} ms, greedy {:.1} ms, best {:.1} ms to run all; {:.1} and {:.1} ms to plan; {} searched",
        "",
        sum(|one| one.planner),
        sum(|one| one.greedy),
        sum(|one| one.best),
        sum(|one| one.planning[0]),
        sum(|one| one.planning[1]),
        asked.iter().filter(|one| one.is_searched).count()
    );
}

fn tell(what: &str, sorted: &[&Asked]) {
    println!("{what}:");
    for Asked { text, planner, greedy, best, .. } in sorted.iter().take(5) {
        println!("  planner {planner:.0} us, greedy {greedy:.0} us, best {best:.0} us: {text}");
    }
}

/// A number below `end`, small ones far more often.
fn skewed(chance: &mut Chance, end: u64) -> u64 {
    let part = chance.below(1 << 20) as f64 / f64::from(1 << 20);
    (part.powi(3) * end as f64) as u64
}

/// Entities of five kinds, each kind with a unique number, three plain values, and references to kinds.
fn facts() -> Db {
    let conn = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    let mut schema = String::new();
    let mut attribute = |name: &str, kind: &str, more: &str| {
        let _ = write!(schema, "{{:db/ident :{name} :db/valueType :db.type/{kind} {more}}}");
    };
    let (one, many) = (":db/cardinality :db.cardinality/one", ":db/cardinality :db.cardinality/many");
    for kind in 0..ENTITIES.len() {
        attribute(&format!("k{kind}/id"), "long", &format!("{one} :db/unique :db.unique/identity"));
        attribute(&format!("k{kind}/few"), "long", one);
        attribute(&format!("k{kind}/some"), "long", one);
        attribute(&format!("k{kind}/rare"), "long", one);
        for other in 0..ENTITIES.len() {
            attribute(&format!("k{kind}/to{other}"), "ref", if other % 2 == 0 { many } else { one });
        }
    }
    conn.transact(format!("[{schema}]").as_str()).expect("an accepted schema");
    let mut chance = Chance(5);
    let mut text = String::new();
    for (kind, count) in ENTITIES.iter().enumerate().rev() {
        for first in (0..*count).step_by(1000) {
            text.push('[');
            for n in first..(first + 1000).min(*count) {
                entity(&mut text, &mut chance, kind, n);
            }
            text.push_str("]\n");
        }
    }
    annals::import::edn(&conn, &mut text.as_bytes(), 0, &mut |_| {}).expect("entities");
    conn.db()
}

fn entity(text: &mut String, chance: &mut Chance, kind: usize, n: u64) {
    let some = skewed(chance, 100);
    let _ = write!(text, "{{:k{kind}/id {n} :k{kind}/few {} :k{kind}/some {some}", skewed(chance, 5));
    if chance.below(20) == 0 {
        let _ = write!(text, " :k{kind}/rare {}", chance.below(50));
    }
    // Only to kinds that are there already, which are the smaller ones.
    for (other, of_other) in ENTITIES.iter().enumerate().skip(kind + 1) {
        let count = if other % 2 == 0 { 1 + skewed(chance, 6) } else { u64::from(chance.below(4) > 0) };
        let others: Vec<String> =
            (0..count).map(|_| format!("[:k{other}/id {}]", skewed(chance, *of_other))).collect();
        match others.as_slice() {
            [] => {}
            [only] if other % 2 == 1 => _ = write!(text, " :k{kind}/to{other} {only}"),
            _ => _ = write!(text, " :k{kind}/to{other} [{}]", others.join(" ")),
        }
    }
    text.push('}');
}

/// A join of three to nine patterns and its kind.
fn question(chance: &mut Chance) -> (&'static str, String) {
    let kind = ["chain", "star", "snowflake", "tree"][chance.below(4) as usize];
    // The kinds of the entities, each with the one that it is linked to.
    let mut entities: Vec<(usize, Option<usize>)> = vec![(chance.below(3) as usize, None)];
    let links = if kind == "star" { 1 } else { 1 + chance.below(3) as usize };
    for n in 0..links {
        let to = match kind {
            "chain" => n,
            "snowflake" => [0, 0, 1][n],
            _ => chance.below(entities.len() as u64) as usize,
        };
        let new = chance.below(ENTITIES.len() as u64) as usize;
        if new != entities[to].0 {
            entities.push((new, Some(to)));
        } else {
            break;
        }
    }
    let mut clauses: Vec<String> = entities
        .iter()
        .enumerate()
        .filter_map(|(at, (kind, to))| {
            let (other, to) = (entities[(*to)?].0, (*to)?);
            // The larger kind has the reference.
            Some(if kind < &other {
                format!("[?e{at} :k{kind}/to{other} ?e{to}]")
            } else {
                format!("[?e{to} :k{other}/to{kind} ?e{at}]")
            })
        })
        .collect();
    let mut values = 0;
    for (at, (kind, _)) in entities.iter().enumerate() {
        for name in ["few", "some", "rare"] {
            let value = match chance.below(7) {
                0 => format!("{}", skewed(chance, if name == "few" { 5 } else { 50 })),
                1 | 2 => {
                    values += 1;
                    format!("?v{values}")
                }
                // A value that two entities have in common.
                3 if values > 0 && entities.len() > 1 && chance.below(3) == 0 => format!("?v{values}"),
                _ => continue,
            };
            clauses.push(format!("[?e{at} :k{kind}/{name} {value}]"));
        }
        if chance.below(25) == 0 {
            clauses.push(format!("[?e{at} :k{kind}/id {}]", skewed(chance, ENTITIES[*kind])));
        }
    }
    let find: Vec<String> = (0..entities.len())
        .map(|at| format!("?e{at}"))
        .filter(|var| clauses.iter().any(|clause| clause.contains(var.as_str())))
        .collect();
    if clauses.len() < 3 || clauses.len() > 10 {
        return question(chance);
    }
    let with = if find.len() > 1 { format!(" :with {}", find[1..].join(" ")) } else { String::new() };
    (kind, format!("[:find (count ?e0) .{with} :where {}]", clauses.join(" ")))
}
