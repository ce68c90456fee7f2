//! What a second peer adds to the rate of reads: each process on a core of its own, as if on a machine of its own.
//!
//! A transactor owns a file; peers have their caches warm. The question is heavy for its size (it groups every fact), so
//! that who asks costs little beside who answers. The clients, and the transactor, which has nothing to do, run anywhere.
//!
//! Argument: seconds of each part (10). Needs `taskset`, and two cores for a difference.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many ask each peer at the same time.
const CLIENTS: usize = 2;

/// How many entities there are.
const BOATS: usize = 20_000;

/// How often each setting is measured; the median counts.
const ROUNDS: usize = 5;

const SCHEMA: &str =
    "[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
    {:db/ident :boat/length :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

const QUESTION: &str = "[:find ?l (count ?b) (min ?n) :where [?b :boat/length ?l] [?b :boat/name ?n]]";

fn main() {
    let given = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let time = Duration::from_secs(given.map_or(10, |word| word.parse().expect("seconds")));
    let binary = build();
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("redb:{}", folder.path().join("boats.annals").display());
    fill(&file);
    let transactor = Process::start(&binary, None, &["transactor", &file]);
    let peer = |core: usize| Process::start(&binary, Some(core), &["peer", &transactor.url]);
    let peers = [peer(0), peer(1)];
    peers.iter().for_each(|peer| drop(ask(&agent(), &peer.url)));
    println!("load before: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (count, rates) in (1..).zip(&mut rates) {
            rates.push(rate(&peers[..count], time / ROUNDS as u32));
        }
    }
    let [one, two] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    println!("questions a second, one peer: {one:.0}; two peers: {two:.0}; {:.2} times as many", two / one);
}

/// How many questions a second these answer.
fn rate(peers: &[Process], time: Duration) -> f64 {
    let (answered, begin) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for url in peers.iter().flat_map(|peer| std::iter::repeat_n(&peer.url, CLIENTS)) {
            scope.spawn(|| {
                let agent = agent();
                while begin.elapsed() < time {
                    ask(&agent, url);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    answered.into_inner() as f64 / begin.elapsed().as_secs_f64()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().build().new_agent()
}

fn ask(agent: &ureq::Agent, url: &str) -> String {
    let call = agent.post(format!("{url}/v1/db/main/query")).header("content-type", "application/edn");
    call.send(QUESTION).expect("an answer").body_mut().read_to_string().expect("text")
}

fn fill(file: &str) {
    let store = annals::connect(file).expect("a file");
    let conn = store.database("main").expect("a database");
    conn.transact(SCHEMA).expect("a schema");
    for first in (0..BOATS).step_by(1000) {
        let boats = (first..first + 1000)
            .map(|n| format!("{{:boat/name \"boat {n}\" :boat/length {}}}", n % 40))
            .collect::<String>();
        conn.transact(&*format!("[{boats}]")).expect("room");
    }
}

/// The binary, in the profile of this benchmark.
fn build() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--package",
            "annals-repl",
            "--manifest-path",
            manifest,
        ])
        .status();
    assert!(done.expect("cargo runs").success(), "the binary must build");
    // This benchmark lies in `<target>/release/deps`, the binary one folder up.
    let this = std::env::current_exe().expect("the path of this benchmark");
    this.parent().and_then(|deps| deps.parent()).expect("the folder of the profile").join("annals")
}

/// One process that serves; killed when dropped.
struct Process {
    child: Child,
    url: String,
    /// Kept open, so that it can go on to speak.
    _said: BufReader<ChildStderr>,
}

impl Process {
    fn start(binary: &PathBuf, core: Option<usize>, words: &[&str]) -> Process {
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.args(words).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        // The last address that it says is its own: the storage may have one too.
        let url = line.split_whitespace().rfind(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("{words:?} says {line:?}")).trim_end_matches(';').to_owned();
        Process { child, url, _said: said }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
