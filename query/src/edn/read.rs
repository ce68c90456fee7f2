//! Text to forms: all of EDN, with the place of every part.
//!
//! Invariants: reading never panics and never recurses deeper than [`MAX_NESTING`]; a form's span covers exactly its
//! text; map keys and set elements are distinct. Atoms are in `token`, the meaning of known tags is in `literal`.
//! This file knows what stands between them: blanks, comments, discards, brackets, tags.

use std::borrow::Cow;
use std::collections::HashSet;

use annals_storage::datom::{Keyword, Symbol};
use nom::IResult;
use nom::bytes::complete::take_till;
use nom::error::{ErrorKind, ParseError};

use super::form::{Form, FormKind, Span};
use super::value::Edn;
use super::{literal, token};
use crate::error::{Error, Result};

/// How deep brackets and tags may be nested.
pub const MAX_NESTING: usize = 200;

/// What a text needs before it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing: it can be read (or it is blank).
    Complete,
    /// More: something opened is not closed yet.
    Incomplete,
    /// Nothing helps: what stands there is wrong.
    Broken,
}

/// Reads the one form of a text.
pub fn read_one(text: &str) -> Result<Form> {
    let Some((form, end)) = read_next(text, 0)? else {
        return Err(Error::incorrect("db.error/syntax", "there is nothing to read").hint("write one form"));
    };
    match read_next(text, end)? {
        None => Ok(form),
        Some((second, _)) => {
            Err(Error::incorrect("db.error/syntax", "more than one form where one is expected")
                .hint("put several forms into one vector")
                .at(second.span))
        }
    }
}

/// Reads all forms of a text.
pub fn read_all(text: &str) -> Result<Vec<Form>> {
    let mut reader = Reader::new(text);
    let mut forms = Vec::new();
    while let Some(form) = reader.next_form()? {
        forms.push(form);
    }
    Ok(forms)
}

/// Reads the first form at or after byte `offset`, and says where it ends; `None` if only blanks are left.
pub fn read_next(text: &str, offset: usize) -> Result<Option<(Form, usize)>> {
    let mut reader = Reader::new(text);
    if offset > 0 {
        let outside = || syntax(format!("byte {offset} is not inside the text"));
        reader.rest = text.get(offset..).ok_or_else(outside)?;
    }
    Ok(reader.next_form()?.map(|form| (form, reader.offset())))
}

/// Says whether a text can be read as it is, needs more, or is wrong.
pub fn is_complete(text: &str) -> Completeness {
    let mut reader = Reader::new(text);
    loop {
        match reader.step() {
            Ok(Some(_)) => {}
            Ok(None) => return Completeness::Complete,
            Err(fault) if fault.incomplete => return Completeness::Incomplete,
            Err(_) => return Completeness::Broken,
        }
    }
}

