//! From a module to a function that makes its exports.
//!
//! A module is evaluated once and keeps what it stores; a function makes everything anew whenever it is called, so the
//! text of a script becomes the body of one. Only `export` is rewritten: declarations stay where they are, lines stay
//! lines, and columns move on the first line only. Whether the text is a module at all says the engine, before this runs:
//! here strings, comments, templates and regular expressions are only skipped.

use crate::error::{Error, Result};

/// What stands before the first line of a script.
pub(super) const HEAD: &str = "(function(){\"use strict\";";

/// The text of the function, and the names its result has.
pub(super) struct Factory {
    pub(super) text: String,
    pub(super) names: Vec<String>,
}

/// The function that makes what a module exports.
pub(super) fn factory(source: &str) -> Result<Factory> {
    let mut scan = Scan {
        text: source,
        at: 0,
        open: Vec::new(),
        value_before: false,
        out: HEAD.to_owned(),
        exports: Vec::new(),
    };
    scan.run()?;
    let mut text = scan.out;
    text.push_str("\nreturn{");
    for (exported, local) in &scan.exports {
        text.push_str(&format!("\"{exported}\":{local},"));
    }
    text.push_str("};})");
    let names = scan.exports.into_iter().map(|(exported, _)| exported).collect();
    Ok(Factory { text, names })
}

/// True if an integer of any size may be written in the text: digits that end in `n`, in strings and comments too.
pub(super) fn big_integer(source: &str) -> Option<&str> {
    let runs = source.split(|c: char| !is_word(c) || !c.is_ascii());
    runs.into_iter().find(|run| run.starts_with(|c: char| c.is_ascii_digit()) && run.ends_with('n'))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// The words after which a slash begins a regular expression.
const BEFORE_REGEX: [&str; 14] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "instanceof",
    "do",
    "else",
    "yield",
    "default",
];

struct Scan<'s> {
    text: &'s str,
    at: usize,
    /// The brackets that are open; a template's are `$`.
    open: Vec<u8>,
    /// True if what stands before is a value, so that a slash divides.
    value_before: bool,
    out: String,
    /// What is exported, and the name it has inside.
    exports: Vec<(String, String)>,
}

impl<'s> Scan<'s> {
    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    /// Takes so many bytes as they are.
    fn copy(&mut self, bytes: usize) {
        let end = self.text.len().min(self.at + bytes);
        let end =
            (end..=self.text.len()).find(|&end| self.text.is_char_boundary(end)).unwrap_or(self.text.len());
        self.out.push_str(&self.text[self.at..end]);
        self.at = end;
    }

    /// Leaves so many bytes out; what is as wide stands instead.
    fn replace(&mut self, bytes: usize, with: &str) {
        let gone = &self.text[self.at..self.at + bytes];
        self.out.push_str(with);
        let lines = gone.matches('\n').count();
        self.out.extend(std::iter::repeat_n('\n', lines));
        if lines == 0 {
            self.out.extend(std::iter::repeat_n(' ', bytes.saturating_sub(with.len())));
        }
        self.at += bytes;
    }

    fn run(&mut self) -> Result<()> {
        while let Some(c) = self.rest().chars().next() {
            let blank = blank(self.rest());
            if blank > 0 {
                self.copy(blank);
            } else if is_word(c) {
                self.word()?;
            } else {
                self.sign(c);
            }
        }
        Ok(())
    }

    fn word(&mut self) -> Result<()> {
        let word = word(self.rest());
        let member = self.out.trim_end().ends_with('.');
        if word == "export" && self.open.is_empty() && !member {
            return self.export();
        }
        self.value_before = member || !BEFORE_REGEX.contains(&word);
        self.copy(word.len());
        Ok(())
    }

    fn sign(&mut self, c: char) {
        match c {
            '\'' | '"' => self.copy(1 + until(&self.rest()[1..], c)),
            '`' => {
                self.copy(1);
                self.template();
            }
            '/' if !self.value_before => match regex(self.rest()) {
                Some(bytes) => self.copy(bytes),
                None => self.copy(1),
            },
            '(' | '[' | '{' => {
                self.open.push(c as u8);
                self.copy(1);
            }
            ')' | ']' | '}' => {
                let template = self.open.pop() == Some(b'$');
                self.copy(1);
                if template {
                    self.template();
                }
            }
            _ => self.copy(c.len_utf8()),
        }
        self.value_before = matches!(c, '\'' | '"' | '`' | ')' | ']') || (c == '/' && !self.value_before);
    }

