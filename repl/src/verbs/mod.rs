//! The one-shot commands, for scripts: each opens a storage, does one thing, prints it and ends.

pub mod command;
pub mod fork;
pub mod import;
pub mod look;
pub mod pull;
pub mod query;
pub mod repl;
pub mod serve;
pub mod transact;
pub mod upkeep;
mod write;

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use annals::{Connection, Db, Options, Store};

use crate::cli::ViewArgs;
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::view::View;

/// Opens a database that must be there.
fn open(storage: &str, settings: &Settings) -> Result<Connection> {
    Ok(open_store(storage, settings)?.open_database(settings.database())?)
}

/// Opens a database, and makes it and its storage if they are not there.
fn open_or_make(storage: &str, settings: &Settings) -> Result<Connection> {
    Ok(crate::storage::connect(storage, settings.options()?)?.database(settings.database())?)
}

/// Opens a storage that must be there.
fn open_store(storage: &str, settings: &Settings) -> Result<Store> {
    Ok(crate::storage::connect(storage, Options { must_exist: true, ..settings.options()? })?)
}

/// The storage a command is about: its own, or that of the settings.
fn storage<'s>(own: Option<&'s str>, settings: &'s Settings) -> Result<&'s str> {
    own.or(settings.storage.as_deref()).ok_or_else(|| {
        Problem::usage("no storage is named").hint("name one, as `mem:` or a path, or set ANNALS_STORAGE")
    })
}

/// Where the storage may be left out: a first argument that is EDN (or `-`) is no storage, and all arguments move up.
fn shifted<const N: usize>(
    storage: Option<String>,
    rest: [Option<String>; N],
) -> (Option<String>, [Option<String>; N]) {
    let is_text = |text: &String| text == "-" || text.trim_start().starts_with(['[', '{', ':']);
    if !storage.as_ref().is_some_and(is_text) || rest.last().is_some_and(Option::is_some) {
        return (storage, rest);
    }
    let mut all = std::iter::once(storage).chain(rest);
    (None, std::array::from_fn(|_| all.next().flatten()))
}

/// The view a command asks for.
fn view(conn: &Connection, args: &ViewArgs) -> Result<Db> {
    Ok(View::from_args(args)?.of(&conn.db()))
}

/// The text of a query or transaction: an argument, a file, or standard input for `-`.
fn text(argument: Option<String>, file: Option<PathBuf>, what: &str) -> Result<String> {
    let from_input = || {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Problem::file(Path::new("standard input"), &error))?;
        Ok(text)
    };
    match (argument, file) {
        (Some(dash), None) if dash == "-" => from_input(),
        (Some(text), _) => Ok(text),
        (None, Some(path)) if path == Path::new("-") => from_input(),
        (None, Some(path)) => std::fs::read_to_string(&path).map_err(|error| Problem::file(&path, &error)),
        (None, None) => Err(Problem::usage(format!("the {what} is missing"))
            .hint("give it as an argument, with --file, or `-` for standard input")),
    }
}

/// Standard output, for many small writes.
fn output() -> impl Write {
    BufWriter::new(std::io::stdout().lock())
}

/// The attributes of a database, for suggestions.
fn names(db: &Db) -> Vec<String> {
    db.schema().iter().map(|info| info.ident.to_string()).collect()
}

/// Tells a problem with the text it is about, and leaves only its exit status to be told.
fn told(problem: Problem, text: &str, color: bool) -> Problem {
    crate::tell(&problem.draw(Some(text), color));
    problem.silenced()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<const N: usize>(words: [&str; N]) -> [Option<String>; N] {
        words.map(|word| Some(word.to_owned()).filter(|word| !word.is_empty()))
    }

    #[test]
    fn a_query_in_the_place_of_the_storage_moves_up() {
        let check = |given: [&str; 3], want: (&str, [&str; 2])| {
            let [storage, a, b] = words(given);
            let [want_storage] = words([want.0]);
            assert_eq!(shifted(storage, [a, b]), (want_storage, words(want.1)), "{given:?}");
        };
        check(["a.db", "[*]", "17"], ("a.db", ["[*]", "17"]));
        check(["[*]", "17", ""], ("", ["[*]", "17"]));
        check(["a.db", "[*]", ""], ("a.db", ["[*]", ""]));
        check([":bank/open", "{}", ""], ("", [":bank/open", "{}"]));
        let [storage, query] = words(["[:find ?e]", ""]);
        assert_eq!(shifted(storage.clone(), [query]), (None, [storage]));
    }

    #[test]
    fn the_settings_name_a_storage_where_the_command_does_not() {
        let settings = Settings { storage: Some("b.db".into()), ..Settings::default() };
        assert_eq!(storage(Some("a.db"), &settings).expect("it is named"), "a.db");
        assert_eq!(storage(None, &settings).expect("it is set"), "b.db");
        assert_eq!(storage(None, &Settings::default()).expect_err("none").exit_status(), 2);
    }
}
