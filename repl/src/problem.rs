//! What went wrong, for the person at the terminal: category, keyword, message, hint, and the place in the text.
//!
//! Every failure of the binary becomes a [`Problem`], whether the database refused, a file could not be read, or
//! the command line made no sense. Drawing it with the place underlined is here too, so that the REPL and the
//! one-shot commands show the same thing.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use annals::{Category, Edn};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::session::lexer::{self, Kind, Token};
use annals::suggest::did_you_mean;

/// What happened when whoever read the answers went away.
const CLOSED_PIPE: &str = "cli.error/closed-pipe";

/// A failure, ready to be shown. Small to move: it is one pointer.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    category: Category,
    keyword: String,
    message: String,
    hint: Option<String>,
    span: Option<Range<usize>>,
    facts: Vec<(Edn, Edn)>,
    usage: bool,
    told: bool,
}

/// A result with a [`Problem`].
pub type Result<V, E = Problem> = std::result::Result<V, E>;

impl Problem {
    /// A failure of this kind.
    pub fn new(category: Category, keyword: &str, message: impl Into<String>) -> Problem {
        Problem(Box::new(Inner {
            category,
            keyword: keyword.to_owned(),
            message: message.into(),
            hint: None,
            span: None,
            facts: Vec::new(),
            usage: false,
            told: false,
        }))
    }

    /// Something typed makes no sense: a command, an argument, an option.
    pub fn usage(message: impl Into<String>) -> Problem {
        let mut problem = Problem::new(Category::Incorrect, "cli.error/usage", message);
        problem.0.usage = true;
        problem
    }

    /// A file that could not be read or written.
    pub fn file(path: &Path, error: &std::io::Error) -> Problem {
        let category = match error.kind() {
            std::io::ErrorKind::NotFound => Category::NotFound,
            std::io::ErrorKind::PermissionDenied => Category::Forbidden,
            _ => Category::Fault,
        };
        Problem::new(category, "cli.error/file", format!("{}: {error}", path.display()))
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.0.hint = Some(hint.into());
        self
    }

    /// With what to do about it, if something is known.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Problem {
        self.0.hint = hint.or(self.0.hint);
        self
    }

    /// With the place in the text it is about.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Problem {
        self.0.span = Some(span);
        self
    }

    /// The same, where the text it speaks of begins `offset` bytes into a longer one.
    #[must_use]
    pub fn shifted(mut self, offset: usize) -> Problem {
        self.0.span = self.0.span.map(|span| span.start + offset..span.end + offset);
        self
    }

    /// The same, known by the file and line where it happened instead of a place in one text.
    #[must_use]
    pub fn placed(mut self, place: String) -> Problem {
        self.0.message = format!("{place}: {}", self.0.message);
        self.0.span = None;
        self
    }

    /// The same, where possible with the one keyword the message is about as its place, and the nearest of the
    /// known names as a hint, if there is no better one.
    #[must_use]
    pub fn sharpened(mut self, text: &str, names: impl FnOnce() -> Vec<String>) -> Problem {
        let Some(span) = self.span() else { return self };
        let Some(part) = text.get(span.clone()) else { return self };
        let named = |token: &Token| {
            let word = &part[token.range.clone()];
            token.kind == Kind::Keyword
                && self.0.message.split_whitespace().any(|w| w.trim_matches(['`', ',', '.']) == word)
        };
        let Some(token) = lexer::tokens(part).into_iter().find(named) else { return self };
        let word = &part[token.range.clone()];
        self.0.span = Some(span.start + token.range.start..span.start + token.range.end);
        if self.has_suggestion() {
            return self;
        }
        let names = names();
        let known = names.iter().any(|name| name == word);
        let near = if known { None } else { did_you_mean(word, names.iter().map(String::as_str)) };
        self.maybe_hint(near)
    }

    /// The place in the text.
    pub fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }

    /// What happened, as a keyword without colon.
    pub fn keyword(&self) -> &str {
        &self.0.keyword
    }

    /// True if the hint already names what may have been meant.
    pub fn has_suggestion(&self) -> bool {
        self.0.hint.as_deref().is_some_and(|hint| hint.contains("did you mean"))
    }

    /// What to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The end of a script in which problems happened that were told when they happened.
    pub fn told(count: usize) -> Problem {
        let message = format!("{count} of the entries failed");
        Problem::new(Category::Incorrect, "cli.error/entries-failed", message).silenced()
    }

    /// The same, told already.
    #[must_use]
    pub fn silenced(mut self) -> Problem {
        self.0.told = true;
        self
    }

    /// True if the person knows already.
    pub fn is_told(&self) -> bool {
        self.0.told
    }

    /// True if whoever read the answers went away, as `head` does.
    pub fn is_closed_pipe(&self) -> bool {
        self.0.keyword == CLOSED_PIPE
    }

    /// The exit status of a command that ends with this: 2 for wrong usage, else 1.
    pub fn exit_status(&self) -> u8 {
        if self.0.usage { 2 } else { 1 }
    }

    /// Draws the problem; `text` is what its place refers to.
    pub fn draw(&self, text: Option<&str>, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let title =
            Level::ERROR.with_name(self.0.category.name()).primary_title(&self.0.message).id(&self.0.keyword);
        let facts = self.0.facts.iter().map(|(name, fact)| (Level::NOTE, format!("{name} {fact}")));
        let hint = self.0.hint.iter().map(|hint| (Level::HELP, hint.clone()));
        let remarks = facts.chain(hint);
        let mut group = Group::with_title(title);
        let place = text.zip(self.span()).and_then(|(text, span)| Some((text, inside(text, span)?)));
        let Some((text, span)) = place else {
            // Each part by itself, or lines would be drawn between them.
            let remark =
                |(level, line): (Level<'static>, String)| Group::with_title(level.secondary_title(line));
            let parts =
                std::iter::once(group).chain(remarks.map(remark)).map(|part| renderer.render(&[part]));
            return parts.collect::<Vec<_>>().join("\n");
        };
        group = group.element(Snippet::source(text).annotation(AnnotationKind::Primary.span(span)));
        for (level, line) in remarks {
            group = group.element(level.message(line));
        }
        renderer.render(&[group])
    }
}