    /// From inside a template to its end, or to an expression in it.
    fn template(&mut self) {
        let bytes = self.rest().as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b'\\' => i += 1,
                b'`' => return self.copy(i + 1),
                b'$' if bytes.get(i + 1) == Some(&b'{') => {
                    self.open.push(b'$');
                    return self.copy(i + 2);
                }
                _ => {}
            }
            i += 1;
        }
        self.copy(bytes.len());
    }

    /// At the word `export`.
    fn export(&mut self) -> Result<()> {
        self.value_before = false;
        let after = skip(self.text, self.at + "export".len());
        let what = word(&self.text[after..]);
        match what {
            "const" | "let" | "var" | "class" => self.declaration(skip(self.text, after + what.len()), after),
            "async" | "function" => self.declaration(function_name(self.text, after), after),
            "default" => Err(not_offered("an export without a name")),
            _ if self.text[after..].starts_with('{') => self.list(after),
            _ => Err(not_offered("an export from elsewhere")),
        }
    }

    /// `export` before a declaration: it stays, without the word.
    fn declaration(&mut self, name_at: usize, after: usize) -> Result<()> {
        let name = word(&self.text[name_at..]);
        if name.is_empty() {
            return Err(not_offered("an export of a pattern"));
        }
        self.exports.push((name.to_owned(), name.to_owned()));
        self.replace(after - self.at, "");
        Ok(())
    }

    /// `export {a, b as c}`.
    fn list(&mut self, open: usize) -> Result<()> {
        let close = open + self.text[open..].find('}').unwrap_or(self.text.len() - open - 1);
        if word(&self.text[skip(self.text, close + 1)..]) == "from" {
            return Err(not_offered("an export from elsewhere"));
        }
        for part in self.text[open + 1..close].split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let words: Vec<&str> = part.split_whitespace().collect();
            let (local, exported) = match words[..] {
                [name] => (name, name),
                [local, "as", exported] => (local, exported),
                _ => return Err(not_offered("this list of exports")),
            };
            if word(local) != local || word(exported) != exported {
                return Err(not_offered("this list of exports"));
            }
            self.exports.push((exported.to_owned(), local.to_owned()));
        }
        self.replace(close + 1 - self.at, ";");
        Ok(())
    }
}

fn not_offered(what: &str) -> Error {
    Error::incorrect("db.error/function-syntax", format!("{what} is not offered"))
        .with_hint("write `export function name`, `export const name =` or `export {name}`")
}

/// The word a text begins with.
fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// How many bytes of blanks and comments a text begins with.
fn blank(text: &str) -> usize {
    if let Some(comment) = text.strip_prefix("//") {
        return 2 + comment.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(comment.len());
    }
    if let Some(comment) = text.strip_prefix("/*") {
        return 2 + comment.find("*/").map_or(comment.len(), |end| end + 2);
    }
    text.find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or(text.len())
}

/// The place after blanks and comments.
fn skip(text: &str, mut at: usize) -> usize {
    loop {
        let blank = blank(&text[at..]);
        if blank == 0 {
            return at;
        }
        at += blank;
    }
}

/// Where the name of a function stands that begins here, with `async`, `function` and `*` before it.
fn function_name(text: &str, mut at: usize) -> usize {
    for part in ["async", "function"] {
        if word(&text[at..]) == part {
            at = skip(text, at + part.len());
        }
    }
    if text[at..].starts_with('*') { skip(text, at + 1) } else { at }
}

/// How many bytes there are up to a quote that is not escaped, the quote included.
fn until(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// How many bytes a regular expression has that begins here; none if the line ends before it does.
fn regex(text: &str) -> Option<usize> {
    let (mut escaped, mut class) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' | '\r' => return None,
            '/' if !escaped && !class => return Some(at + 1),
            '[' if !escaped => class = true,
            ']' if !escaped => class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(source: &str) -> (String, Vec<String>) {
        let factory = factory(source).unwrap();
        let text = factory.text.strip_prefix(HEAD).unwrap();
        (text[..text.rfind("\nreturn{").unwrap()].to_owned(), factory.names)
    }

    #[test]
    fn exports_become_declarations_and_keep_their_lines() {
        let cases = [
            ("export function pay(db) {}", "       function pay(db) {}", "pay"),
            ("export async function* pay() {}", "       async function* pay() {}", "pay"),
            ("export const args = {a: 1};", "       const args = {a: 1};", "args"),
            ("const f = 1;\nexport { f as pay };", "const f = 1;\n;                  ;", "pay"),
            ("export class A {}", "       class A {}", "A"),
            ("export\nlet a = 1", "\nlet a = 1", "a"),
        ];
        for (source, made, name) in cases {
            assert_eq!(body(source), (made.to_owned(), vec![name.to_owned()]), "{source}");
        }
    }

    #[test]
    fn what_only_looks_like_an_export_stays() {
        for source in [
            "'export default 1'",
            "\"it\\\"s\\\n export default 1\"",
            "`\nexport default ${`export const a = 1` + {a: 1}.a}\nexport const b = 1`",
            "// export default 1\n/* \nexport default 2 */",
            "/export default [/'\"]/.test('x')",
            "a.export = 1",
            "f(\nexport_me)",
            "x = 4 / 2; 'export default'; y = 1 / 2",
        ] {
            assert_eq!(body(source), (source.to_owned(), Vec::new()), "{source}");
        }
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        for source in [
            "export * from 'x'",
            "export {a} from 'x'",
            "export const {a} = 1",
            "export {'a' as b}",
            "export default 1",
        ] {
            assert_eq!(factory(source).err().unwrap().keyword(), "db.error/function-syntax", "{source}");
        }
    }

    #[test]
    fn integers_of_any_size_are_found_wherever_they_stand() {
        for source in ["1n", "x=0xFFn;", "[1_000n]", "a\u{a0}1n", "`${2n}`", "/1n/"] {
            assert!(big_integer(source).is_some(), "{source}");
        }
        for source in ["a1n", "n", "1", "1 n", "$1n", "in 1;"] {
            assert_eq!(big_integer(source), None, "{source}");
        }
    }
}
