//! `kill -9` in the middle of an import, again and again.
//!
//! This program starts itself as a child that imports a data set into a file and prints a number for each transaction
//! it was told is durable. The parent kills it at a random moment, opens the file, and holds it against an import that
//! was left alone: every acknowledged transaction is there, none is there in part, and what is there is a prefix. Then
//! the next child goes on where the file ends.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use annals::{Connection, Tx};
use annals_tests::Random;

const KILLS: usize = 60;
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../repl/samples/git-datascript");

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "import-into") {
        child(&args[2], args[3] == "one-by-one");
        return ExitCode::SUCCESS;
    }
    parent();
    println!("1 passed, 0 failed");
    ExitCode::SUCCESS
}

/// Imports what the file does not hold yet; prints how many transactions are durable, the schema's included.
fn child(file: &str, one_by_one: bool) {
    let conn = open(file);
    if conn.db().basis_t() == 0 {
        let schema = std::fs::read_to_string(Path::new(SAMPLE).join("schema.edn")).expect("the schema");
        conn.transact(schema.as_str()).expect("an accepted schema");
    }
    let held = conn.db().basis_t() - 1;
    let acknowledged = |all: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", all + 1).and_then(|()| out.flush()).expect("the parent reads");
    };
    acknowledged(held);
    let mut data = std::fs::File::open(Path::new(SAMPLE).join("transactions.edn.gz")).expect("the data");
    if one_by_one {
        let text = std::io::read_to_string(flate2::read::GzDecoder::new(data)).expect("text");
        for (number, tx) in text.lines().skip(held as usize).enumerate() {
            conn.transact(tx).expect("an accepted transaction");
            acknowledged(held + number as u64 + 1);
        }
    } else {
        annals::import::edn(&conn, &mut data, held, &mut |progress| acknowledged(progress.transactions))
            .expect("accepted transactions");
    }
}

fn open(file: &str) -> Connection {
    annals::connect(&format!("redb:{file}"))
        .and_then(|store| store.database("main"))
        .expect("a file that opens")
}

fn log_of(conn: &Connection) -> Vec<Tx> {
    conn.log().range(1..).expect("a readable log")
}

fn parent() {
    let reference = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    annals_tests::data::import(&reference, Path::new(SAMPLE));
    let reference = log_of(&reference);

    let mut random = Random::seeded("crash", 0x5eed);
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let (mut kills, mut files, mut in_the_middle) = (0, 0, 0);
    while kills < KILLS {
        let file = scratch.path().join(format!("{files}.annals"));
        files += 1;
        let mut held = 0;
        while kills < KILLS && held < reference.len() {
            let (acknowledged, killed) = kill_one(&file, &mut random);
            kills += usize::from(killed);
            let conn = open(file.to_str().expect("a plain path"));
            let log = log_of(&conn);
            assert!(log.len() as u64 >= acknowledged, "{acknowledged} acknowledged, {} held", log.len());
            assert!(log.len() >= held, "what was held before is gone");
            for (ours, theirs) in log.iter().zip(&reference) {
                assert_eq!((ours.t, ours.instant, &ours.datoms), (theirs.t, theirs.instant, &theirs.datoms));
            }
            held = log.len();
            in_the_middle += usize::from(killed && held > 1 && held < reference.len());
        }
    }
    println!("crash: {kills} kills over {files} files, {in_the_middle} of them in the middle of the data");
    assert!(in_the_middle * 3 >= KILLS, "most kills missed the import: {in_the_middle} of {kills}");
}

/// Starts a child, kills it after a random number of acknowledgements or a random time. The last number it printed (0 if
/// it died before the first), and whether it was still alive.
fn kill_one(file: &Path, random: &mut Random) -> (u64, bool) {
    let way = if random.below(3) == 0 { "one-by-one" } else { "in-flight" };
    let exe = std::env::current_exe().expect("this program");
    let mut child = Command::new(exe)
        .args(["import-into".as_ref(), file.as_os_str(), way.as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut acknowledged = 0;
    let wanted = random.below(60) as u64;
    let mut read = |lines: &mut dyn Iterator<Item = std::io::Result<String>>| {
        let line = lines.next()?.ok()?;
        acknowledged = line.parse().unwrap_or(acknowledged);
        Some(())
    };
    for _ in 0..wanted {
        if read(&mut lines).is_none() {
            break;
        }
    }
    std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
    let killed = kill(&mut child);
    // What it printed before it died was acknowledged too.
    while read(&mut lines).is_some() {}
    (acknowledged, killed)
}

fn kill(child: &mut Child) -> bool {
    let alive = child.try_wait().expect("its state").is_none();
    let _ = child.kill();
    let status = child.wait().expect("its end");
    assert!(alive || status.success(), "the child failed by itself: {status}");
    alive && !status.success()
}
