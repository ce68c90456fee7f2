//! `annals gc` and `annals verify`: what is stored, cleaned up and held against itself.

use std::io::Write;
use std::time::{Duration, Instant};

use annals::{Category, Edn, VerifyProgress, VerifyReport};
use indicatif::{ProgressBar, ProgressStyle};

use super::{open, open_store, output, storage};
use crate::cli::{GcArgs, VerifyArgs};
use crate::present::{Sheet, Shown, counted, thousands};
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Where nobody sees a bar, a line is written this often.
const EVERY: Duration = Duration::from_secs(5);

/// `annals gc`
pub fn gc(args: GcArgs, settings: &Settings) -> Result<()> {
    let address = storage(args.storage.as_deref(), settings)?;
    let conn = open(address, settings)?;
    let collected = conn.gc(args.grace)?;
    let segments = counted(collected.segments as usize, "segment");
    crate::tell(&format!("{}: {segments} deleted, {} bytes", conn.name(), thousands(collected.bytes)));
    drop(conn);
    if args.compact {
        let file = annals::compact(address)?;
        crate::tell(&format!(
            "{address}: {} bytes, before {}",
            thousands(file.after),
            thousands(file.before)
        ));
    }
    Ok(())
}

/// `annals verify`
pub fn verify(args: VerifyArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let store = open_store(storage(args.storage.as_deref(), settings)?, settings)?;
    let name = settings.database();
    let look = || {
        let mut watch = Watching::on(terminal.bars);
        let report = store.verify(name, &mut |step| watch.step(step));
        watch.end();
        report
    };
    let mut report = look()?;
    if args.repair && !report.is_clean() {
        crate::tell(&summary(name, &report));
        store.repair(name)?;
        crate::tell(&format!("{name}: the trees were made anew from the log"));
        report = look()?;
    }
    let mut out = output();
    Shown::Rows(problems(&report)).print(&terminal.style(settings), None, &mut out)?;
    out.flush()?;
    crate::tell(&summary(name, &report));
    verdict(name, &report).map_err(Problem::silenced)
}

/// What is wrong, as rows.
pub fn problems(report: &VerifyReport) -> Sheet {
    let row = |place: &str, what: &str| vec![Edn::string(place), Edn::string(what)];
    let rows = report.problems.iter().map(|problem| row(&problem.place, &problem.what)).collect();
    Sheet::of_maps(&["place", "problem"], rows)
}

/// What was read, and how much of it is wrong, in a line.
pub fn summary(name: &str, report: &VerifyReport) -> String {
    let wrong = match report.problems.len() as u64 + report.more_problems {
        0 => "nothing is wrong".to_owned(),
        n => counted(n as usize, "problem"),
    };
    format!(
        "{name}: {} of {} in {}, {} and {}, {} bytes: {wrong}",
        counted(report.datoms as usize, "datom"),
        counted(report.transactions as usize, "transaction"),
        counted(report.batches as usize, "batch").replace("batchs", "batches"),
        counted(report.leaves as usize, "leaf").replace("leafs", "leaves"),
        counted(report.directories as usize, "directory").replace("directorys", "directories"),
        thousands(report.bytes),
    )
}

/// An error if something is wrong.
pub fn verdict(name: &str, report: &VerifyReport) -> Result<()> {
    if report.is_clean() {
        return Ok(());
    }
    let message = format!("the database {name} is not as it was written");
    Err(Problem::new(Category::Fault, "db.error/corrupt", message)
        .hint("`annals verify --repair` makes the trees anew if the log is whole; else restore a copy"))
}

/// Tells how a verification goes, on standard error.
pub struct Watching {
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Watching {
    /// With a counter where one can be drawn, else with a line now and then.
    pub fn on(bars: bool) -> Watching {
        let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is right");
        Watching { bar: bars.then(|| ProgressBar::new_spinner().with_style(style)), told: Instant::now() }
    }

    /// The next step is done.
    pub fn step(&mut self, step: VerifyProgress) {
        let of = if step.all > 0 { format!(" of {}", thousands(step.all)) } else { String::new() };
        let message = || format!("{}: {}{of}", step.stage, thousands(step.done));
        if let Some(bar) = &self.bar {
            bar.set_message(message());
            bar.tick();
        } else if self.told.elapsed() > EVERY {
            self.told = Instant::now();
            crate::tell(&message());
        }
    }

    /// Takes the counter away.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
