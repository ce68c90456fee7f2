//! A cluster of real processes under load and faults: a transactor, a standby and three peers on a PostgreSQL.
//!
//! Sessions write and read through any of them while processes are killed and paused past their time, connections to the
//! storage are cut, and the storage itself crashes. Then the log is replayed into a model, and everything that anybody was
//! told is held against it; a checker that is not ours is asked too. `ANNALS_CLUSTER_SECONDS` sets how long the load lasts;
//! the seed is printed.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

mod checker;
mod load;
mod opinion;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals_storage::backend::postgres::server::{Proxy, Server};
use annals_tests::Random;
use annals_tests::process::Process;

use self::load::{Client, LISTS, SCHEMA};

const SESSIONS: usize = 6;
/// How long the load lasts, in the usual test run.
const SECONDS: u64 = 30;

fn main() -> ExitCode {
    let mut random = Random::seeded("cluster", 0xc1a5);
    let seconds = std::env::var("ANNALS_CLUSTER_SECONDS").ok().and_then(|text| text.parse().ok());
    let lasts = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let mut postgres = Server::start();
    let proxy = Proxy::before(&postgres);
    let (direct, storage) = {
        let fresh = postgres.fresh();
        (fresh.clone(), proxy.address(&fresh))
    };
    let start = |role: &str| Process::start(role, &storage, &["--heartbeat", "300"]);
    let mut writers = [(); 2].map(|()| start("transactor"));
    let mut peers = [(); 3].map(|()| start("peer"));
    let urls: Vec<String> = writers.iter().chain(&peers).map(Process::url).collect();
    begin(&urls);

    let stop = AtomicBool::new(false);
    let (mut faults, began) = (0, Instant::now());
    let sessions = std::thread::scope(|scope| {
        let (urls, stop) = (&urls, &stop);
        let seeds: Vec<u64> = (0..SESSIONS).map(|_| random.below(usize::MAX) as u64).collect();
        let start = |(number, seed)| scope.spawn(move || load::run(number, urls, seed, began, stop));
        let running: Vec<_> = seeds.into_iter().enumerate().map(start).collect();
        while began.elapsed() < lasts {
            std::thread::sleep(Duration::from_millis(500 + random.below(1500) as u64));
            faults += 1;
            match faults % 6 {
                // Whoever leads of the two: each is hit now and then.
                1 => {
                    let one = random.of_mut(&mut writers);
                    one.kill();
                    std::thread::sleep(Duration::from_millis(random.below(1500) as u64));
                    one.restart();
                }
                // Past its time: the other takes over, and this one comes back.
                2 => {
                    let one = random.of(&writers);
                    one.pause();
                    std::thread::sleep(Duration::from_millis(1500));
                    one.resume();
                }
                3 => proxy.cut(),
                4 => {
                    let one = random.of_mut(&mut peers);
                    one.kill();
                    one.restart();
                }
                5 => postgres.crash_and_restart(),
                _ => {
                    let one = random.of(&peers);
                    one.pause();
                    std::thread::sleep(Duration::from_millis(700));
                    one.resume();
                }
            }
        }
        stop.store(true, Ordering::Release);
        running.into_iter().map(|session| session.join().expect("a session")).collect::<Vec<_>>()
    });

    let conn =
        annals::connect(&direct).expect("the server is there").open_database("main").expect("the database");
    let model = checker::Model::of(&conn);
    let tally = checker::check(&model, &sessions);
    let judged = opinion::ask(&sessions);
    let before = checker::same_everywhere(&urls, model.newest);
    peers.iter_mut().for_each(|peer| {
        peer.kill();
        peer.restart();
    });
    assert_eq!(before, checker::same_everywhere(&urls, model.newest), "after a restart");
    let report = conn.verify(&mut |_| {}).expect("it is read");
    assert!(report.is_clean(), "{report:?}");
    let mut took: Vec<Duration> =
        sessions.iter().flat_map(|it| &it.writes).map(|write| write.time.took()).collect();
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_millis();
    let (epochs, seconds) = (checker::epochs(&conn), lasts.as_secs());
    println!(
        "cluster: {seconds} s, {faults} faults, {epochs} leaders in turn, {} transactions; {tally:?}",
        model.newest
    );
    println!("a second checker found no cycle in {judged} operations");
    println!("a write took {} ms at the median, {} at 99 %, {} at most", at(50), at(99), at(100));
    assert!(tally.written > 50 && tally.reads > 50, "the cluster hardly ran");
    assert!(epochs > 2, "nobody ever took over");
    println!("1 passed, 0 failed");
    ExitCode::SUCCESS
}

/// Makes the database and its lists, as soon as somebody writes.
fn begin(urls: &[String]) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let made = agent.put(format!("{}/v1/db/main", urls[0])).send_empty().expect("an answer");
    assert!(made.status().is_success(), "{made:?}");
    let mut client = Client::new(urls);
    let lists: String = (0..LISTS).map(|list| format!("{{:list/name \"{list}\" :list/size 0}}")).collect();
    for tx in [SCHEMA.to_owned(), format!("[{lists}]")] {
        let answer = client.post(0, "transact", None, &tx).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}
