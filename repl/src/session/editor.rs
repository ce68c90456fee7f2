//! Line editing: when an entry is finished, what completes, how it is coloured, where the next line begins.
//!
//! The editor asks `entry`, `complete`, `highlight` and `lexer`; it decides nothing itself. The next line of an
//! unfinished entry is indented so that it stands under what it continues, prompt included.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler,
    Helper, KeyEvent, RepeatCount,
};

use super::complete::{self, Names};
use super::{entry, highlight, lexer};
use crate::problem::{Problem, Result};

/// How many entries the history keeps.
const HISTORY: usize = 10_000;

/// What came of asking for an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// An entry.
    Entry(String),
    /// Ctrl-C: what was typed is to be forgotten.
    Forgotten,
    /// Ctrl-D: the person leaves.
    End,
}

/// The line editor of a terminal.
pub struct LineEditor {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
    /// How much stands before the first line.
    margin: Arc<AtomicUsize>,
}

impl LineEditor {
    /// An editor that keeps its history in this file.
    pub fn new(history: Option<PathBuf>, color: bool) -> Result<LineEditor> {
        let config = Config::builder()
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(|error| failed(&error))?
            .completion_type(CompletionType::List)
            .build();
        let mut editor = Editor::with_config(config).map_err(|error| failed(&error))?;
        editor.set_helper(Some(Assistant { names: RefCell::default(), color }));
        let margin = Arc::new(AtomicUsize::new(0));
        let next_line = Box::new(NextLine(margin.clone()));
        editor.bind_sequence(KeyEvent::from('\r'), EventHandler::Conditional(next_line));
        if let Some(path) = &history {
            // The first time there is none, and one that cannot be read is no reason not to begin.
            let _ = editor.load_history(path);
        }
        Ok(LineEditor { editor, history, margin })
    }

    /// Asks for an entry.
    pub fn ask(&mut self, prompt: &str, names: impl FnOnce() -> Option<Names>) -> Result<Typed> {
        self.margin.store(prompt.chars().count(), Relaxed);
        if let (Some(helper), Some(names)) = (self.editor.helper(), names()) {
            helper.names.replace(names);
        }
        match self.editor.readline(prompt) {
            Ok(text) => {
                if !text.trim().is_empty() {
                    let _ = self.editor.add_history_entry(text.trim_end());
                }
                Ok(Typed::Entry(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Forgotten),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Writes the history to its file.
    pub fn save(&mut self) -> Result<()> {
        let Some(path) = &self.history else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Problem::file(folder, &error))?;
        }
        self.editor.save_history(path).map_err(|error| unsaved(path, &error))
    }
}

fn failed(error: &ReadlineError) -> Problem {
    Problem::new(annals::Category::Fault, "repl.error/terminal", format!("the terminal: {error}"))
}

fn unsaved(path: &Path, error: &ReadlineError) -> Problem {
    Problem::new(annals::Category::Fault, "cli.error/file", format!("{}: {error}", path.display()))
}

/// What Enter does: take the entry if it is finished, else begin the next line in its place.
struct NextLine(Arc<AtomicUsize>);

impl ConditionalEventHandler for NextLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let text = context.line();
        if context.pos() < text.len() || entry::is_finished(text) {
            return None;
        }
        let indent = lexer::indentation(text, self.0.load(Relaxed))?;
        Some(Cmd::Insert(1, format!("\n{}", " ".repeat(indent))))
    }
}

/// What the editor asks while typing goes on.
struct Assistant {
    names: RefCell<Names>,
    color: bool,
}

impl Helper for Assistant {}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if entry::is_finished(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        text: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::candidates(text, cursor, &self.names.borrow()))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, text: &str, cursor: usize, _: &Context<'_>) -> Option<String> {
        self.color.then(|| complete::hint(text, cursor, &self.names.borrow()))?
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, text: &'l str, cursor: usize) -> Cow<'l, str> {
        if self.color { Cow::Owned(highlight::colored(text, cursor)) } else { Cow::Borrowed(text) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.color { Cow::Owned(highlight::prompt(prompt)) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.color { Cow::Owned(highlight::dimmed(hint)) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.color
    }
}