/// Reads form after form of one text.
pub struct Reader<'a> {
    context: Context,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of a text; a byte order mark is passed over.
    pub fn new(text: &'a str) -> Reader<'a> {
        let context = Context { total: text.len(), depth: 0, names: Names::default() };
        Reader { context, rest: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// The next form; `None` at the end of the text.
    pub fn next_form(&mut self) -> Result<Option<Form>> {
        self.step().map_err(|fault| *fault.error)
    }

    /// The byte after the last form read.
    pub fn offset(&self) -> usize {
        self.context.at(self.rest)
    }

    fn step(&mut self) -> Result<Option<Form>, Fault> {
        let next = self.context.next_form(self.rest, None);
        match next {
            Ok((rest, form)) => {
                self.rest = rest;
                Ok(form)
            }
            Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => Err(fault),
            Err(nom::Err::Incomplete(_)) => unreachable!("only complete parsers are used"),
        }
    }
}

/// What is left of the text, and what was made of the part before it.
pub(super) type Step<'a, T> = IResult<&'a str, T, Fault>;

/// Why reading stopped.
#[derive(Debug)]
pub(super) struct Fault {
    error: Box<Error>,
    /// The text ended inside of something.
    incomplete: bool,
}

impl Fault {
    /// More text might have made it right.
    pub(super) fn incomplete(error: Error) -> nom::Err<Fault> {
        nom::Err::Failure(Fault { error: Box::new(error), incomplete: true })
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault { error: Box::new(error), incomplete: false }
    }
}

impl ParseError<&str> for Fault {
    fn from_error_kind(_: &str, kind: ErrorKind) -> Fault {
        Error::incorrect("db.error/syntax", format!("unreadable text ({})", kind.description())).into()
    }

    fn append(_: &str, _: ErrorKind, other: Fault) -> Fault {
        other
    }
}

/// Text that is not EDN.
pub(super) fn syntax(message: impl Into<String>) -> Error {
    Error::incorrect("db.error/syntax", message)
}

/// A refusal that no further text can change.
pub(super) fn refuse<'a, T>(error: Error) -> Step<'a, T> {
    Err(nom::Err::Failure(error.into()))
}

/// What reading knows beside the rest of the text.
pub(super) struct Context {
    /// The length of the whole text: with that of the rest it gives every place.
    total: usize,
    depth: usize,
    names: Names,
}

impl Context {
    /// The place where `rest` begins.
    pub(super) fn at(&self, rest: &str) -> usize {
        self.total - rest.len()
    }

    /// The place from `from` up to `to`.
    pub(super) fn span(&self, from: &str, to: &str) -> Option<Span> {
        let place = |rest: &str| u32::try_from(self.at(rest)).unwrap_or(u32::MAX);
        Some(Span { start: place(from), end: place(to) })
    }

    /// The place of the first character of `from`.
    pub(super) fn here(&self, from: &str) -> Option<Span> {
        let width = from.chars().next().map_or(0, char::len_utf8);
        self.span(from, &from[width..])
    }

    /// A keyword, shared with earlier ones of the same text.
    pub(super) fn keyword(&mut self, text: &str) -> Keyword {
        self.names.keyword(text)
    }

    /// The next form, or `None` at the end of the text or before `closer`. Discarded forms are read and dropped.
    fn next_form<'a>(&mut self, input: &'a str, closer: Option<char>) -> Step<'a, Option<Form>> {
        let mut rest = skip_blank(input);
        let mut discards: Vec<&'a str> = Vec::new();
        loop {
            if let Some(after) = rest.strip_prefix("#_") {
                discards.push(rest);
                rest = skip_blank(after);
                continue;
            }
            if rest.is_empty() || (closer.is_some() && rest.starts_with([')', ']', '}'])) {
                return match discards.last() {
                    None => Ok((rest, None)),
                    Some(mark) => {
                        let error = syntax("`#_` has nothing to discard").at(self.span(mark, &mark[2..]));
                        if rest.is_empty() { Err(Fault::incomplete(error)) } else { refuse(error) }
                    }
                };
            }
            let (after, form) = self.form(rest)?;
            if discards.pop().is_none() {
                return Ok((after, Some(form)));
            }
            rest = skip_blank(after);
        }
    }

    /// A form at the very beginning of `input`.
    fn form<'a>(&mut self, input: &'a str) -> Step<'a, Form> {
        match input.as_bytes()[0] {
            b'[' => self.sequence(input, ']', FormKind::Vector),
            b'(' => self.sequence(input, ')', FormKind::List),
            b'{' => self.map(input),
            b'#' => self.dispatch(input),
            b')' | b']' | b'}' => {
                refuse(syntax(format!("`{}` closes nothing", &input[..1])).at(self.here(input)))
            }
            _ => {
                let (rest, atom) = token::atom(self, input)?;
                Ok((rest, Form { kind: FormKind::Atom(atom), span: self.span(input, rest) }))
            }
        }
    }

    /// The forms from behind an opening bracket to behind the closing one.
    fn forms<'a>(&mut self, opening: &'a str, width: usize, closer: char) -> Step<'a, Vec<Form>> {
        self.enter(opening)?;
        let mut forms = Vec::new();
        let mut rest = &opening[width..];
        loop {
            let (after, form) = self.next_form(rest, Some(closer))?;
            rest = after;
            let Some(form) = form else { break };
            forms.push(form);
        }
        self.depth -= 1;
        if let Some(rest) = rest.strip_prefix(closer) {
            return Ok((rest, forms));
        }
        let bracket = &opening[..width];
        if rest.is_empty() {
            let error = syntax(format!("`{bracket}` is never closed")).hint(format!("add `{closer}`"));
            return Err(Fault::incomplete(error.at(self.span(opening, &opening[width..]))));
        }
        let error = syntax(format!("`{bracket}` is closed by `{}`", &rest[..1]));
        refuse(error.hint(format!("`{closer}` is expected here")).at(self.here(rest)))
    }

    fn enter(&mut self, opening: &str) -> Result<(), nom::Err<Fault>> {
        self.depth += 1;
        if self.depth <= MAX_NESTING {
            return Ok(());
        }
        let error = syntax(format!("nested deeper than {MAX_NESTING} levels")).at(self.here(opening));
        Err(nom::Err::Failure(error.into()))
    }

    fn sequence<'a>(
        &mut self,
        input: &'a str,
        closer: char,
        kind: fn(Vec<Form>) -> FormKind,
    ) -> Step<'a, Form> {
        let (rest, forms) = self.forms(input, 1, closer)?;
        Ok((rest, Form { kind: kind(forms), span: self.span(input, rest) }))
    }

    fn map<'a>(&mut self, input: &'a str) -> Step<'a, Form> {
        let (rest, forms) = self.forms(input, 1, '}')?;
        let span = self.span(input, rest);
        if forms.len() % 2 == 1 {
            let last = forms.last().and_then(|form| form.span);
            let error = syntax("a map needs an even number of forms; the last key has no value");
            return refuse(error.at(last).at(span));
        }
        let mut pairs = Vec::with_capacity(forms.len() / 2);
        let mut forms = forms.into_iter();
        while let (Some(key), Some(value)) = (forms.next(), forms.next()) {
            pairs.push((key, value));
        }
        distinct(pairs.iter().map(|(key, _)| key), "map key")?;
        Ok((rest, Form { kind: FormKind::Map(pairs), span }))
    }

    /// What begins with `#`: a set, a symbolic number, a map with a namespace, or a tag. (`#_` is behind us.)
    fn dispatch<'a>(&mut self, input: &'a str) -> Step<'a, Form> {
        match input[1..].chars().next() {
            Some('{') => {
                let (rest, forms) = self.forms(input, 2, '}')?;
                distinct(forms.iter(), "set element")?;
                Ok((rest, Form { kind: FormKind::Set(forms), span: self.span(input, rest) }))
            }
            Some('#') => {
                let (rest, number) = token::symbolic_number(self, input)?;
                Ok((rest, Form { kind: FormKind::Atom(number), span: self.span(input, rest) }))
            }
            Some(':') => self.namespaced_map(input),
            Some(c) if c.is_alphabetic() => self.tagged(input),
            Some('"') => {
                refuse(syntax("`#\"…\"` is a regular expression of Clojure, not EDN").at(self.here(input)))
                    .map_err(|fault| with_hint(fault, "give the expression as a string"))
            }
            Some('(') => refuse(syntax("`#(…)` is a function of Clojure, not EDN").at(self.here(input))),
            None => Err(Fault::incomplete(syntax("`#` stands before nothing").at(self.here(input)))),
            Some(c) => refuse(
                syntax(format!("`#{}` means nothing", c.escape_default()))
                    .hint("after `#` comes a tag, `{`, `_` or `#`")
                    .at(self.here(input)),
            ),
        }
    }

    fn tagged<'a>(&mut self, input: &'a str) -> Step<'a, Form> {
        let (rest, tag) = token::tag(self, &input[1..])?;
        let mark = self.span(input, rest);
        self.enter(input)?;
        let (after, form) = self.next_form(rest, Some('}'))?;
        self.depth -= 1;
        let Some(form) = form else {
            let error = syntax(format!("`#{}` stands before nothing", tag.as_str())).at(mark);
            return if after.is_empty() { Err(Fault::incomplete(error)) } else { refuse(error) };
        };
        let span = self.span(input, after);
        match literal::meaning(&tag, &form) {
            Ok(Some(edn)) => Ok((after, Form { kind: FormKind::Atom(edn), span })),
            Ok(None) => Ok((after, Form { kind: FormKind::Tagged(tag, Box::new(form)), span })),
            Err(error) => refuse(error.at(span)),
        }
    }

    /// `#:a{:b 1 :_/c 2}` is `{:a/b 1 :c 2}`, as Clojure prints maps whose keys share a namespace.
    fn namespaced_map<'a>(&mut self, input: &'a str) -> Step<'a, Form> {
        let (rest, namespace) = token::map_namespace(self, input)?;
        let opening = skip_blank(rest);
        if !opening.starts_with('{') {
            let error = syntax(format!("`#:{namespace}` stands before no map")).at(self.span(input, rest));
            return if opening.is_empty() { Err(Fault::incomplete(error)) } else { refuse(error) };
        }
        let (rest, mut map) = self.map(opening)?;
        if let FormKind::Map(pairs) = &mut map.kind {
            for (key, _) in pairs.iter_mut() {
                qualify(namespace, key);
            }
            distinct(pairs.iter().map(|(key, _)| key), "map key")?;
        }
        map.span = self.span(input, rest);
        Ok((rest, map))
    }
}

