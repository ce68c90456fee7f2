//! Tokens of EDN that may be half typed: for colours, brackets, completion and indentation.
//!
//! Unlike the reader, this never refuses anything: whatever stands there is some token, and the tokens together are
//! the whole text.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `(`, `[`, `{`, `#{`
    Open,
    /// `)`, `]`, `}`
    Close,
    /// `"text"`, or what is there of it
    String,
    /// `:a/b`
    Keyword,
    /// `?name`, `$name`, `%`
    Variable,
    /// `name`
    Symbol,
    /// `42`, `-1.5M`
    Number,
    /// `\a`
    Char,
    /// `#inst`, `#_`, `##`
    Tag,
    /// `; …`
    Comment,
    /// White space and commas
    Blank,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// The tokens of a text, in order, without gaps.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (kind, length) = token(&text[at..]);
        tokens.push(Token { kind, range: at..at + length });
        at += length;
    }
    tokens
}

/// The first token of a text that is not empty.
fn token(text: &str) -> (Kind, usize) {
    let until = |end: &dyn Fn(char) -> bool| text.find(end).unwrap_or(text.len());
    let first = text.chars().next().unwrap_or(' ');
    match first {
        c if is_blank(c) => (Kind::Blank, text.find(|c| !is_blank(c)).unwrap_or(text.len())),
        ';' => (Kind::Comment, until(&|c| c == '\n')),
        '"' => (Kind::String, string(text)),
        '(' | '[' | '{' => (Kind::Open, 1),
        ')' | ']' | '}' => (Kind::Close, 1),
        '#' if text.starts_with("#{") => (Kind::Open, 2),
        '#' if text.starts_with("#_") => (Kind::Tag, 2),
        '#' => (Kind::Tag, word(text, 1)),
        '\\' => (Kind::Char, text.char_indices().nth(2).map_or(text.len(), |(at, _)| word(text, at))),
        ':' => (Kind::Keyword, word(text, 1)),
        '?' | '$' | '%' => (Kind::Variable, word(text, 1)),
        c => {
            let signed = matches!(c, '-' | '+') && text[1..].starts_with(|c: char| c.is_ascii_digit());
            let kind = if c.is_ascii_digit() || signed { Kind::Number } else { Kind::Symbol };
            (kind, word(text, c.len_utf8()))
        }
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == ','
}

/// True for characters that end a word.
fn is_delimiter(c: char) -> bool {
    is_blank(c) || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';')
}

/// The end of a word whose first `from` bytes are settled.
fn word(text: &str, from: usize) -> usize {
    text[from..].find(is_delimiter).map_or(text.len(), |at| from + at)
}

/// The end of the string that begins the text.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The word that ends at byte `end`, if the cursor stands behind one that can be completed.
pub fn word_before(text: &str, end: usize) -> Option<Token> {
    let token = tokens(&text[..end]).pop()?;
    matches!(token.kind, Kind::Keyword | Kind::Symbol | Kind::Variable).then_some(token)
}

/// Pairs of brackets that belong together, as places of one byte each (of `#{` the brace).
pub fn pairs(text: &str) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut pairs = Vec::new();
    for token in tokens(text) {
        match token.kind {
            Kind::Open => open.push(token.range.end - 1),
            Kind::Close => pairs.extend(open.pop().map(|from| (from, token.range.start))),
            _ => {}
        }
    }
    pairs
}

/// How far the next line should be indented so that it stands under what it continues; `None` inside a string.
///
/// `margin` is what stands before the first line (the prompt).
pub fn indentation(text: &str, margin: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut inside_string = false;
    for token in tokens(text) {
        match token.kind {
            Kind::Open => open.push(token.range.end),
            Kind::Close => drop(open.pop()),
            Kind::String => inside_string = !is_closed(&text[token.range.clone()]),
            _ => {}
        }
    }
    if inside_string {
        return None;
    }
    let Some(inner) = open.last() else { return Some(margin) };
    let line = text[..*inner].rfind('\n').map_or(0, |at| at + 1);
    let column = text[line..*inner].chars().count();
    Some(if line == 0 { margin + column } else { column })
}

fn is_closed(string: &str) -> bool {
    let body = string[1..].trim_end_matches('"');
    let slashes = body.len() - body.trim_end_matches('\\').len();
    string.len() > 1 && string.ends_with('"') && slashes.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        let all = tokens(text).into_iter().filter(|token| token.kind != Kind::Blank);
        all.map(|token| (token.kind, &text[token.range])).collect()
    }

    #[test]
    fn every_kind_is_told() {
        let text = "[?e :a/b \"x\\\"y\" -1.5M sym #{\\a} #inst \"2\"] ; end";
        assert_eq!(
            kinds(text),
            [
                (Kind::Open, "["),
                (Kind::Variable, "?e"),
                (Kind::Keyword, ":a/b"),
                (Kind::String, "\"x\\\"y\""),
                (Kind::Number, "-1.5M"),
                (Kind::Symbol, "sym"),
                (Kind::Open, "#{"),
                (Kind::Char, "\\a"),
                (Kind::Close, "}"),
                (Kind::Tag, "#inst"),
                (Kind::String, "\"2\""),
                (Kind::Close, "]"),
                (Kind::Comment, "; end"),
            ]
        );
    }

    #[test]
    fn tokens_cover_the_text_whatever_it_is() {
        for text in
            ["", "\"", "\\", "#", "##", ":", "é\"ß", "\"a\\", "日本[", "\\é)", "-", "\u{a0}x", "a\n\n;"]
        {
            let mut at = 0;
            for token in tokens(text) {
                assert_eq!(token.range.start, at, "{text:?}");
                assert!(token.range.end > at, "{text:?}");
                at = token.range.end;
            }
            assert_eq!(at, text.len(), "{text:?}");
            indentation(text, 3);
            pairs(text);
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(pairs("[\"]\" (a)]"), [(5, 7), (0, 8)]);
        assert_eq!(pairs("#{1}"), [(1, 3)]);
    }

    #[test]
    fn the_next_line_stands_under_what_it_continues() {
        assert_eq!(indentation("[:find ?e", 6), Some(7));
        assert_eq!(indentation("[:find ?e\n       :where [?e", 6), Some(15));
        assert_eq!(indentation("[:find ?e\n       :where [?e]", 6), Some(7));
        assert_eq!(indentation("[\"open", 6), None);
        assert_eq!(indentation("[\"\\\\\"", 6), Some(7));
    }

    #[test]
    fn words_that_can_be_completed() {
        assert_eq!(word_before("[?e :file/pa", 12).map(|token| token.range), Some(4..12));
        assert_eq!(word_before("[?e :file/pa ?b]", 12).map(|token| token.range), Some(4..12));
        assert_eq!(word_before("[(cou", 5).map(|token| token.range), Some(2..5));
        assert_eq!(word_before("[\"abc", 5), None);
        assert_eq!(word_before("[ ", 2), None);
    }
}
