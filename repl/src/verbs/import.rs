//! `annals import`: files into a database, with a bar of progress on a terminal and plain lines elsewhere.

use std::time::{Duration, Instant};

use annals::import::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use super::open_or_make;
use crate::cli::ImportArgs;
use crate::import::{self, Part, Watch};
use crate::present::{counted, duration, thousands};
use crate::problem::Result;
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Where nobody sees a bar, a line is written this often.
const EVERY: Duration = Duration::from_secs(5);
/// A bar is not worth showing for less than this.
const AFTER: Duration = Duration::from_millis(400);

/// Runs the command.
pub fn run(args: ImportArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let parts = import::parts(&args.files, args.schema.as_deref())?;
    let conn = open_or_make(&args.storage, settings)?;
    import::load(&conn, &parts, args.skip, &mut Progressing::on(terminal.bars))?;
    crate::tell(&format!("{} is at t {}", conn.name(), thousands(conn.db().basis_t())));
    Ok(())
}

/// Tells how an import goes, on standard error.
pub struct Progressing {
    bar: Option<ProgressBar>,
    name: String,
    size: u64,
    skipped: u64,
    bars: bool,
    begun: Instant,
    told: Instant,
}

impl Progressing {
    /// With a bar where one can be drawn, else with a line now and then.
    pub fn on(bars: bool) -> Progressing {
        let now = Instant::now();
        Progressing { bar: None, name: String::new(), size: 0, skipped: 0, bars, begun: now, told: now }
    }

    fn new_bar(&self) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3}% {msg} {eta}")
            .expect("the template is right");
        ProgressBar::new(self.size).with_style(style).with_prefix(self.name.clone())
    }
}

impl Progressing {
    /// Takes the bar away, without a word.
    pub fn hide(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progressing {
    fn begin(&mut self, part: &Part, size: u64, skipped: u64) {
        (self.begun, self.told) = (Instant::now(), Instant::now());
        self.skipped = skipped;
        if skipped > 0 {
            crate::tell(&format!("{}: {} in already", part.name(), counted(skipped as usize, "transaction")));
        }
        (self.name, self.size) = (part.name().to_owned(), size);
    }

    fn progress(&mut self, progress: Progress, bytes: u64) {
        let message = format!("{} datoms", thousands(progress.datoms));
        if self.bars && self.begun.elapsed() > AFTER {
            let bar = self.bar.take().unwrap_or_else(|| self.new_bar());
            bar.set_message(message);
            bar.set_position(bytes);
            self.bar = Some(bar);
        } else if !self.bars && self.told.elapsed() > EVERY {
            self.told = Instant::now();
            crate::tell(&format!("{}, {message}", counted(progress.transactions as usize, "transaction")));
        }
    }

    fn end(&mut self, part: &Part, progress: Progress) {
        self.hide();
        let took = self.begun.elapsed();
        let rate = progress.datoms as f64 / took.as_secs_f64().max(1e-6);
        crate::tell(&format!(
            "{}: {}, {} in {} ({} datoms/s)",
            part.name(),
            counted((progress.transactions - self.skipped) as usize, "transaction"),
            counted(progress.datoms as usize, "datom"),
            duration(took),
            thousands(rate as u64),
        ));
    }
}
