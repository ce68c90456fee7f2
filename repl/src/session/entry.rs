//! What was typed: a command, a query with its inputs, a transaction, or something else.
//!
//! A line that starts with a dot is a command. Otherwise all forms of the entry are read: a form that starts with
//! `:find` (vector or map) is a query and every form after it is one of its inputs, in order; a vector of maps and
//! lists is a transaction. Nothing is looked up here, so that it can be told while typing.

use std::ops::Range;

use annals::Category;
use annals::edn::{self, Completeness, Edn, Form, FormKind};

use super::commands::{self, Takes};
use crate::problem::{Problem, Result};

/// Something typed, in one piece.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'t> {
    /// `.name argument`; the argument with the place where it begins.
    Command(&'t str, Argument<'t>),
    /// A query and its inputs.
    Query(Asked<'t>),
    /// A transaction, as text and where it begins.
    Transaction(Argument<'t>),
}

/// Part of an entry, and the place where it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Argument<'t> {
    /// The text.
    pub text: &'t str,
    /// The byte of the entry where it begins.
    pub offset: usize,
}

/// A query as it was typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked<'t> {
    /// The query's text.
    pub text: Argument<'t>,
    /// The elements of `:find`, as they were written.
    pub columns: Vec<String>,
    /// The inputs after it.
    pub inputs: Vec<Form>,
}

/// Takes an entry apart. Empty entries and comments give nothing; a line of several transactions gives several.
pub fn read(text: &str) -> Result<Vec<Entry<'_>>> {
    let trimmed = text.trim_start();
    if let Some(rest) = trimmed.strip_prefix('.') {
        let start = text.len() - rest.len();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        return Ok(vec![Entry::Command(&rest[..end], Argument::part(text, start + end..text.len()))]);
    }
    let mut forms = edn::read_all(text).map_err(annals::Error::from)?.into_iter();
    let mut entries = Vec::new();
    while let Some(form) = forms.next() {
        let part = Argument::part(text, range(&form));
        match kind(&form) {
            Kind::Query => {
                let columns = find_columns(&form, text);
                entries.push(Entry::Query(Asked { text: part, columns, inputs: forms.by_ref().collect() }));
            }
            Kind::Transaction => entries.push(Entry::Transaction(part)),
            Kind::Other(hint) => {
                let problem = Problem::new(
                    Category::Incorrect,
                    "repl.error/unknown-form",
                    "this is neither a query nor a transaction nor a command",
                );
                return Err(problem.hint(hint).at(range(&form)));
            }
        }
    }
    Ok(entries)
}

impl<'t> Argument<'t> {
    /// The part of `text` in `range`, without blanks around it.
    fn part(text: &'t str, range: Range<usize>) -> Argument<'t> {
        let part = &text[range.clone()];
        let offset = range.start + (part.len() - part.trim_start().len());
        Argument { text: part.trim(), offset }
    }

    /// The forms of this text.
    pub fn forms(&self) -> Result<Vec<Form>> {
        edn::read_all(self.text)
            .map_err(|error| Problem::from(annals::Error::from(error)).shifted(self.offset))
    }

    /// The words of this text.
    pub fn words(&self) -> Vec<&'t str> {
        self.text.split_whitespace().collect()
    }

    /// The part of this argument where one of its forms stands.
    pub fn of_form(&self, form: &Form) -> Argument<'t> {
        let range = range(form);
        Argument { text: &self.text[range.clone()], offset: self.offset + range.start }
    }
}

/// Where a form stands; forms read from text always say.
pub fn range(form: &Form) -> Range<usize> {
    form.span.map_or(0..0, |span| span.start as usize..span.end as usize)
}

/// Whether an entry can be taken as it is, or more has to be typed.
pub fn is_finished(text: &str) -> bool {
    let body = match text.trim_start().strip_prefix('.') {
        None => text,
        Some(rest) => {
            let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            match commands::find(name) {
                Some(command) if command.takes == Takes::Forms => argument,
                _ => return true,
            }
        }
    };
    edn::is_complete(body) != Completeness::Incomplete
}