fn with_hint(fault: nom::Err<Fault>, hint: &str) -> nom::Err<Fault> {
    fault.map(|fault| Fault { error: Box::new(fault.error.hint(hint)), ..fault })
}

fn qualify(namespace: &str, key: &mut Form) {
    let full = |own: Option<&str>, name: &str| match own {
        None => Some(format!("{namespace}/{name}")),
        Some("_") => Some(name.to_owned()),
        Some(_) => None,
    };
    let FormKind::Atom(atom) = &mut key.kind else { return };
    match atom {
        Edn::Keyword(k) => {
            if let Some(text) = full(k.namespace(), k.name()) {
                *k = Keyword::new(&text);
            }
        }
        Edn::Symbol(s) => {
            if let Some(text) = full(s.namespace(), s.name()) {
                *s = Symbol::new(&text);
            }
        }
        _ => {}
    }
}

/// The text behind white space, commas and comments.
fn skip_blank(mut input: &str) -> &str {
    loop {
        let bytes = input.as_bytes();
        let blank =
            bytes.iter().take_while(|b| matches!(b, b' ' | b',' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c));
        input = &input[blank.count()..];
        match input.as_bytes().first() {
            Some(b';') => input = comment(input),
            Some(b) if !b.is_ascii() && input.starts_with(char::is_whitespace) => {
                input = input.trim_start_matches(char::is_whitespace);
            }
            _ => return input,
        }
    }
}

