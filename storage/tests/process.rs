//! A storage file and the processes around it: killed while they write, or holding it open.
//!
//! It is a program of its own, without the usual harness, for it is its own child process too.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;

use annals_storage::backend::DatabaseId;
use annals_storage::backend::redb::{Options, RedbStorage};
use annals_storage::log::{Appended, Log, LogBatch};
use annals_storage::rest::Rest;

/// Where the writing process finds its file.
const CHILD_PATH: &str = "ANNALS_TEST_CHILD_PATH";

#[expect(clippy::disallowed_methods, reason = "the parent names the file this way")]
fn main() {
    match std::env::var_os(CHILD_PATH) {
        Some(path) => append(Path::new(&path)),
        None => {
            a_killed_process_leaves_a_storage_with_all_it_acknowledged();
            another_process_that_has_it_open_is_named();
            writeln!(std::io::stdout(), "2 passed: killed while it writes, held open")
                .expect("somebody reads");
        }
    }
}

/// What the process does that [`Child`] starts: it appends until it is killed.
fn append(path: &Path) {
    let storage = RedbStorage::open(path).expect("opens");
    let mut log =
        Log::open(Arc::new(storage), DatabaseId(1), &Rest::none(), &mut |_| Ok(())).expect("a sound log");
    for seq in log.next_seq().. {
        let batch = LogBatch { seq, epoch: 1, id: seq.into(), next: Vec::new(), txs: Vec::new() };
        assert!(matches!(log.append(&batch), Ok(Appended::Done)));
        writeln!(std::io::stdout(), "acknowledged {seq}").expect("the parent listens");
    }
}

/// A process that appends, and says which batches were acknowledged.
struct Child {
    process: std::process::Child,
    said: BufReader<ChildStdout>,
}

impl Child {
    fn start(path: &Path) -> Child {
        let mut process = Command::new(std::env::current_exe().expect("this test"))
            .env(CHILD_PATH, path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        Child { process, said }
    }

    /// The number of the next acknowledged batch.
    fn acknowledged(&mut self) -> u64 {
        self.acknowledgements().next().expect("it goes on until it is killed")
    }

    fn acknowledgements(&mut self) -> impl Iterator<Item = u64> {
        let lines = Read::by_ref(&mut self.said).lines().map_while(|line| line.ok());
        lines.filter_map(|line| line.split_once("acknowledged ")?.1.parse().ok())
    }

    /// Kills the process; gives the last batch it had acknowledged by then.
    fn kill(mut self) -> Option<u64> {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
        self.acknowledgements().last()
    }
}

fn a_killed_process_leaves_a_storage_with_all_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("x.annals");
    let mut total = 0;
    for round in 0..12 {
        let mut child = Child::start(&path);
        let heard = (0..round % 6).map(|_| child.acknowledged()).last();
        let last = child.kill().or(heard);
        let storage = RedbStorage::open(&path).expect("opens after a kill");
        let log =
            Log::open(Arc::new(storage), DatabaseId(1), &Rest::none(), &mut |_| Ok(())).expect("a sound log");
        assert!(last.is_none_or(|last| log.next_seq() > last), "round {round}: {last:?} was acknowledged");
        total = log.next_seq();
    }
    assert!(total >= 30, "{total} batches: the processes did append");
}

fn another_process_that_has_it_open_is_named() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("x.annals");
    let mut child = Child::start(&path);
    child.acknowledged();
    for create in [true, false] {
        let options = Options { create, ..Options::default() };
        let error = RedbStorage::open_with(&path, &options).expect_err("must be refused");
        assert_eq!(error.keyword(), "db.error/already-open");
    }
    child.kill();
    RedbStorage::open_existing(&path).expect("free again");
}
