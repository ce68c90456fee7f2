//! Entries out of a stream of lines, for pipes and files: the same entries as a person would type.
//!
//! A line begins an entry; further lines belong to it until its brackets close. What is left open at the end is an
//! entry too, so that its problem is told.

use std::io::BufRead;

use super::entry::is_finished;
use crate::problem::{Problem, Result};

/// One entry of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What stands there.
    pub text: String,
    /// The line where it begins, from 1.
    pub line: usize,
}

/// Reads entries from lines.
pub struct Script<R> {
    lines: R,
    line: usize,
}

impl<R: BufRead> Script<R> {
    /// Entries of these lines.
    pub fn new(lines: R) -> Script<R> {
        Script { lines, line: 0 }
    }

    fn piece(&mut self) -> Result<Option<Piece>> {
        let mut piece = Piece { text: String::new(), line: self.line + 1 };
        while self.lines.read_line(&mut piece.text)? > 0 {
            self.line += 1;
            if piece.text.trim().is_empty() {
                piece.text.clear();
                piece.line = self.line + 1;
            } else if is_finished(&piece.text) {
                return Ok(Some(piece));
            }
        }
        Ok(Some(piece).filter(|piece| !piece.text.is_empty()))
    }
}

impl<R: BufRead> Iterator for Script<R> {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Result<Piece>> {
        self.piece().transpose()
    }
}

impl Problem {
    /// The same problem, told with the file and line of the entry it happened in; that entry's text goes with it.
    #[must_use]
    pub fn within(self, file: &str, piece: &Piece) -> Problem {
        let line = piece.line
            + self.span().map_or(0, |span| {
                piece.text.get(..span.start).map_or(0, |before| before.matches('\n').count())
            });
        self.placed(format!("{file}:{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(usize, String)> {
        Script::new(text.as_bytes())
            .map(|piece| piece.expect("it is text"))
            .map(|p| (p.line, p.text))
            .collect()
    }

    #[test]
    fn lines_become_entries() {
        let text = ".timing off\n\n[:find ?e\n :where [?e :a]]\n[{:a 1}]";
        let found = pieces(text);
        assert_eq!(found[0], (1, ".timing off\n".into()));
        assert_eq!(found[1], (3, "[:find ?e\n :where [?e :a]]\n".into()));
        assert_eq!(found[2], (5, "[{:a 1}]".into()));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_stays_open_is_an_entry_too() {
        assert_eq!(pieces("[:find\n"), [(1, "[:find\n".to_owned())]);
        assert!(pieces("\n \n").is_empty());
    }
}
