//! What the word at the cursor could become: commands and their arguments, attributes, idents, functions, variables.
//!
//! The names of the database are handed in ([`Names`]); those of the language are asked of the library.

use super::commands::{self, Takes};
use super::lexer::{Kind, tokens, word_before};
use crate::present::Format;

/// Names of the database that can be completed, sorted.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Attributes, with their colon.
    pub attributes: Vec<String>,
    /// Other entities' idents, with their colon.
    pub idents: Vec<String>,
    /// Commands, with their colon.
    pub commands: Vec<String>,
    /// Databases of the storage.
    pub databases: Vec<String>,
}

/// The parts of a query that are keywords.
const PARTS: [&str; 17] = [
    ":find",
    ":in",
    ":with",
    ":where",
    ":keys",
    ":strs",
    ":syms",
    ":as",
    ":limit",
    ":default",
    ":db/id",
    ":db/add",
    ":db/retract",
    ":db/retractEntity",
    ":db/cas",
    ":db/command",
    ":xform",
];

/// The clauses and the find element that are written like calls.
const FORMS: [&str; 6] = ["and", "not", "not-join", "or", "or-join", "pull"];

/// Where the word begins, and what it could become.
pub fn candidates(text: &str, cursor: usize, names: &Names) -> (usize, Vec<String>) {
    let before = &text[..cursor];
    if let Some(rest) = before.trim_start().strip_prefix('.') {
        let start = before.len() - rest.len();
        let Some(end) = rest.find(char::is_whitespace) else {
            let all = commands::ALL.iter().map(|command| format!(".{}", command.name));
            return (start - 1, all.filter(|name| name[1..].starts_with(rest)).collect());
        };
        return argument(&rest[..end], before, names);
    }
    form(before, text, names)
}

/// The argument of a command.
fn argument(command: &str, before: &str, names: &Names) -> (usize, Vec<String>) {
    let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let of = |all: &mut dyn Iterator<Item = String>| {
        (start, all.filter(|name| name.starts_with(&before[start..])).collect())
    };
    let words = |all: &[&str]| of(&mut all.iter().map(|&name| name.to_owned()));
    let is_first = before.split_whitespace().count() <= 1 + usize::from(start < before.len());
    match command {
        "format" => of(&mut Format::ALL.iter().map(|format| format.name().to_owned())),
        "timing" | "history" => words(&["on", "off"]),
        "as-of" | "since" => words(&["now"]),
        "db" => of(&mut names.databases.iter().cloned()),
        "sample" => words(&crate::sample::NAMES),
        "help" => of(&mut commands::ALL.iter().map(|command| command.name.to_owned())),
        "datoms" if is_first => words(&["eavt", "aevt", "avet", "vaet"]),
        // With or without the colon.
        "command" if is_first && before[start..].starts_with(':') => of(&mut names.commands.iter().cloned()),
        "command" if is_first => {
            of(&mut names.commands.iter().map(|name| name.trim_start_matches(':').to_owned()))
        }
        "schema" => of(&mut names.attributes.iter().cloned()),
        name if commands::find(name).is_some_and(|command| command.takes == Takes::Forms) => {
            form(before, before, names)
        }
        _ => (start, Vec::new()),
    }
}

/// A word of a query, pattern or transaction.
fn form(before: &str, text: &str, names: &Names) -> (usize, Vec<String>) {
    let Some(word) = word_before(text, before.len()) else { return (before.len(), Vec::new()) };
    let start = word.range.start;
    let typed = &before[start..];
    let mut found: Vec<String> = match word.kind {
        Kind::Keyword => {
            let parts = PARTS.iter().map(|&part| part.to_owned());
            let idents = names.attributes.iter().chain(&names.idents).cloned();
            let reverse = names.attributes.iter().filter(|_| typed.contains("/_")).map(|name| reversed(name));
            parts.chain(idents).chain(reverse).filter(|name| name.starts_with(typed)).collect()
        }
        Kind::Variable => {
            let all = tokens(text).into_iter().filter(|token| token.kind == Kind::Variable && *token != word);
            all.map(|token| text[token.range].to_owned()).filter(|name| name.starts_with(typed)).collect()
        }
        _ => {
            let all = annals::functions().into_iter().chain(annals::AGGREGATES).chain(FORMS);
            all.filter(|name| name.starts_with(typed)).map(str::to_owned).collect()
        }
    };
    found.sort();
    found.dedup();
    (start, found)
}

/// `:a/b` as `:a/_b`
fn reversed(attribute: &str) -> String {
    attribute.replacen('/', "/_", 1)
}

/// What would complete the word at the end of the text, if there is only one way.
pub fn hint(text: &str, cursor: usize, names: &Names) -> Option<String> {
    if cursor < text.len() || text.is_empty() {
        return None;
    }
    let (start, found) = candidates(text, cursor, names);
    match found.as_slice() {
        [one] if cursor - start >= 2 => {
            one.get(cursor - start..).filter(|rest| !rest.is_empty()).map(str::to_owned)
        }
        _ => usage_hint(text),
    }
}

/// What a command that was typed alone wants.
fn usage_hint(text: &str) -> Option<String> {
    let name = text.strip_prefix('.')?.strip_suffix(' ')?;
    commands::find(name).map(|command| command.usage.to_owned()).filter(|usage| !usage.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            attributes: vec![":file/dir".into(), ":file/path".into(), ":file/size".into()],
            idents: vec![":release.type/album".into()],
            commands: vec![":bank/open".into(), ":bank/transfer".into()],
            databases: vec!["main".into(), "music".into()],
        }
    }

    #[track_caller]
    fn check(text: &str, start: usize, want: &[&str]) {
        let (from, found) = candidates(text, text.len(), &names());
        assert_eq!(found, want, "{text}");
        assert!(want.is_empty() || from == start, "{text}: {from}");
    }

    #[test]
    fn commands_and_their_arguments() {
        check(".sch", 0, &[".schema"]);
        check(".format c", 8, &["csv"]);
        check(".db mu", 4, &["music"]);
        check(".datoms a", 8, &["aevt", "avet"]);
        check(".datoms aevt :file/s", 13, &[":file/size"]);
        check(".history o", 9, &["on", "off"]);
        check(".command bank/t", 9, &["bank/transfer"]);
        check(".command :bank/", 9, &[":bank/open", ":bank/transfer"]);
        check(".command bank/open {:file/s", 20, &[":file/size"]);
        check(".req", 0, &[".requests"]);
        check(".nothing x", 0, &[]);
    }

    #[test]
    fn names_of_the_database() {
        check("[:find ?e :where [?e :file/", 21, &[":file/dir", ":file/path", ":file/size"]);
        check("[?e :release.", 4, &[":release.type/album"]);
        check("[{:file/_d", 2, &[":file/_dir"]);
        check(".pull [:file/p", 7, &[":file/path"]);
    }

    #[test]
    fn words_of_the_language() {
        check("[:find (count-", 8, &["count-distinct"]);
        check("[:whe", 1, &[":where"]);
        check("[:find ?person ?x :where [?per", 26, &["?person"]);
        check("[\"in a string :file/", 0, &[]);
    }

    #[test]
    fn a_hint_is_given_only_when_it_is_sure() {
        let hint = |text: &str| hint(text, text.len(), &names());
        assert_eq!(hint("[?e :file/pa").as_deref(), Some("th"));
        assert_eq!(hint("[?e :file/"), None);
        assert_eq!(hint(".as-of ").as_deref(), Some("T | INSTANT | now"));
        assert_eq!(hint(""), None);
    }
}
