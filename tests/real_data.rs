//! Real data, imported into a file, reopened, and asked every question whose true answer is known.
//!
//! The data set is the folder `ANNALS_DATA_DIR` (default: the bundled samples). Prints the import rate and the time of
//! each question; fails if one answer is wrong or if nothing was asked.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::path::Path;
use std::process::ExitCode;

use annals_tests::data;

fn main() -> ExitCode {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../repl/samples");
    let folders = match annals_tests::folder_named("ANNALS_DATA_DIR") {
        Some(folder) => vec![folder],
        None => ["git-datafrog", "git-datascript"].iter().map(|name| Path::new(samples).join(name)).collect(),
    };
    let (mut passed, mut failed) = (0, 0);
    for folder in folders {
        let wrong = ask(&folder);
        passed += wrong.0;
        failed += wrong.1;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn ask(folder: &Path) -> (usize, usize) {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let address = format!("redb:{}", scratch.path().join("data.annals").display());
    let imported = {
        let conn = annals::connect(&address).and_then(|store| store.database("main")).expect("a new file");
        data::import(&conn, folder)
    };
    let seconds = imported.took.as_secs_f64();
    println!("{}", folder.display());
    println!(
        "  imported {} transactions, {} datoms in {seconds:.3} s: {:.0} datoms/s",
        imported.transactions,
        imported.datoms,
        imported.datoms as f64 / seconds
    );
    let start = std::time::Instant::now();
    let conn =
        annals::connect(&address).and_then(|store| store.open_database("main")).expect("the same file again");
    println!("  reopened in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let asked = data::ask_all(&conn, folder, imported);
    for one in &asked {
        println!("  {:>10.3} ms  {}", one.took.as_secs_f64() * 1e3, one.name);
        if let Some(problem) = &one.problem {
            println!("  FAILED {}: {problem}", one.name);
        }
    }
    let failed = asked.iter().filter(|one| one.problem.is_some()).count();
    (asked.len() - failed, failed)
}
