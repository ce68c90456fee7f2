//! Commands about the session itself: help, settings, names, files, storages and databases.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annals::{Category, Edn};

use super::commands::{self, ALL, misused};
use super::entry::Argument;
use super::script::Script;
use super::{Flow, Session, Watching};
use crate::import;
use crate::present::{Format, Shown};
use crate::problem::{Problem, Result};
use crate::sample as samples;
use crate::settings::on_or_off;
use crate::verbs;
use crate::verbs::import::Progressing;
use crate::view::View;
use annals::suggest::did_you_mean;

/// How deep scripts may call scripts.
const MOST_SCRIPTS: usize = 16;

const HOW_TO: &str = "\
A form that begins with :find is a query; what stands after it on the same entry are its inputs:
  [:find ?size . :in $ ?path :where [?f :file/path ?path] [?f :file/size ?size]] \"README.md\"
  An input may be another moment of the database: (as-of 7) (since \"2024-05-01\") (history) (now).
A vector of maps and lists is a transaction:  [{:person/name \"Ada\"} [:db/retractEntity 17]]
A line that begins with a dot is a command:
";

/// `.help [COMMAND]`
pub(super) fn help(_: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        let command = commands::named(argument.text.trim_start_matches('.'))?;
        writeln!(out, ".{} {}\n  {}", command.name, command.usage, command.about)?;
        return Ok(Flow::Go);
    }
    out.write_all(HOW_TO.as_bytes())?;
    let left = |command: &commands::Command| format!(".{} {}", command.name, command.usage);
    let width = ALL.iter().map(|command| left(command).chars().count()).max().unwrap_or(0);
    for command in ALL.iter().filter(|command| command.name != "exit") {
        writeln!(out, "  {:width$}  {}", left(command), command.about)?;
    }
    writeln!(out, "Tab completes, Ctrl-C stops a query, Ctrl-D leaves.")?;
    Ok(Flow::Go)
}

/// `.let NAME VALUE`
pub(super) fn give_name(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let forms = argument.forms()?;
    let [name, value] = forms.as_slice() else { return Err(misused("let", argument)) };
    let Some(Edn::Symbol(symbol)) = name.as_atom().filter(|name| **name != Edn::symbol("*1")) else {
        return Err(misused("let", argument.of_form(name)));
    };
    let value = session.value(value).map_err(|problem| problem.shifted(argument.offset))?;
    session.remark(out, &format!("{symbol} is {value}"))?;
    session.names.insert(symbol.as_str().to_owned(), value);
    Ok(Flow::Go)
}

/// `.format table | edn | json | csv | jsonl`
pub(super) fn format(session: &mut Session, argument: Argument<'_>, _: &mut dyn Write) -> Result<Flow> {
    session.style.format = Format::named(argument.text).ok_or_else(|| misused("format", argument))?;
    Ok(Flow::Go)
}

/// `.limit ROWS`
pub(super) fn limit(session: &mut Session, argument: Argument<'_>, _: &mut dyn Write) -> Result<Flow> {
    session.style.limit = argument.text.parse().map_err(|_| misused("limit", argument))?;
    Ok(Flow::Go)
}

/// `.timeout MILLIS`
pub(super) fn timeout(session: &mut Session, argument: Argument<'_>, _: &mut dyn Write) -> Result<Flow> {
    let millis: u64 = argument.text.parse().map_err(|_| misused("timeout", argument))?;
    session.budget.time = (millis > 0).then(|| Duration::from_millis(millis));
    Ok(Flow::Go)
}

/// `.timing on | off`
pub(super) fn timing(session: &mut Session, argument: Argument<'_>, _: &mut dyn Write) -> Result<Flow> {
    session.style.timing = on_or_off(argument.text).ok_or_else(|| misused("timing", argument))?;
    Ok(Flow::Go)
}

/// `.import FILE | FOLDER`
pub(super) fn import(session: &mut Session, argument: Argument<'_>, _: &mut dyn Write) -> Result<Flow> {
    if argument.text.is_empty() {
        return Err(misused("import", argument));
    }
    let parts = import::parts(&[PathBuf::from(argument.text)], None)?;
    let mut progress = Progressing::on(session.bars);
    let mut watch = Watching { inner: &mut progress, stop: session.stopper() };
    import::load(&session.conn, &parts, None, &mut watch)?;
    Ok(Flow::Go)
}

/// `.sample NAME`
pub(super) fn sample(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if argument.text.is_empty() {
        return Err(misused("sample", argument));
    }
    let sample = samples::named(argument.text)?;
    let mut progress = Progressing::on(session.bars);
    let mut watch = Watching { inner: &mut progress, stop: session.stopper() };
    if !sample.load(&session.conn, &mut watch)? {
        let message = format!("the database {} has other facts already", session.conn.name());
        let problem = Problem::new(Category::Conflict, "repl.error/not-empty", message);
        return Err(problem.hint("`.db create NAME` makes an empty one"));
    }
    session.remark(out, &format!("{}: {}", sample.name, sample.about))?;
    Ok(Flow::Go)
}

/// `.read FILE`
pub(super) fn read(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if argument.text.is_empty() {
        return Err(misused("read", argument));
    }
    if session.scripts == MOST_SCRIPTS {
        let message = format!("scripts call scripts more than {MOST_SCRIPTS} deep");
        return Err(Problem::new(Category::Incorrect, "repl.error/endless-script", message));
    }
    let path = Path::new(argument.text);
    let text = std::fs::read_to_string(path).map_err(|error| Problem::file(path, &error))?;
    session.scripts += 1;
    let done = run_script(session, &text, argument.text, out);
    session.scripts -= 1;
    done
}

fn run_script(session: &mut Session, text: &str, name: &str, out: &mut dyn Write) -> Result<Flow> {
    for entry in Script::new(text.as_bytes()) {
        let entry = entry?;
        match session.eval(&entry.text, out) {
            Ok(Flow::Go) => {}
            Ok(Flow::Quit) => return Ok(Flow::Quit),
            Err(problem) => return Err(problem.within(name, &entry)),
        }
    }
    Ok(Flow::Go)
}

/// `.open STORAGE [NAME]`
pub(super) fn open(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let (address, name) = match argument.words().as_slice() {
        [address] => (*address, "main"),
        [address, name] => (*address, *name),
        _ => return Err(misused("open", argument)),
    };
    let store = crate::storage::connect(address, session.options.clone())?;
    let conn = store.database(name)?;
    (session.store, session.conn) = (store, conn);
    at_home(session, out)
}

/// `.db [NAME | create NAME]`
pub(super) fn db(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let all = session.store.databases()?;
    let conn = match argument.words().as_slice() {
        [] => {
            let names = all.iter().map(|name| Edn::string(name.as_str())).collect();
            session.show(&Shown::Values("database".into(), names), None, out)?;
            return Ok(Flow::Go);
        }
        ["create", name] => session.store.database(name)?,
        [name] => session.store.open_database(name).map_err(|error| {
            let near = did_you_mean(name, all.iter().map(String::as_str));
            let hint = near.unwrap_or_else(|| format!("`.db create {name}` makes it"));
            Problem::from(error).hint(hint).at(argument.offset..argument.offset + name.len())
        })?,
        _ => return Err(misused("db", argument)),
    };
    session.conn = conn;
    at_home(session, out)
}

/// `.fork NAME [T | INSTANT]`
pub(super) fn fork(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let (name, at) = match argument.words().as_slice() {
        [name] => (*name, None),
        [name, at] => (*name, Some(*at)),
        _ => return Err(misused("fork", argument)),
    };
    let fork = verbs::fork::of(&session.conn, name, at)?;
    session.remark(out, &verbs::fork::told(&session.conn, &fork))?;
    session.conn = fork;
    at_home(session, out)
}

/// A newly opened database is looked at as it is now.
fn at_home(session: &mut Session, out: &mut dyn Write) -> Result<Flow> {
    session.view = View::default();
    session.what_if = None;
    session.tour = 0;
    let line = format!("{} in {}", session.conn.name(), session.store.address());
    session.remark(out, &line)?;
    Ok(Flow::Go)
}

/// `.quit`
pub(super) fn quit(_: &mut Session, argument: Argument<'_>, _: &mut dyn Write) -> Result<Flow> {
    if argument.text.is_empty() { Ok(Flow::Quit) } else { Err(misused("quit", argument)) }
}
