//! The commands of the REPL: one table, from which `.help`, completion, hints and dispatch are made.

use std::io::Write;

use super::entry::Argument;
use super::{Flow, Session, calling, housekeeping, looking, tour, viewing};
use crate::problem::{Problem, Result};
use annals::suggest::nearest;

/// What stands after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Words: the line is the whole command.
    Words,
    /// EDN: the command goes on until its brackets close.
    Forms,
}

/// What a command does.
pub type Run = fn(&mut Session, Argument<'_>, &mut dyn Write) -> Result<Flow>;

/// A command.
pub struct Command {
    /// Its name, without dot.
    pub name: &'static str,
    /// What may stand after it.
    pub usage: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// How its end is found.
    pub takes: Takes,
    /// What it does.
    pub run: Run,
}

const fn words(name: &'static str, usage: &'static str, about: &'static str, run: Run) -> Command {
    Command { name, usage, about, takes: Takes::Words, run }
}

const fn forms(name: &'static str, usage: &'static str, about: &'static str, run: Run) -> Command {
    Command { name, usage, about, takes: Takes::Forms, run }
}

/// Every command, in the order of `.help`.
pub const ALL: [Command; 35] = [
    words("help", "[COMMAND]", "what can be typed", housekeeping::help),
    words("tutorial", "[STEP | restart]", "a short guided tour; again for the next step", tour::run),
    words("schema", "[NAMESPACE | ATTRIBUTE]", "the attributes", looking::schema),
    forms("entity", "ENTITY", "everything about an entity, and since when", looking::entity),
    forms("pull", "PATTERN ENTITY", "a tree of facts about an entity", looking::pull),
    words("as-of", "T | INSTANT | now", "look at the database as it was", viewing::as_of),
    words("since", "T | INSTANT | now", "look only at what is newer", viewing::since),
    words("history", "on | off", "look at every assertion and retraction", viewing::history),
    words("now", "", "look at the present again: no as-of, no since, no history", viewing::now),
    forms("with", "TRANSACTION", "try a transaction without writing it", viewing::with),
    words("drop", "", "leave what was tried by .with", viewing::drop),
    forms("command", "NAME {ARGUMENT…} [KEY]", "run a command of the database", calling::command),
    words("commands", "", "the commands there are, and what they take", calling::commands),
    words("requests", "[KEY]", "what became of requests that had a key", calling::requests),
    words("log", "[FROM [TO]]", "transactions, the last ones or from one to before another", looking::log),
    words("tx", "T | INSTANT", "what a transaction did", looking::tx),
    words("diff", "T1 T2", "what differs between two moments", looking::diff),
    forms("datoms", "eavt|aevt|avet|vaet [COMPONENT…]", "facts in the order of an index", looking::datoms),
    forms("explain", "QUERY [INPUT…]", "the plan of a query, with counts", looking::explain),
    words("stats", "", "counts and sizes", looking::stats),
    words(
        "verify",
        "[on | off]",
        "read everything stored and hold it against itself; on: answer every query twice, and compare",
        looking::verify,
    ),
    words("next", "", "the next page of a query with a :limit", looking::next),
    forms(
        "let",
        "NAME VALUE",
        "name a value, for inputs and entities; *1 is the last answer",
        housekeeping::give_name,
    ),
    words("format", "table | edn | json | csv | jsonl", "how answers are printed", housekeeping::format),
    words("limit", "ROWS", "the most rows a table shows, 0 for all", housekeeping::limit),
    words("timeout", "MILLIS", "how long a query may take, 0 for any time", housekeeping::timeout),
    words("timing", "on | off", "whether to say how long things took", housekeeping::timing),
    words(
        "import",
        "FILE | FOLDER",
        "load transactions from files; goes on where it stopped",
        housekeeping::import,
    ),
    words("read", "FILE", "do what stands in a file", housekeeping::read),
    words("sample", "git | git-small", "load a bundled sample into an empty database", housekeeping::sample),
    words("open", "STORAGE [NAME]", "open another storage", housekeeping::open),
    words("db", "[NAME | create NAME]", "list the databases, or go to one", housekeeping::db),
    words(
        "fork",
        "NAME [T | INSTANT]",
        "make a database that shares the past of this one, and go there",
        housekeeping::fork,
    ),
    words("quit", "", "leave; so does Ctrl-D", housekeeping::quit),
    words("exit", "", "leave", housekeeping::quit),
];

/// The command with this name.
pub fn find(name: &str) -> Option<&'static Command> {
    const { &ALL }.iter().find(|command| command.name == name)
}

/// The command with this name, or what may have been meant.
pub fn named(name: &str) -> Result<&'static Command> {
    find(name).ok_or_else(|| {
        let near = nearest(name, ALL.iter().map(|command| command.name));
        let hint =
            near.map_or("`.help` lists the commands".to_owned(), |near| format!("did you mean `.{near}`?"));
        Problem::usage(format!("no command is named .{name}")).hint(hint).at(0..name.len() + 1)
    })
}

/// The problem of a command that was typed with something it does not understand.
pub fn misused(name: &str, argument: Argument<'_>) -> Problem {
    let usage = find(name).map_or("", |command| command.usage);
    let message = match argument.text {
        "" => format!(".{name} needs {usage}"),
        _ if usage.is_empty() => format!(".{name} takes nothing"),
        text => format!(".{name} does not understand `{text}`"),
    };
    let span = argument.offset..argument.offset + argument.text.len();
    let problem = Problem::usage(message).hint(format!("usage: .{name} {usage}").trim_end());
    if argument.text.is_empty() { problem } else { problem.at(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_all_is_said_about_them() {
        for (i, command) in ALL.iter().enumerate() {
            assert!(!command.about.is_empty(), "{}", command.name);
            assert!(ALL[..i].iter().all(|other| other.name != command.name), "{}", command.name);
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_answered_with_a_suggestion() {
        let hint = |name: &str| {
            let problem = named(name).err().expect("no such command");
            problem.hint_text().expect("there is a hint").to_owned()
        };
        assert_eq!(hint("shcema"), "did you mean `.schema`?");
        assert_eq!(hint("asof"), "did you mean `.as-of`?");
        assert_eq!(hint("backup"), "`.help` lists the commands");
    }

    #[test]
    fn misuse_tells_the_usage() {
        let argument = Argument { text: "maybe", offset: 9 };
        let problem = misused("history", argument);
        assert_eq!(problem.span(), Some(9..14));
        assert_eq!(problem.hint_text(), Some("usage: .history on | off"));
    }
}
