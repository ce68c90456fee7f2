//! Colours of what is typed, and the bracket that belongs to the one at the cursor.

use super::lexer::{Kind, pairs, tokens};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const MATCHED: &str = "\x1b[1;4m";

/// The code that begins a token, if it has a colour.
fn code(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Keyword => Some("\x1b[36m"),
        Kind::Variable => Some("\x1b[33m"),
        Kind::String | Kind::Char => Some("\x1b[32m"),
        Kind::Number | Kind::Tag => Some("\x1b[35m"),
        Kind::Comment => Some(DIM),
        Kind::Open | Kind::Close | Kind::Symbol | Kind::Blank => None,
    }
}

/// The text in colours; the bracket at or before the cursor and its other half stand out.
pub fn colored(text: &str, cursor: usize) -> String {
    if text.trim_start().starts_with('.') {
        let end = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
        return format!(
            "\x1b[1m{}{RESET}{}",
            &text[..end],
            colored_forms(&text[end..], cursor.wrapping_sub(end))
        );
    }
    colored_forms(text, cursor)
}

fn colored_forms(text: &str, cursor: usize) -> String {
    let near = |at: usize| at == cursor || at + 1 == cursor;
    let matched = pairs(text).into_iter().find(|(open, close)| near(*open) || near(*close));
    let mut out = String::with_capacity(text.len() * 2);
    for token in tokens(text) {
        let part = &text[token.range.clone()];
        let is_matched =
            matched.is_some_and(|(open, close)| token.range.contains(&open) || token.range.contains(&close));
        let code = if is_matched && matches!(token.kind, Kind::Open | Kind::Close) {
            Some(MATCHED)
        } else {
            code(token.kind)
        };
        match code {
            Some(code) => out.extend([code, part, RESET]),
            None => out.push_str(part),
        }
    }
    out
}

/// A suggestion behind the cursor.
pub fn dimmed(text: &str) -> String {
    format!("{DIM}{text}{RESET}")
}

/// The prompt.
pub fn prompt(text: &str) -> String {
    format!("\x1b[1m{text}{RESET}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('\x1b') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            rest = &rest[rest.find('m').expect("codes end in m") + 1..];
        }
        out + rest
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        for text in ["[:find ?e \"x\" 1 ; c", ".as-of 7", "  .help", "日本 #{", ""] {
            for cursor in 0..=text.len() + 1 {
                assert_eq!(bare(&colored(text, cursor)), text);
            }
        }
    }

    #[test]
    fn the_bracket_at_the_cursor_and_its_other_half_stand_out() {
        assert_eq!(colored("[(a)]", 5), "\x1b[1;4m[\x1b[0m(a)\x1b[1;4m]\x1b[0m");
        assert_eq!(colored("[(a)]", 2).matches(MATCHED).count(), 2);
        assert_eq!(colored("[(a", 0).matches(MATCHED).count(), 0);
    }
}
