//! `annals repl`: the session at a terminal, or fed by a pipe.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use super::import::Progressing;
use crate::cli::ReplArgs;
use crate::problem::{Problem, Result};
use crate::sample::{self, Sample};
use crate::session::editor::{LineEditor, Typed};
use crate::session::script::Script;
use crate::session::{Flow, Session};
use crate::settings::Settings;
use crate::terminal::Terminal;
use annals::suggest::nearest;

/// How many rows a table shows at a terminal, unless told.
const SHOWN: usize = 100;

/// The words that `annals WORD` may have been meant to be.
const VERBS: [&str; 11] =
    ["repl", "serve", "query", "pull", "transact", "log", "schema", "stats", "import", "gc", "verify"];

/// A bare word that is no file but nearly a command was meant to be the command.
pub fn refuse_misspelt_verb(storage: Option<&str>) -> Result<()> {
    let Some(word) = storage else { return Ok(()) };
    let is_address = word.contains([':', '/', '.']) || Path::new(word).exists();
    match nearest(word, VERBS) {
        Some(verb) if !is_address => Err(Problem::usage(format!("no command is named `{word}`"))
            .hint(format!("did you mean `{verb}`? A storage of that name is `./{word}`"))),
        _ => Ok(()),
    }
}

/// Runs the command.
pub fn run(args: ReplArgs, settings: Settings, terminal: &Terminal) -> Result<()> {
    let chosen = args.sample.as_deref().map(sample::named).transpose()?;
    let address = args.storage.clone().or(settings.storage.clone()).unwrap_or_else(|| "mem:".into());
    let mut session =
        Session::open(&address, settings.options()?, settings.database(), terminal.style(&settings))?;
    session.budget = settings.budget();
    if let Some(sample) = chosen
        && !sample.load(session.connection(), &mut Quietly(Progressing::on(true), terminal.bars))?
    {
        crate::tell(&format!(
            "{} has facts of its own; the sample was not loaded",
            session.connection().name()
        ));
    }
    if terminal.input && terminal.output {
        session.style.limit = settings.limit.unwrap_or(SHOWN);
        session.style.timing = settings.timing.unwrap_or(true);
        converse(&mut session, chosen, &address, &settings, terminal)
    } else {
        obey(&mut session, args.bail, terminal)
    }
}

/// A person at a terminal.
fn converse(
    session: &mut Session,
    sample: Option<Sample>,
    address: &str,
    settings: &Settings,
    terminal: &Terminal,
) -> Result<()> {
    session.remarks = true;
    session.bars = terminal.bars;
    let stop = session.stopper();
    ctrlc::set_handler(move || stop.store(true, Relaxed))
        .map_err(|error| Problem::from(std::io::Error::other(error)))?;
    let mut editor = LineEditor::new(history_file(settings), terminal.color)?;
    std::io::stdout().write_all(banner(address, session, sample).as_bytes())?;
    let mut completed_for = None;
    loop {
        let prompt = session.prompt();
        let names = || (completed_for.as_ref() != Some(&prompt)).then(|| session.completions());
        let typed = editor.ask(&prompt, names)?;
        completed_for = Some(prompt);
        match typed {
            Typed::Entry(text) => {
                if answer(session, &text, terminal)? == Flow::Quit {
                    break;
                }
            }
            Typed::Forgotten => {}
            Typed::End => break,
        }
    }
    editor.save()
}

/// Does what was typed, or pasted: that may be several entries.
fn answer(session: &mut Session, text: &str, terminal: &Terminal) -> Result<Flow> {
    let mut out = std::io::stdout();
    for piece in Script::new(text.as_bytes()) {
        let piece = piece?;
        let done = session.eval(&piece.text, &mut BufWriter::new(&mut out));
        match done {
            Ok(Flow::Go) => {}
            Ok(Flow::Quit) => return Ok(Flow::Quit),
            Err(problem) => {
                writeln!(out, "{}", problem.draw(Some(piece.text.trim_end()), terminal.color))?;
                break;
            }
        }
    }
    Ok(Flow::Go)
}

/// A pipe: no prompt, no remarks, answers only; problems go to standard error.
fn obey(session: &mut Session, bail: bool, terminal: &Terminal) -> Result<()> {
    let mut failures = 0;
    for piece in Script::new(std::io::stdin().lock()) {
        let piece = piece?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        let done = session.eval(&piece.text, &mut out);
        out.flush()?;
        match done {
            Ok(Flow::Go) => {}
            Ok(Flow::Quit) => break,
            Err(problem) if problem.is_closed_pipe() => return Err(problem),
            Err(problem) => {
                crate::tell(&problem.draw(Some(piece.text.trim_end()), terminal.color_err));
                failures += 1;
                if bail {
                    break;
                }
            }
        }
    }
    if failures == 0 { Ok(()) } else { Err(Problem::told(failures)) }
}

/// What is said first.
fn banner(address: &str, session: &Session, sample: Option<Sample>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let keeps = if address == "mem:" { "in memory, nothing is kept" } else { address };
    let mut text = format!("Annals {version}: any fact, any moment ({keeps})\n");
    match sample {
        None if session.connection().db().basis_t() == 0 => {
            text.push_str(".help shows what can be typed; .tutorial is a short tour; Ctrl-D leaves\n");
            text.push_str("empty so far: type a transaction, .import FILE, or .sample git\n");
        }
        None => text.push_str(".help shows what can be typed; .schema shows what is here; Ctrl-D leaves\n"),
        Some(sample) => {
            text.push_str(&format!("sample {}: {}\n", sample.name, sample.about));
            text.push_str(
                ".help shows what can be typed; .tutorial is a short tour; three questions to type:\n",
            );
            for (about, question) in sample.questions {
                text.push_str(&format!("\n  {about}\n"));
                question.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
            }
            text.push('\n');
        }
    }
    text
}

/// Where the history is kept: the setting (nowhere, if that is empty), else the state folder of the person.
#[expect(clippy::disallowed_methods, reason = "an edge: the one place that looks for the person's folders")]
fn history_file(settings: &Settings) -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let state = || folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    match &settings.history {
        Some(path) if path.as_os_str().is_empty() => None,
        Some(path) => Some(path.clone()),
        None => Some(state()?.join("annals/history")),
    }
}

/// Loading a sample shows a bar to a person and says nothing else.
struct Quietly(Progressing, bool);

impl crate::import::Watch for Quietly {
    fn begin(&mut self, part: &crate::import::Part, size: u64, _: u64) {
        if self.1 {
            self.0.begin(part, size, 0);
        }
    }
    fn progress(&mut self, progress: annals::import::Progress, bytes: u64) {
        if self.1 {
            self.0.progress(progress, bytes);
        }
    }
    fn end(&mut self, _: &crate::import::Part, _: annals::import::Progress) {
        self.0.hide();
    }
}
