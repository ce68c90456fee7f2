//! `annals command`: one command of the database, by name.

use std::io::Write;

use annals::edn::{self, FormKind};
use annals::suggest::did_you_mean;
use annals::{Db, Edn, Form, TxData};

use super::write::{Written, request, send};
use super::{open, output, shifted, storage, text, told};
use crate::cli::CommandArgs;
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: CommandArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let (own, [name, given]) = shifted(args.storage, [args.name, args.args]);
    let name = name.ok_or_else(|| {
        Problem::usage("a command needs its name").hint(
            "annals command STORAGE :bank/transfer '{:amount 1M}'; `annals commands STORAGE` lists them",
        )
    })?;
    let given = text(given.or_else(|| Some("{}".to_owned())), None, "arguments")?;
    let explained = |problem: Problem| told(problem, &given, terminal.color_err);
    let form = edn::read_one(&given).map_err(|error| explained(annals::Error::from(error).into()))?;
    let conn = open(storage(own.as_deref(), settings)?, settings)?;
    let data = call(&name, form);
    let written = if args.dry_run {
        conn.db().with(data).map(Written::Tried)
    } else {
        send(&conn, request(data, &args.request)?, args.request.later)
    };
    let written = written.map_err(|error| explained(meant(error.into(), &name, &conn.db())))?;
    let mut out = output();
    written.print(&terminal.style(settings), &mut out)?;
    Ok(out.flush()?)
}

/// The transaction that runs a command. Places in its refusals are places in the arguments.
pub fn call(name: &str, args: Form) -> TxData {
    let word = |word: &str| Form::from(Edn::keyword(word));
    let vector = |parts| Form { kind: FormKind::Vector(parts), span: None };
    let call = vector(vec![word("db/command"), word(name.trim_start_matches(':')), args]);
    TxData::from(vector(vec![call]))
}

/// The same problem; if there is no such command, with the one that may have been meant.
pub fn meant(problem: Problem, name: &str, db: &Db) -> Problem {
    if problem.keyword() != "db.error/unknown-command" {
        return problem;
    }
    let known = db.commands().unwrap_or_default();
    problem.maybe_hint(did_you_mean(
        name.trim_start_matches(':'),
        known.iter().map(|command| command.name.as_str()),
    ))
}
