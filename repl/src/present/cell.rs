//! One value in one cell of a table: its text, on which side it stands, and how it is cut.
//!
//! Text stands bare, without quotes; what would move the cursor or colour the terminal is escaped. Width is counted
//! in terminal columns, not in characters.

use annals::Edn;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Most lines a nested value may take inside a table.
const MOST_LINES: usize = 12;

/// A value on its way into a table.
pub struct Cell<'e> {
    edn: &'e Edn,
    /// The text, on one line.
    line: String,
}

impl<'e> Cell<'e> {
    /// The cell of a value.
    pub fn new(edn: &'e Edn) -> Cell<'e> {
        Cell { edn, line: escaped(&bare(edn)) }
    }

    /// Columns that the whole text takes on one line.
    pub fn width(&self) -> usize {
        self.line.width()
    }

    /// True for numbers, entity ids among them.
    pub fn is_number(&self) -> bool {
        matches!(self.edn, Edn::Int(_) | Edn::BigInt(_) | Edn::Float(_) | Edn::Double(_) | Edn::BigDec(_))
    }

    /// The text inside so many columns: a nested value over several lines, anything else cut.
    pub fn fitted(&self, width: usize) -> String {
        if self.width() <= width || !is_nested(self.edn) {
            return cut(&self.line, width);
        }
        let pretty = annals::edn::pretty(self.edn, width);
        let mut lines: Vec<String> = pretty.lines().take(MOST_LINES).map(|line| cut(line, width)).collect();
        if pretty.lines().nth(MOST_LINES).is_some() {
            lines.push("…".into());
        }
        lines.join("\n")
    }
}

/// True for values with parts.
pub fn is_nested(edn: &Edn) -> bool {
    matches!(edn, Edn::List(_) | Edn::Vector(_) | Edn::Set(_) | Edn::Map(_))
}

/// A value as bare text: strings without quotes, instants and uuids without their tags, anything with parts as EDN.
pub fn bare(edn: &Edn) -> String {
    annals_server::plain::text(edn)
}

/// Text with everything escaped that is not seen: line ends, tabs, control codes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder the text around them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text if it fits into so many columns, else its beginning and `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let room = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let mut kept: String = kept.collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語のテキスト", 7), "日本語…");
        assert_eq!(cut("日本語のテキスト", 8), "日本語…");
        assert_eq!(cut("ab cd", 4), "ab…");
        assert_eq!(cut("abc", 0), "…");
    }

    #[test]
    fn the_terminal_cannot_be_played_with() {
        let cell = |text: &str| Cell::new(&Edn::string(text)).fitted(40);
        assert_eq!(cell("a\nb\tc"), "a\\nb\\tc");
        assert_eq!(cell("\x1b[31mred"), "\\u{1b}[31mred");
        assert_eq!(cell("\u{202e}txt"), "\\u{202e}txt");
    }

    #[test]
    fn bare_values() {
        assert_eq!(bare(&"text".into()), "text");
        assert_eq!(bare(&Edn::Inst(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(bare(&Edn::keyword("a/b")), ":a/b");
        assert_eq!(bare(&Edn::Vector(vec!["x".into(), Edn::Nil])), "[\"x\" nil]");
    }

    #[test]
    fn a_nested_value_that_does_not_fit_takes_lines() {
        let edn = Edn::Vector((0..40).map(|n| Edn::from(1000 + n)).collect());
        let text = Cell::new(&edn).fitted(20);
        assert!(text.lines().count() > 1);
        assert!(text.lines().count() <= MOST_LINES + 1);
        assert!(text.lines().all(|line| line.width() <= 20), "{text}");
    }
}