fn comment(input: &str) -> &str {
    let end: Step<'_, &str> = take_till(|c| c == '\n')(input);
    end.map_or("", |(rest, _)| rest)
}

/// Refuses a key or element that stands twice.
fn distinct<'f>(
    forms: impl ExactSizeIterator<Item = &'f Form> + Clone,
    what: &str,
) -> Result<(), nom::Err<Fault>> {
    let twice = if forms.len() <= 12 {
        let mut later = forms;
        let mut twice = None;
        while let (None, Some(form)) = (twice, later.next()) {
            twice = later.clone().find(|other| same(form, other));
        }
        twice
    } else {
        let mut seen: HashSet<Cow<'_, Edn>, foldhash::fast::RandomState> = HashSet::default();
        let mut forms = forms;
        forms.find(|form| {
            !seen.insert(match &form.kind {
                FormKind::Atom(edn) => Cow::Borrowed(edn),
                _ => Cow::Owned(form.to_edn()),
            })
        })
    };
    let Some(form) = twice else { return Ok(()) };
    let error =
        Error::incorrect("db.error/duplicate-key", format!("the {what} {} stands twice", form.to_edn()))
            .hint("keys of a map and elements of a set are distinct")
            .at(form.span);
    Err(nom::Err::Failure(error.into()))
}

/// True if two forms are the same value.
fn same(one: &Form, other: &Form) -> bool {
    match (&one.kind, &other.kind) {
        (FormKind::Atom(x), FormKind::Atom(y)) => x == y,
        (FormKind::Atom(_), _) | (_, FormKind::Atom(_)) => false,
        _ => one.to_edn() == other.to_edn(),
    }
}

