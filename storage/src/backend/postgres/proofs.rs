//! The promises of storage in PostgreSQL, on a real server: the contract, crashes, lost connections, clear errors.

#![expect(clippy::disallowed_methods, reason = "a server is waited for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::server::{Proxy, Server};
use super::*;
use crate::anomaly::Category;
use crate::backend::fault::FaultyStorage;
use crate::backend::suite;

const LOG: Sequence = Sequence::Log(DatabaseId(1));

fn open(address: &str) -> PostgresStorage {
    PostgresStorage::open(address).expect("the server is there")
}

fn refused(address: &str) -> Error {
    PostgresStorage::open(address).expect_err("must be refused")
}

/// Fills slot after slot with what nobody else writes, until told to stop; counts and gives what was acknowledged.
fn fill_until(storage: &dyn Storage, stop: &AtomicBool, count: &AtomicUsize) -> Vec<Vec<u8>> {
    let mut filled = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let number = filled.len() as u64;
        let bytes = format!("{number} {:?}", thread::current().id()).into_bytes();
        match settle::fill(storage, LOG, number, &bytes) {
            Ok(Filled::Done) => {
                filled.push(bytes);
                count.store(filled.len(), Ordering::Release);
            }
            Ok(Filled::Taken(_)) => panic!("nobody else fills slot {number}"),
            Err(error) => assert_eq!(error.category(), Category::Unavailable, "{error}"),
        }
    }
    filled
}

/// Waits until so many were acknowledged.
fn progress(count: &AtomicUsize, wanted: usize) {
    let start = Instant::now();
    while count.load(Ordering::Acquire) < wanted {
        assert!(start.elapsed() < Duration::from_secs(60), "stuck at {count:?}, not {wanted}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn assert_holds(storage: &dyn Storage, filled: &[Vec<u8>]) {
    let there = settle::repeat(|| storage.read_slots(LOG, 0, usize::MAX)).expect("slots are read");
    assert!(
        there.len() == filled.len() || there.len() == filled.len() + 1,
        "{} {}",
        there.len(),
        filled.len()
    );
    assert_eq!(there[..filled.len()], *filled);
}

#[test]
fn conforms() {
    suite::conform(&|| Arc::new(open(&Server::shared().fresh())));
}

#[test]
fn conforms_for_callers_who_settle_what_is_lost() {
    let seed = std::cell::Cell::new(0);
    suite::conform(&|| {
        seed.set(seed.get() + 1);
        let storage: Arc<dyn Storage> = Arc::new(open(&Server::shared().fresh()));
        Arc::new(FaultyStorage::new(storage).seeded(seed.get(), 20))
    });
}

#[test]
fn what_it_holds_is_there_after_reopening() {
    let address = Server::shared().fresh();
    suite::survives_reopening(&|| Arc::new(open(&address)));
}

#[test]
fn many_may_open_it_at_once_for_the_first_time() {
    for _ in 0..5 {
        let address = Server::shared().fresh();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| open(&address));
            }
        });
        let storage = open(&address);
        assert_eq!(storage.fill_slot(LOG, 0, b"a").expect("filled"), Filled::Done);
    }
}

#[test]
fn a_server_that_crashes_and_comes_back_keeps_what_was_acknowledged() {
    let mut server = Server::start();
    let storage = open(&server.fresh());
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let filled = thread::scope(|scope| {
        let filler = scope.spawn(|| fill_until(&storage, &stop, &count));
        for crashes in 0..3 {
            progress(&count, crashes * 5 + 5);
            server.crash_and_restart();
        }
        progress(&count, 20);
        stop.store(true, Ordering::Release);
        filler.join().expect("no panic")
    });
    assert_holds(&storage, &filled);
}

