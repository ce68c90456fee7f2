//! `annals query`: one question, one answer.

use std::io::Write;
use std::time::Instant;

use annals::{Db, Question, edn};

use super::{names, open, output, shifted, storage, text, told, view};
use crate::cli::QueryArgs;
use crate::present::{self, Shown};
use crate::problem::{Problem, Result};
use crate::session::entry::find_columns;
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: QueryArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let (own, [query]) = shifted(args.storage.clone(), [args.query.clone()]);
    let query = text(query, args.file.clone(), "query")?;
    let explained = |problem: Problem| told(problem, &query, terminal.color_err);
    let form = edn::read_one(&query).map_err(|error| explained(annals::Error::from(error).into()))?;
    let question = annals::q(&query).map_err(|error| explained(error.into()))?;
    let conn = open(storage(own.as_deref(), settings)?, settings)?;
    let db = view(&conn, &args.view)?;
    let mut question = with_inputs(question, &db, &args.args)?.budget(settings.budget());
    if args.verify {
        question = question.verify(true);
    }
    let begun = Instant::now();
    let mut out = output();
    let asked = if args.explain {
        question.explain().map(|plan| present::plan(plan, &terminal.style(settings), &mut out))
    } else {
        question.run().map(|answer| {
            let shown = Shown::answer(answer, find_columns(&form, &query), question.is_ordered());
            shown.print(&terminal.style(settings), Some(begun.elapsed()), &mut out)
        })
    };
    asked.map_err(|error| explained(Problem::from(error).sharpened(&query, || names(&db))))??;
    Ok(out.flush()?)
}

/// The query with its database and its other inputs.
fn with_inputs(question: Question, db: &Db, args: &[String]) -> Result<Question> {
    let mut question = if question.wants_db() { question.over(db) } else { question };
    for (i, arg) in args.iter().enumerate() {
        let value = edn::read_one(arg).map_err(annals::Error::from);
        let value = value.map_err(|error| Problem::from(error).placed(format!("input {} `{arg}`", i + 1)))?;
        question = question.arg(value.to_edn());
    }
    Ok(question)
}