/// The keywords met last, so that a text with a million `:db/id` allocates it rarely.
#[derive(Default)]
struct Names {
    slots: Vec<Option<Keyword>>,
}

impl Names {
    const SLOTS: usize = 256;

    fn keyword(&mut self, text: &str) -> Keyword {
        if self.slots.is_empty() {
            self.slots.resize(Names::SLOTS, None);
        }
        let hash = text.bytes().fold(text.len() as u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
        let slot = &mut self.slots[hash as usize % Names::SLOTS];
        match slot {
            Some(keyword) if keyword.as_str() == text => keyword.clone(),
            _ => slot.insert(Keyword::new(text)).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Edn {
        read_one(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_edn()
    }

    #[test]
    fn collections_blanks_and_tags() {
        let table = [
            ("()", "()"),
            ("[1,2 ,, 3]", "[1 2 3]"),
            ("{:a 1, :b [2 #{3}]}", "{:a 1, :b [2 #{3}]}"),
            ("[1 ; one\n #_ 2 3]", "[1 3]"),
            ("; first\n [] ; last", "[]"),
            ("[#_ #_ a b c]", "[c]"),
            ("[#_[a #_b] #_#_ #_ a b c d]", "[d]"),
            ("[a #_b]", "[a]"),
            ("#_a b", "b"),
            ("{:a #_ :b 1}", "{:a 1}"),
            ("[a;c\nb\"c\"d(e)[f]\\g :h]", "[a b \"c\" d (e) [f] \\g :h]"),
            ("#foo/bar [1]", "#foo/bar [1]"),
            ("#a #_ x #b 1", "#a #b 1"),
            (
                "#uuid \"F81D4FAE-7dec-11d0-a765-00a0c91e6bf6\"",
                "#uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
            ),
            ("#inst \"2018\"", "#inst \"2018-01-01T00:00:00.000-00:00\""),
            ("#uri \"https://example.org/\"", "#uri \"https://example.org/\""),
            ("#bytes \"Zm9v\"", "#bytes \"Zm9v\""),
            ("#:a{:b 1 :c/d 2 :_/e 3 f 4 5 6}", "{5 6, :e 3, :a/b 1, :c/d 2, a/f 4}"),
            ("#{[1] (1) 1 1.0 1N 1.0M \"1\"}", "#{1 1N 1.0 1.0M \"1\" (1) [1]}"),
            ("\u{feff}1", "1"),
            ("[1\u{2003}2\u{a0}3]", "[1 2 3]"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).to_string(), expected, "{text}");
        }
    }

    /// Text, keyword, the part pointed at.
    #[test]
    fn what_is_not_edn() {
        let syntax = "db.error/syntax";
        let twice = "db.error/duplicate-key";
        let literal = "db.error/bad-literal";
        let table = [
            ("{:a [1 2}", syntax, "}"),
            ("[1 2", syntax, "["),
            ("1 2", syntax, "2"),
            ("]", syntax, "]"),
            ("[1 2))", syntax, ")"),
            ("{:a}", syntax, ":a"),
            ("{:a 1 :b}", syntax, ":b"),
            ("[#_]", syntax, "#_"),
            ("[1 #_]", syntax, "#_"),
            ("#_ #_ 1", syntax, "#_"),
            ("\"abc", syntax, "\""),
            ("[#foo]", syntax, "#foo"),
            ("#", syntax, "#"),
            ("#\"a\"", syntax, "#"),
            ("#(a)", syntax, "#"),
            ("#'a", syntax, "#"),
            ("#=1", syntax, "#"),
            ("#:a [1]", syntax, "#:a"),
            ("#:a/b{}", syntax, "#:a/b"),
            ("{:a 1 :b 2 :a 3}", twice, ":a"),
            ("#{1 2 [3] [3]}", twice, "[3]"),
            ("{{1 2} 1 {1 2} 2}", twice, "{1 2}"),
            ("#:a{:b 1 :a/b 2}", twice, ":a/b"),
            ("#{0 1 2 3 4 5 6 7 8 9 10 11 12 13 7}", twice, "7"),
            ("[#inst \"2018-13\"]", literal, "#inst \"2018-13\""),
            ("#inst 2018", literal, "#inst 2018"),
            ("#uuid \"1\"", literal, "#uuid \"1\""),
            ("#bytes \"a\"", literal, "#bytes \"a\""),
            ("#uri :a", literal, "#uri :a"),
        ];
        for (text, keyword, place) in table {
            let error = read_one(text).expect_err(text);
            assert_eq!(error.keyword, keyword, "{text}: {error}");
            let span = error.span.unwrap_or_else(|| panic!("{text}: {error}"));
            assert_eq!(&text[span.start as usize..span.end as usize], place, "{text}: {error}");
        }
        assert_eq!(read_one(" ; nothing").unwrap_err().keyword, syntax);
    }

    #[test]
    fn every_form_knows_its_place() {
        let text = " [ä #{:b} {c \"d\"} #e (1.5) #inst \"2018\"] ";
        fn places<'t>(form: &Form, text: &'t str, found: &mut Vec<&'t str>) {
            let span = form.span.expect("read from text");
            found.push(&text[span.start as usize..span.end as usize]);
            match &form.kind {
                FormKind::List(forms) | FormKind::Vector(forms) | FormKind::Set(forms) => {
                    forms.iter().for_each(|form| places(form, text, found));
                }
                FormKind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                    places(key, text, found);
                    places(value, text, found);
                }),
                FormKind::Tagged(_, form) => places(form, text, found),
                FormKind::Atom(_) => {}
            }
        }
        let mut found = Vec::new();
        places(&read_one(text).unwrap(), text, &mut found);
        let expected = [
            text.trim(),
            "ä",
            "#{:b}",
            ":b",
            "{c \"d\"}",
            "c",
            "\"d\"",
            "#e (1.5)",
            "(1.5)",
            "1.5",
            "#inst \"2018\"",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
        for (open, close) in
            [("[", "]"), ("{1 ", "}"), ("#{", "}"), ("#a ", ""), ("(", ")"), ("#:a{:b ", "}")]
        {
            assert!(read_one(&nest(open, close, MAX_NESTING)).is_ok(), "{open}");
            let error = read_one(&nest(open, close, 100_000)).expect_err(open);
            assert!(error.message.contains("nested"), "{open}: {error}");
        }
        let discards = format!("{} x{} y", "#_".repeat(100_000), " x".repeat(99_999));
        assert_eq!(read(&discards), Edn::symbol("y"));
        assert_eq!(read(&format!("[{}]", "[] ".repeat(1000))).as_seq().map(<[Edn]>::len), Some(1000));
    }

    #[test]
    fn a_stream_is_read_form_by_form() {
        let text = "[1] ; c\n{:a 2} #_x\n3 ";
        let mut forms = Vec::new();
        let mut offset = 0;
        while let Some((form, end)) = read_next(text, offset).unwrap() {
            assert_eq!(form.span.unwrap().end as usize, end);
            forms.push(form);
            offset = end;
        }
        assert_eq!(forms, read_all(text).unwrap());
        assert_eq!(forms.len(), 3);
        assert!(read_next("ä", 1).is_err() && read_next("a", 7).is_err());
    }

    #[test]
    fn completeness_of_what_is_typed() {
        use Completeness::{Broken, Complete, Incomplete};
        let table = [
            ("", Complete),
            ("; c", Complete),
            ("[1 2]", Complete),
            ("[1] [2]", Complete),
            ("a", Complete),
            ("[1 2", Incomplete),
            ("[1] {:a", Incomplete),
            ("[\"abc", Incomplete),
            ("[\"abc\\", Incomplete),
            ("#{", Incomplete),
            ("#inst", Incomplete),
            ("#_", Incomplete),
            ("[#_", Incomplete),
            ("[; ]", Incomplete),
            ("{:a", Incomplete),
            ("#", Incomplete),
            ("#:a", Incomplete),
            ("[:find ?a :where [?a :b \"x\"]\n", Incomplete),
            ("[1 2)", Broken),
            ("]", Broken),
            ("[08", Broken),
            ("{:a}", Broken),
            ("[#inst \"x\"", Broken),
            ("[::a", Broken),
            ("#{1 1} [", Broken),
        ];
        for (text, expected) in table {
            assert_eq!(is_complete(text), expected, "{text}");
        }
    }
}