/// The span cut to the text, on character boundaries; an empty one is widened to one character where there is one.
fn inside(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let next = text[start..].chars().next().map_or(0, char::len_utf8);
    let mut end = span.end.clamp(start + next, text.len().max(start + next));
    while !text.is_char_boundary(end) {
        end += 1;
    }
    (end <= text.len()).then_some(start..end)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.0.category, self.0.keyword, self.0.message)?;
        self.0.hint.as_deref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Problem {}

impl From<annals::Error> for Problem {
    fn from(error: annals::Error) -> Problem {
        Problem(Box::new(Inner {
            category: error.category(),
            keyword: error.keyword().to_owned(),
            message: error.message().to_owned(),
            hint: hint_here(&error),
            span: error.span().map(|span| span.start as usize..span.end as usize),
            facts: error.data().iter().map(|(name, fact)| (name.clone(), fact.clone())).collect(),
            usage: false,
            told: false,
        }))
    }
}

/// The library's hint, or a better one where the binary has its own way to follow it.
fn hint_here(error: &annals::Error) -> Option<String> {
    match (error.keyword(), error.hint()) {
        ("db.error/budget-exceeded", Some(hint)) if hint.contains("memory") => {
            Some("ask for less, or start with more --memory SIZE".to_owned())
        }
        ("db.error/budget-exceeded", _) => Some("ask for less, or start with --rows N".to_owned()),
        (_, hint) => hint.map(str::to_owned),
    }
}

/// Writing to the terminal or a pipe failed.
impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        let closed = error.kind() == std::io::ErrorKind::BrokenPipe;
        Problem::new(
            Category::Fault,
            if closed { CLOSED_PIPE } else { "cli.error/output" },
            error.to_string(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown() -> Problem {
        Problem::new(Category::Incorrect, "db.error/unknown-attribute", "unknown attribute :artist/nam")
            .hint("did you mean :artist/name?")
    }

    #[test]
    fn the_place_is_underlined_under_its_line() {
        let text = "[:find ?e\n :where [?e :artist/nam]]";
        let at = text.find(":artist").expect("it is there");
        let drawn = unknown().at(at..at + 11).draw(Some(text), false);
        assert!(
            drawn.starts_with("incorrect[db.error/unknown-attribute]: unknown attribute :artist/nam"),
            "{drawn}"
        );
        assert!(drawn.contains("2 |  :where [?e :artist/nam]]"), "{drawn}");
        assert!(drawn.contains("^^^^^^^^^^^"), "{drawn}");
        assert!(drawn.contains("help: did you mean :artist/name?"), "{drawn}");
    }

    #[test]
    fn a_place_past_the_end_or_inside_a_character_does_not_hurt() {
        for span in [0..0, 3..3, 1..2, 2..99, 50..60, Range { start: 3, end: 1 }] {
            unknown().at(span).draw(Some("aé"), false);
        }
        unknown().at(0..0).draw(Some(""), false);
    }

    #[test]
    fn the_place_narrows_to_the_keyword_the_message_is_about() {
        let text = "[:find ?e :where [?e :artist/nam]]";
        let clause = text.find("[?e").expect("it is there");
        let names = || vec![":artist/name".to_owned()];
        let problem = Problem::new(Category::Incorrect, "x", "there is no attribute :artist/nam")
            .at(clause..text.len() - 1);
        let problem = problem.sharpened(text, names);
        assert_eq!(&text[problem.span().expect("a place")], ":artist/nam");
        assert_eq!(problem.hint_text(), Some("did you mean `:artist/name`?"));
        let told = unknown().at(0..text.len()).sharpened(text, names);
        assert_eq!(told.hint_text(), Some("did you mean :artist/name?"), "a hint that suggests is kept");
    }

    #[test]
    fn wrong_usage_has_a_status_of_its_own() {
        assert_eq!(Problem::usage("no").exit_status(), 2);
        assert_eq!(unknown().exit_status(), 1);
    }

    #[test]
    fn without_a_place_the_hint_follows_at_once() {
        let want = "incorrect[db.error/unknown-attribute]: unknown attribute :artist/nam\nhelp: did you mean :artist/name?";
        assert_eq!(unknown().draw(Some("text"), false).trim_end().replace("\n\n", "\n"), want);
    }

    #[test]
    fn plain_means_no_escape_codes() {
        assert!(!unknown().draw(None, false).contains('\x1b'));
        assert!(unknown().draw(None, true).contains('\x1b'));
    }
}
