//! The table: the one binary `annals`, its REPL and every command.
//!
//! This crate is an edge: it alone reads settings, looks at the terminal, measures time and prints. It stands on the
//! public face of `annals` and knows nothing of storage or of how queries run.
//!
//! ```text
//!   cli, settings   what was asked for        verbs     the one-shot commands
//!   problem         what went wrong           session   the REPL
//!   present         answers on paper          import    files into a database; sample: the bundled ones
//!   storage         how all of these open one
//! ```

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an edge: the one place where settings are read and people are talked to"
)]

pub mod cli;
pub mod import;
pub mod present;
pub mod problem;
pub mod sample;
pub mod session;
pub mod settings;
pub mod size;
mod storage;
pub mod terminal;
pub mod verbs;
pub mod view;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Verb};
use problem::{Problem, Result};
use settings::Settings;
use terminal::Terminal;
use verbs::serve::Duty;

/// Runs the binary: reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let terminal = Terminal::look(|name| std::env::var(name).ok());
    match run(cli, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) if problem.is_closed_pipe() => ExitCode::SUCCESS,
        Err(problem) => {
            if !problem.is_told() {
                tell(&problem.draw(None, terminal.color_err));
            }
            ExitCode::from(problem.exit_status())
        }
    }
}

/// Says something on standard error.
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

fn run(cli: Cli, terminal: &Terminal) -> Result<()> {
    let settings = settings(&cli)?;
    if let (Some(_), Some(storage)) = (&cli.verb, &cli.repl.storage) {
        return Err(Problem::usage(format!("`{storage}` stands before the command"))
            .hint("the command comes first: annals COMMAND STORAGE …"));
    }
    match cli.verb {
        None => {
            verbs::repl::refuse_misspelt_verb(cli.repl.storage.as_deref())?;
            verbs::repl::run(cli.repl, settings, terminal)
        }
        Some(Verb::Repl(args)) => verbs::repl::run(args, settings, terminal),
        Some(Verb::Serve(args)) => verbs::serve::run(args, Duty::Serve, &settings),
        Some(Verb::Transactor(args)) => verbs::serve::run(args, Duty::Transactor, &settings),
        Some(Verb::Peer(args)) => verbs::serve::run(args, Duty::Peer, &settings),
        Some(Verb::Query(args)) => verbs::query::run(args, &settings, terminal),
        Some(Verb::Pull(args)) => verbs::pull::run(args, &settings, terminal),
        Some(Verb::Transact(args)) => verbs::transact::run(args, &settings, terminal),
        Some(Verb::Command(args)) => verbs::command::run(args, &settings, terminal),
        Some(Verb::Commands(args)) => verbs::look::commands(args, &settings, terminal),
        Some(Verb::Requests(args)) => verbs::look::requests(args, &settings, terminal),
        Some(Verb::Log(args)) => verbs::look::log(args, &settings, terminal),
        Some(Verb::Schema(args)) => verbs::look::schema(args, &settings, terminal),
        Some(Verb::Stats(args)) => verbs::look::stats(args, &settings, terminal),
        Some(Verb::Import(args)) => verbs::import::run(args, &settings, terminal),
        Some(Verb::Fork(args)) => verbs::fork::run(args, &settings),
        Some(Verb::Gc(args)) => verbs::upkeep::gc(args, &settings),
        Some(Verb::Verify(args)) => verbs::upkeep::verify(args, &settings, terminal),
    }
}

/// Flags, then variables, then the file.
fn settings(cli: &Cli) -> Result<Settings> {
    let variable = |name: &str| std::env::var(name).ok();
    let named = cli.common.config.clone().or_else(|| variable("ANNALS_CONFIG").map(Into::into));
    let path = named.as_deref().unwrap_or(Path::new("annals.toml"));
    let file = match std::fs::read_to_string(path) {
        Ok(text) => Settings::from_toml(&text, path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Settings::default(),
        Err(error) => return Err(Problem::file(path, &error)),
    };
    Ok(cli.common.settings().or(Settings::from_variables(variable)?).or(file))
}