#[test]
fn connections_that_are_cut_lose_and_double_nothing() {
    let proxy = Proxy::before(Server::shared());
    let address = Server::shared().fresh();
    let storage = open(&proxy.address(&address));
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let filled = thread::scope(|scope| {
        let filler = scope.spawn(|| fill_until(&storage, &stop, &count));
        for cuts in 0..40 {
            // Somewhere in the midst of a statement, and never so often that none gets through.
            progress(&count, cuts * 2);
            thread::sleep(Duration::from_micros(cuts as u64 * 137 % 3000));
            proxy.cut();
        }
        progress(&count, 82);
        stop.store(true, Ordering::Release);
        filler.join().expect("no panic")
    });
    assert_holds(&open(&address), &filled);
}

#[test]
fn a_server_that_stays_away_is_unavailable_and_not_for_ever_waited_for() {
    let mut server = Server::start();
    let storage = open(&server.fresh());
    assert_eq!(storage.fill_slot(LOG, 0, b"a").expect("filled"), Filled::Done);
    server.crash();
    let start = Instant::now();
    let error = settle::fill(&storage, LOG, 1, b"b").expect_err("nobody is there");
    assert_eq!(error.category(), Category::Unavailable, "{error}");
    assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
    server.restart();
    assert_eq!(settle::fill(&storage, LOG, 1, b"b").expect("filled"), Filled::Done);
}

#[test]
fn addresses_that_lead_nowhere_are_told() {
    let server = Server::shared();
    for (address, category, told) in [
        ("postgres://annals@127.0.0.1:1/x".to_owned(), Category::Unavailable, "refused"),
        (server.address("nothing"), Category::NotFound, "nothing"),
        ("postgres://a:secret@[/x".to_owned(), Category::Incorrect, "no storage address"),
        ("postgres:///x".to_owned(), Category::Incorrect, "host is missing"),
        (format!("{}?sslmode=require", server.address("postgres")), Category::Incorrect, "sslmode"),
    ] {
        let error = refused(&address);
        assert_eq!(error.category(), category, "{address}: {error}");
        assert!(error.to_string().contains(told), "{address}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let address = server.fresh();
    let error = PostgresStorage::open_with(&address, &Options { create: false, ..Options::default() });
    assert_eq!(error.expect_err("nothing is to be made").category(), Category::NotFound);
    open(&address);
    PostgresStorage::open_with(&address, &Options { create: false, ..Options::default() })
        .expect("it is there");
}

#[test]
fn a_user_without_rights_and_tables_of_another_layout_are_told() {
    let server = Server::start();
    server.set("CREATE ROLE guest LOGIN");
    let address = server.fresh();
    let guest = address.replace("annals@", "guest@");
    assert_eq!(refused(&guest).category(), Category::Forbidden);
    let storage = open(&address);
    assert_eq!(refused(&guest).category(), Category::Forbidden);
    storage.ask("UPDATE annals_meta SET number = 7", Vec::new()).expect("updated");
    assert_eq!(refused(&address).category(), Category::Unsupported);
    storage.ask("DROP TABLE annals_slots", Vec::new()).expect("dropped");
    let failure = storage.read_slots(LOG, 0, 1).expect_err("its table is gone");
    assert!(matches!(failure, Failure::Refused(Error::NoStorage { .. })), "{failure}");
}

#[test]
fn settings_that_make_commits_less_than_durable_are_warned_of() {
    let server = Server::start();
    let address = server.fresh();
    assert!(open(&address).warnings().is_empty());
    server.set("ALTER ROLE annals SET synchronous_commit = off");
    let storage = open(&address);
    assert_eq!(storage.warnings().len(), 1);
    assert!(storage.warnings()[0].contains("synchronous_commit is off"), "{:?}", storage.warnings());
    server.set("ALTER ROLE annals SET default_transaction_read_only = on");
    let error = refused(&address);
    assert_eq!(error.category(), Category::Unavailable, "{error}");
}

#[test]
fn it_may_be_used_and_dropped_inside_of_a_runtime() {
    let address = Server::shared().fresh();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let storage = open(&address);
        assert_eq!(storage.fill_slot(LOG, 0, b"a").expect("filled"), Filled::Done);
        drop(storage);
    });
}
