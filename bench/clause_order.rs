//! Does the order of clauses matter? `cargo bench -p annals-bench --bench clause_order -- [FOLDER [NAME]]`.
//!
//! Questions about generated people and, if a folder with WordNet's nouns is given (`schema.edn`,
//! `transactions.edn.gz`), closures over those; each is asked with every permutation of its clauses, rules with every
//! permutation of their bodies. Printed are the number of plans that differ in steps or expectations, the medians of the fastest and the slowest permutation and their ratio;
//! beside them the fastest of many plans drawn at random and the fastest permutation as a ratio to that; last, what a plan
//! without leapjoin and without stopping early takes, as a ratio to the fastest permutation.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::Db;
use annals_bench::people::Chance;
use annals_query::edn::{Edn, read::read_one};
use annals_query::plan::PlanOptions;
use annals_query::{Budget, QueryArg, explain, parse, q_with};

const PEOPLE: u64 = 20_000;
/// How often each permutation is timed, at least, and for how long all together.
const ROUNDS: usize = 15;
const LONG: Duration = Duration::from_millis(1500);
/// How many plans are drawn.
const DRAWN: u64 = 40;
/// A plan drawn at random may be absurd: it may make so many rows.
const ROWS: u64 = 3_000_000;

/// A question in pieces: what is asked, its clauses, the rules by name, head and clauses.
struct Asked {
    name: &'static str,
    find: &'static str,
    clauses: &'static [&'static str],
    rules: &'static [(&'static str, &'static [&'static str])],
}

const ABOUT_PEOPLE: &[Asked] = &[
    plain("q2", "?e ?a", &["[?e :p/name \"Ana\"]", "[?e :p/age ?a]"]),
    plain("q3", "?e ?a", &["[?e :p/name \"Ana\"]", "[?e :p/age ?a]", "[?e :p/sex :male]"]),
    plain(
        "q4",
        "?e ?l ?a",
        &["[?e :p/name \"Ana\"]", "[?e :p/last-name ?l]", "[?e :p/age ?a]", "[?e :p/sex :male]"],
    ),
    plain(
        "join-age",
        "?x ?y",
        &[
            "[?x :p/name \"Ana\"]",
            "[?x :p/last-name \"Hill\"]",
            "[?x :p/age ?a]",
            "[?y :p/age ?a]",
            "[?y :p/name \"Dan\"]",
        ],
    ),
    plain("range", "?e ?n", &["[?e :p/salary ?s]", "[(<= 50000 ?s)]", "[(< ?s 50500)]", "[?e :p/name ?n]"]),
    plain(
        "friends-of-friends",
        "?n ?c",
        &["[?a :p/number 7777]", "[?a :p/friend ?b]", "[?b :p/friend ?c]", "[?c :p/name ?n]"],
    ),
    plain(
        "friends-in-common",
        "?a ?b",
        &[
            "[?a :p/name \"Ana\"]",
            "[?a :p/age 33]",
            "[?a :p/friend ?f]",
            "[?b :p/friend ?f]",
            "[?b :p/age 34]",
        ],
    ),
    plain(
        "first ten by salary",
        "?s ?n :order-by ?s :limit 10",
        &["[?e :p/salary ?s]", "[?e :p/name ?n]", "[?e :p/sex :male]"],
    ),
    plain("triangle", "?a ?b ?c", &["[?a :p/friend ?b]", "[?b :p/friend ?c]", "[?c :p/friend ?a]"]),
    plain("triangle-known", "?a ?b ?c", &["[?a :p/knows ?b]", "[?b :p/knows ?c]", "[?c :p/knows ?a]"]),
    plain(
        "not-and-or",
        "?e",
        &[
            "[?e :p/name \"Ana\"]",
            "(not [?e :p/sex :male])",
            "(or [?e :p/age 33] [?e :p/last-name \"Ives\"])",
        ],
    ),
    plain(
        "function",
        "?e ?m",
        &["[?e :p/name \"Ana\"]", "[?e :p/salary ?s]", "[(quot ?s 12) ?m]", "[(< ?m 500)]"],
    ),
];

const UP: &[(&str, &[&str])] = &[
    ("(up ?a ?b)", &["[?a :synset/hypernym ?b]"]),
    ("(up ?a ?b)", &["[?a :synset/hypernym ?m]", "(up ?m ?b)"]),
];

