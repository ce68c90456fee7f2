//! What can be wrong with a question, each with its category, keyword and place in the text.

use annals_storage::anomaly::Category;

use crate::edn::Span;

/// A failed read, check or run.
///
/// One shape for all: the keyword says what happened, the message says it for people, the hint says what to do,
/// the span where in the text, if text came.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What a caller can do.
    pub category: Category,
    /// What happened, as a keyword without colon: `db.error/unbound-variable`.
    pub keyword: &'static str,
    /// What happened, for people; names the offending thing.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the text that was read.
    pub span: Option<Span>,
}

/// A result with a query [`Error`].
pub type Result<V, E = Error> = std::result::Result<V, E>;

impl Error {
    /// The request is wrong.
    pub fn incorrect(keyword: &'static str, message: impl Into<String>) -> Error {
        Error::new(Category::Incorrect, keyword, message)
    }

    /// Any other category.
    pub fn new(category: Category, keyword: &'static str, message: impl Into<String>) -> Error {
        Error { category, keyword, message: cut(message.into()), hint: None, span: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(cut(hint.into()));
        self
    }

    /// With the place, unless a nearer one is known.
    #[must_use]
    pub fn at(mut self, span: Option<Span>) -> Error {
        self.span = self.span.or(span);
        self
    }
}

/// The most bytes of a message or hint: what is written is quoted in them, however long it is.
const MESSAGE_MAX: usize = 1_200;

/// A text without its middle, if it is too long: what happened stands at an end of it.
fn cut(mut text: String) -> String {
    if text.len() > MESSAGE_MAX {
        let (head, tail) = (text.floor_char_boundary(800), text.ceil_char_boundary(text.len() - 300));
        text.replace_range(head..tail, " … ");
    }
    text
}

impl From<annals_storage::Error> for Error {
    fn from(error: annals_storage::Error) -> Error {
        let made = Error::new(error.category(), error.keyword(), error.to_string());
        Error { hint: error.hint().map(str::to_owned), ..made }
    }
}
