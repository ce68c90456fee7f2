//! Commands: functions that say what they take, run by name.

use annals::{CommandInfo, Edn, TxReport};

use super::expect::keyed;
use super::transact::{accepted, outcome, reply, request};
use crate::ask::Ask;
use crate::fields::{Body, Fields};
use crate::problem::Problem;
use crate::reply::{Doc, Reply};

/// The catalogue.
pub(crate) fn list(ask: &Ask) -> Result<Reply, Problem> {
    let db = ask.now()?;
    let _ = ask.known.basis.set(db.basis_t());
    let commands = db.commands()?;
    Ok(Reply::doc(Doc::List(commands.iter().map(command_doc).collect())))
}

fn command_doc(command: &CommandInfo) -> Doc {
    let mut fields = vec![
        ("name", Doc::from(Edn::Keyword(command.name.clone()))),
        ("native", Doc::from(Edn::Bool(command.native))),
    ];
    fields.extend(command.doc.clone().map(|doc| ("doc", Doc::text(doc))));
    fields.extend(command.args.clone().map(|args| ("args", Doc::from(args))));
    fields.extend(command.code.clone().map(|code| ("code", Doc::text(code))));
    Doc::Map(fields)
}

/// Runs a command: the body is its arguments, by name. With `dry-run` nothing is kept.
pub(crate) fn run(ask: &Ask) -> Result<Reply, Problem> {
    let name = Edn::keyword(ask.part("name").trim_start_matches(':'));
    let args = match ask.body()? {
        Body::Empty => Edn::Map(Default::default()),
        body => match body.into_field().map(|field| field.edn()).transpose()? {
            Some(args @ Edn::Map(_)) => keyed(args),
            other => {
                let message = format!("the arguments of {name} are {}, not a map", other.unwrap_or(Edn::Nil));
                return Err(Problem::incorrect("db.error/bad-body", message));
            }
        },
    };
    let tx = Edn::Vector(vec![Edn::Vector(vec![Edn::keyword("db/command"), name, args])]);
    if ask.params.flag("dry-run")? {
        let report = ask.now()?.with(tx)?;
        return Ok(Reply::doc(ran_doc("would-commit", &report)));
    }
    let request = request(ask, tx, &mut Fields::default())?;
    if ask.is_async {
        return accepted(ask, request, &Problem::from);
    }
    let report = outcome(ask, request, &Problem::from)?;
    reply(ask, &report, ran_doc("committed", &report))
}

fn ran_doc(status: &str, report: &TxReport) -> Doc {
    let tempids = report.tempids.iter().map(|(name, e)| (Edn::string(name.as_str()), Edn::from(*e)));
    Doc::Map(vec![
        ("status", Doc::Word(status.to_owned())),
        ("t", report.t.into()),
        ("tx", Edn::from(report.tx).into()),
        ("instant", Edn::Inst(report.instant).into()),
        ("tempids", Edn::Map(tempids.collect()).into()),
        ("facts", (report.datoms.len() as u64).into()),
    ])
}