const ABOUT_WORDS: &[Asked] = &[
    Asked {
        name: "hypernyms of a synset",
        find: "?i",
        clauses: &["[?s :synset/id \"n02086723\"]", "(up ?s ?t)", "[?t :synset/id ?i]"],
        rules: UP,
    },
    Asked {
        name: "all below a synset",
        find: "?i",
        clauses: &["[?t :synset/id \"n00001740\"]", "(up ?s ?t)", "[?s :synset/id ?i]"],
        rules: UP,
    },
    Asked {
        name: "is one below the other",
        find: "?s",
        clauses: &["[?s :synset/id \"n02086723\"]", "[?t :synset/id \"n00001740\"]", "(up ?s ?t)"],
        rules: UP,
    },
    Asked {
        name: "words of what is above a word",
        find: "?l",
        clauses: &[
            "[?w :word/lemma \"dog\"]",
            "[?s :synset/words ?w]",
            "(up ?s ?t)",
            "[?t :synset/words ?v]",
            "[?v :word/lemma ?l]",
        ],
        rules: UP,
    },
    plain(
        "siblings with parts",
        "?i ?j",
        &[
            "[?s :synset/id \"n02086723\"]",
            "[?s :synset/hypernym ?h]",
            "[?o :synset/hypernym ?h]",
            "[?o :synset/has-part ?p]",
            "[?p :synset/id ?j]",
            "[?o :synset/id ?i]",
        ],
    ),
];

const fn plain(name: &'static str, find: &'static str, clauses: &'static [&'static str]) -> Asked {
    Asked { name, find, clauses, rules: &[] }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let only = args.get(1).cloned().unwrap_or_default();
    println!(
        "{:32} {:>5} {:>5} {:>7} {:>10} {:>10} {:>6} {:>10} {:>6} {:>6}",
        "question", "ways", "plans", "rows", "best us", "worst us", "ratio", "drawn us", "ratio", "plain"
    );
    let people = people();
    for asked in ABOUT_PEOPLE.iter().filter(|asked| asked.name.contains(&only)) {
        measure(&people, asked);
    }
    let Some(folder) = args.first().map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        return println!("no folder of WordNet given: its closures are not asked");
    };
    let words = words(&folder);
    for asked in ABOUT_WORDS.iter().filter(|asked| asked.name.contains(&only)) {
        measure(&words, asked);
    }
    if only.is_empty() || "all pairs".contains(&only) {
        all_pairs(&words);
    }
}

fn measure(db: &Db, asked: &Asked) {
    let texts: Vec<String> = permutations(asked.clauses)
        .iter()
        .map(|clauses| {
            let given = if asked.rules.is_empty() { "$" } else { "$ %" };
            format!("[:find {} :in {given} :where {}]", asked.find, clauses.join(" "))
        })
        .collect();
    let rules = rules_permuted(asked.rules);
    let source = QueryArg::Source(Arc::new(db.clone()));
    let budget = Budget { rows: Some(ROWS), ..Budget::default() };
    let ask = |text: &str, rules: &Edn, options: PlanOptions| {
        let start = Instant::now();
        let query = parse::query_text(text).expect("a sound question");
        let args = [source.clone(), QueryArg::Value(rules.clone())];
        let args = if asked.rules.is_empty() { &args[..1] } else { &args[..] };
        let rows = q_with(&query, args, &budget, options).ok().map(|answer| match answer.into_edn() {
            Edn::Vector(rows) => rows.len(),
            _ => 1,
        });
        (start.elapsed(), rows)
    };
    let ways: Vec<(&String, &Edn)> =
        texts.iter().flat_map(|text| rules.iter().map(move |rules| (text, rules))).collect();
    let mut times = vec![Vec::new(); ways.len()];
    let mut found = None;
    let (started, mut rounds) = (Instant::now(), 0);
    while rounds < ROUNDS || (started.elapsed() < LONG && rounds < 50) {
        rounds += 1;
        for ((text, rules), times) in ways.iter().zip(&mut times) {
            let (took, rows) = ask(text, rules, PlanOptions::default());
            times.push(took);
            found = rows;
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(middle).collect();
    let (best, worst) = (medians.iter().min().copied(), medians.iter().max().copied());
    let (best, worst) = (best.unwrap_or_default(), worst.unwrap_or_default());
    let plans: BTreeSet<Vec<(usize, u64)>> = ways
        .iter()
        .map(|(text, rules)| {
            let query = parse::query_text(text).expect("a sound question");
            let args = [source.clone(), QueryArg::Value((*rules).clone())];
            let args = if asked.rules.is_empty() { &args[..1] } else { &args[..] };
            let told = explain(&query, args, &budget).expect("an explanation");
            told.lines.iter().map(|line| (line.depth, line.expected.round() as u64)).collect()
        })
        .collect();
    let drawn = (0..DRAWN).filter_map(|seed| {
        let options = PlanOptions { order: Some(seed), ..PlanOptions::default() };
        let once = ask(&texts[0], &rules[0], options);
        once.1?;
        Some(if once.0 > 5 * best {
            once.0
        } else {
            middle((0..3).map(|_| ask(&texts[0], &rules[0], options).0).collect())
        })
    });
    let drawn = drawn.min().unwrap_or_default();
    let plain = PlanOptions { leap: Some(false), early: Some(false), ..PlanOptions::default() };
    let without = middle((0..ROUNDS).map(|_| ask(&texts[0], &rules[0], plain).0).collect());
    let (best, worst, drawn) = (micros(best), micros(worst), micros(drawn));
    println!(
        "{:32} {:>5} {:>5} {:>7} {best:>10.1} {worst:>10.1} {:>6.2} {drawn:>10.1} {:>6.2} {:>6.2}",
        asked.name,
        ways.len(),
        plans.len(),
        found.map_or("budget".to_owned(), |rows| rows.to_string()),
        worst / best,
        best / drawn,
        micros(without) / best,
    );
}

/// Every synset with everything above it, counted so that no answer of millions of rows is written down.
fn all_pairs(db: &Db) {
    let rules = rules_permuted(UP).swap_remove(0);
    let query = parse::query_text("[:find (count ?t) . :with ?s :in $ % :where (up ?s ?t)]").expect("sound");
    let args = [QueryArg::Source(Arc::new(db.clone())), QueryArg::Value(rules)];
    let start = Instant::now();
    let budget = Budget { bytes: Some(512 << 20), ..Budget::default() };
    let answer = q_with(&query, &args, &budget, PlanOptions::default());
    let answer = answer.map_or_else(|error| error.to_string(), |answer| answer.into_edn().to_string());
    println!(
        "all pairs of hypernyms: {answer} in {:.2} s, within 512 MiB; the process had at most {} MiB",
        start.elapsed().as_secs_f64(),
        annals_bench::memory("VmHWM")
    );
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn permutations<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = all.split_first() else { return vec![Vec::new()] };
    let mut found = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, *first);
            found.push(longer);
        }
    }
    found
}