enum Kind {
    Query,
    Transaction,
    Other(&'static str),
}

fn kind(form: &Form) -> Kind {
    let is_find = |form: &Form| matches!(form.as_atom(), Some(Edn::Keyword(k)) if k.as_str() == "find");
    match &form.kind {
        FormKind::Map(pairs) if pairs.iter().any(|(key, _)| is_find(key)) => Kind::Query,
        FormKind::Map(_) => Kind::Other("a transaction is a vector of maps: put `[` and `]` around it"),
        FormKind::Vector(forms) if forms.first().is_some_and(is_find) => Kind::Query,
        FormKind::Vector(forms) if forms.iter().all(is_operation) => Kind::Transaction,
        FormKind::Vector(forms) if matches!(forms.first().and_then(Form::as_atom), Some(Edn::Keyword(_))) => {
            Kind::Other(match forms.len() {
                2 => "to look at an entity, use `.entity` before its lookup ref",
                _ => "a transaction is a vector of operations: put another `[` and `]` around it",
            })
        }
        FormKind::Atom(Edn::Int(_) | Edn::Keyword(_)) => {
            Kind::Other("to look at an entity, use `.entity` before it")
        }
        FormKind::Atom(Edn::Symbol(_)) => Kind::Other("commands begin with a dot; `.help` lists them"),
        _ => Kind::Other("a query begins with `[:find`, a transaction with `[{` or `[[`; see `.help`"),
    }
}

/// Something that may stand in a transaction.
fn is_operation(form: &Form) -> bool {
    let named = |form: &Form| matches!(form.as_atom(), Some(Edn::Keyword(_) | Edn::Symbol(_)));
    match &form.kind {
        FormKind::Map(_) => true,
        _ => form.as_seq().is_some_and(|forms| forms.first().is_some_and(named)),
    }
}

/// The elements of `:find` as they were written, without the marks of its shape.
pub fn find_columns(query: &Form, text: &str) -> Vec<String> {
    let is = |form: &Form, name: &str| matches!(form.as_atom(), Some(Edn::Keyword(k)) if k.as_str() == name);
    let elements: Vec<&Form> = match &query.kind {
        FormKind::Map(pairs) => {
            let find = pairs.iter().find(|(key, _)| is(key, "find"));
            find.and_then(|(_, value)| value.as_seq()).unwrap_or_default().iter().collect()
        }
        _ => {
            let forms = query.as_seq().unwrap_or_default().iter();
            let rest = forms.skip_while(|form| !is(form, "find")).skip(1);
            rest.take_while(|form| !matches!(form.as_atom(), Some(Edn::Keyword(_)))).collect()
        }
    };
    let elements = match elements.as_slice() {
        [one] => match &one.kind {
            FormKind::Vector(inner) => inner.iter().collect(),
            _ => elements,
        },
        _ => elements,
    };
    let mark =
        |form: &Form| matches!(form.as_atom(), Some(Edn::Symbol(s)) if matches!(s.as_str(), "." | "..."));
    let written = |form: &Form| text.get(range(form)).unwrap_or_default().to_owned();
    elements.into_iter().filter(|form| !mark(form)).map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Entry<'_> {
        read(text).expect("it is right").pop().expect("something is there")
    }

    #[test]
    fn a_dot_makes_a_command() {
        let argument = Argument { text: "2024-05-01", offset: 9 };
        assert_eq!(one("  .as-of 2024-05-01 "), Entry::Command("as-of", Argument { ..argument }));
        assert_eq!(one(".help"), Entry::Command("help", Argument { text: "", offset: 5 }));
    }

    #[test]
    fn a_query_takes_the_forms_after_it() {
        let Entry::Query(asked) = one("[:find ?e :in $ ?a] \"The Beatles\" 1970 ; why") else { panic!() };
        assert_eq!(asked.text, Argument { text: "[:find ?e :in $ ?a]", offset: 0 });
        assert_eq!(
            asked.inputs.iter().map(Form::to_edn).collect::<Vec<_>>(),
            ["The Beatles".into(), 1970.into()]
        );
        assert!(matches!(one("{:where [] :find [?e]}"), Entry::Query(_)));
    }

    #[test]
    fn transactions_are_vectors_of_operations() {
        for text in ["[{:a/b 1}]", "[[:db/add 1 :a 2]]", "[(my/fn 1) {:a 1}]", "[]"] {
            assert!(matches!(one(text), Entry::Transaction(_)), "{text}");
        }
        let entries = read("[{:a 1}] ; one\n [{:a 2}]").expect("it is right");
        assert_eq!(entries[1], Entry::Transaction(Argument { text: "[{:a 2}]", offset: 16 }));
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(read("").expect("it is right"), []);
        assert_eq!(read(" ; a comment\n").expect("it is right"), []);
    }

    #[test]
    fn anything_else_is_refused_with_a_way_out() {
        for (text, hint) in [
            ("{:a/b 1}", "put `[`"),
            ("[:db/add 1 :a 2]", "around it"),
            ("[:author/id \"x\"]", ".entity"),
            ("17", ".entity"),
            ("help", ".help"),
            ("\"text\"", "[:find"),
        ] {
            let problem = read(text).expect_err("it is no entry");
            assert_eq!(problem.span(), Some(0..text.len()));
            assert!(problem.hint_text().is_some_and(|given| given.contains(hint)), "{text}: {problem}");
        }
        assert_eq!(read("[:find ?e").expect_err("open").keyword(), "db.error/syntax");
    }

    #[test]
    fn an_entry_is_finished_when_its_brackets_close() {
        for text in ["[:find ?e :where [?e :a \"]\"]]", ".help", ".import [not edn", "", "]", ".as-of 2024"] {
            assert!(is_finished(text), "{text}");
        }
        for text in ["[:find ?e", "[:find \"", "[{:a 1}\n", ".with [{:a", "{:find [?e]\n :where [[?e :a]]"] {
            assert!(!is_finished(text), "{text}");
        }
    }

    #[test]
    fn columns_are_what_find_says() {
        let columns = |text: &str| {
            let Entry::Query(asked) = one(text) else { panic!("{text} is a query") };
            asked.columns
        };
        assert_eq!(columns("[:find ?a (count ?b) :where [?a _ ?b]]"), ["?a", "(count ?b)"]);
        assert_eq!(columns("[:find [?a ...] :where [?a]]"), ["?a"]);
        assert_eq!(columns("[:find [?a (sum ?b)] :where [?a]]"), ["?a", "(sum ?b)"]);
        assert_eq!(columns("[:find ?a . :where [?a]]"), ["?a"]);
        assert_eq!(columns("{:find [?a ?b] :where [[?a _ ?b]]}"), ["?a", "?b"]);
        assert_eq!(columns("{:find [[?a ...]] :where [[?a]]}"), ["?a"]);
    }
}