/// The rules with their bodies in every order.
fn rules_permuted(rules: &[(&str, &[&str])]) -> Vec<Edn> {
    let mut texts = vec!["[".to_owned()];
    for (head, body) in rules {
        let bodies = permutations(body);
        texts = texts
            .iter()
            .flat_map(|text| bodies.iter().map(move |body| format!("{text} [{head} {}]", body.join(" "))))
            .collect();
    }
    texts.iter().map(|text| read_one(&format!("{text}]")).expect("sound rules").to_edn()).collect()
}

fn people() -> Db {
    let conn = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    let attribute = |(name, kind, many): &(&str, &str, bool)| {
        let many = if *many { "many" } else { "one" };
        format!(
            "{{:db/ident :p/{name} :db/valueType :db.type/{kind} :db/cardinality :db.cardinality/{many}}}"
        )
    };
    let attributes = [
        ("name", "string", false),
        ("last-name", "string", false),
        ("sex", "keyword", false),
        ("age", "long", false),
        ("salary", "long", false),
        ("friend", "ref", true),
        ("knows", "ref", true),
    ];
    let schema: String = attributes.iter().map(attribute).collect();
    let number = "{:db/ident :p/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one \
                  :db/unique :db.unique/identity}";
    conn.transact(format!("[{number} {schema}]").as_str()).expect("an accepted schema");
    let mut text = String::new();
    let mut chance = Chance(11);
    let names = ["Ana", "Boris", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana"];
    let lasts = ["Hill", "Ives", "Jung", "Kerr", "Lund", "Moss"];
    for first in (0..PEOPLE).step_by(1000) {
        text.push('[');
        for n in first..first + 1000 {
            let mut below = |end: u64| chance.below(end);
            let (name, last) = (names[below(8) as usize], lasts[below(6) as usize]);
            let sex = if below(2) == 0 { "male" } else { "female" };
            let _ = write!(
                text,
                "{{:p/number {n} :p/name {name:?} :p/last-name {last:?} :p/sex :{sex} :p/age {} :p/salary {}",
                below(100),
                below(100_000)
            );
            if first > 0 {
                let friends: Vec<String> = (0..5).map(|_| format!("[:p/number {}]", below(first))).collect();
                let _ = write!(text, " :p/friend [{}]", friends.join(" "));
                // Everyone knows the same few, who know each other: many paths, few triangles.
                let known = [below(100), below(100)];
                let _ = write!(text, " :p/knows [[:p/number {}] [:p/number {}]]", known[0], known[1]);
            }
            text.push('}');
        }
        text.push_str("]\n");
    }
    let some: String = (0..100)
        .flat_map(|n| {
            (1..20).map(move |step| {
                format!("[:db/add [:p/number {n}] :p/knows [:p/number {}]]", (n * 7 + step * 5) % 100)
            })
        })
        .collect();
    let _ = writeln!(text, "[{some}]");
    annals::import::edn(&conn, &mut text.as_bytes(), 0, &mut |_| {}).expect("people");
    conn.db()
}

fn words(folder: &std::path::Path) -> Db {
    let conn = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    let schema = std::fs::read_to_string(folder.join("schema.edn")).expect("schema.edn");
    conn.transact(schema.as_str()).expect("an accepted schema");
    let mut file: Box<dyn Read + Send> =
        Box::new(std::fs::File::open(folder.join("transactions.edn.gz")).expect("transactions.edn.gz"));
    annals::import::edn(&conn, &mut file, 0, &mut |_| {}).expect("words");
    conn.db()
}
