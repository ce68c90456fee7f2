//! One error for everything the library can refuse, in nine categories.
//!
//! The category says what the caller can do, the keyword what happened, the message says it for people, the hint what
//! to do about it, the span where in the submitted text, and the data holds the facts of the matter for programs. An
//! error is small to move (one pointer) and cheap to clone, because one storage failure may answer many callers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use annals_query::edn::{Edn, Span};
use annals_storage::anomaly::Category;

/// Any failure, with category, keyword, hint and place.
///
/// ```
/// let error = annals::connect("ftp://somewhere").unwrap_err();
/// assert_eq!(error.category(), annals::Category::Unsupported);
/// assert_eq!(error.keyword(), "db.error/unsupported-protocol");
/// assert!(error.hint().is_some());
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    category: Category,
    keyword: Cow<'static, str>,
    message: String,
    hint: Option<String>,
    span: Option<Span>,
    data: BTreeMap<Edn, Edn>,
}

/// A result with an [`Error`].
pub type Result<V, E = Error> = std::result::Result<V, E>;

impl Error {
    /// A failure of this kind. `keyword` is written without its colon: `db.error/unique-conflict`.
    pub fn new(
        category: Category,
        keyword: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Error {
        Error(Arc::new(Inner {
            category,
            keyword: keyword.into(),
            message: message.into(),
            hint: None,
            span: None,
            data: BTreeMap::new(),
        }))
    }

    /// The request is wrong: change it.
    pub(crate) fn incorrect(keyword: &'static str, message: impl Into<String>) -> Error {
        Error::new(Category::Incorrect, keyword, message)
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Error {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Error {
        self.edit(|inner| inner.hint = Some(hint.into()))
    }

    /// The same error with its place in the text, unless a nearer one is known.
    #[must_use]
    pub fn at(self, span: Option<Span>) -> Error {
        self.edit(|inner| inner.span = inner.span.or(span))
    }

    /// The same error without a place: it stands in a text that the caller does not know.
    #[must_use]
    pub(crate) fn without_span(self) -> Error {
        self.edit(|inner| inner.span = None)
    }

    /// The same error without facts of the matter.
    #[must_use]
    pub(crate) fn without_data(self) -> Error {
        self.edit(|inner| inner.data.clear())
    }

    /// The same error with one more fact; `key` is a keyword without colon.
    #[must_use]
    pub fn with_data(self, key: &str, value: impl Into<Edn>) -> Error {
        self.edit(|inner| {
            inner.data.insert(Edn::keyword(key), value.into());
        })
    }

    /// The same error with these facts of the matter.
    #[cfg(feature = "remote")]
    #[must_use]
    pub(crate) fn with_all_data(self, data: BTreeMap<Edn, Edn>) -> Error {
        self.edit(|inner| inner.data = data)
    }

    /// The same error in other words.
    #[must_use]
    pub(crate) fn with_message(self, message: String) -> Error {
        self.edit(|inner| inner.message = message)
    }

    /// What the caller can do about it.
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// What happened, as a keyword without colon: `db.error/unique-conflict`.
    pub fn keyword(&self) -> &str {
        &self.0.keyword
    }

    /// What happened, for people. It names the offending thing.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the submitted text (query, transaction, pattern).
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }

    /// More facts about it, as EDN map entries (`:db.error/datoms` …), for people and programs.
    pub fn data(&self) -> &BTreeMap<Edn, Edn> {
        &self.0.data
    }
}

/// An error as data that is kept, and back.
impl Error {
    /// All of it, as an EDN map.
    pub(crate) fn to_edn(&self) -> Edn {
        let Inner { category, keyword, message, hint, span, data } = &*self.0;
        let mut parts = vec![
            ("category", Edn::keyword(category.name())),
            ("keyword", Edn::keyword(keyword)),
            ("message", Edn::string(message.as_str())),
            ("data", Edn::Map(data.clone())),
        ];
        parts.extend(hint.as_ref().map(|hint| ("hint", Edn::string(hint.as_str()))));
        parts.extend(span.map(|span| ("span", Edn::Vector(vec![span.start.into(), span.end.into()]))));
        Edn::Map(parts.into_iter().map(|(key, part)| (Edn::keyword(key), part)).collect())
    }

    /// The error that [`Error::to_edn`] told; `None` if the data tells none.
    pub(crate) fn from_edn(told: &Edn) -> Option<Error> {
        let Edn::Map(parts) = told else { return None };
        let part = |key: &str| parts.get(&Edn::keyword(key));
        let (Edn::Keyword(category), Edn::Keyword(keyword)) = (part("category")?, part("keyword")?) else {
            return None;
        };
        let category = Category::ALL.into_iter().find(|known| known.name() == category.as_str())?;
        let Edn::String(message) = part("message")? else { return None };
        let mut error = Error::new(category, keyword.as_str().to_owned(), message.to_string());
        if let Some(Edn::String(hint)) = part("hint") {
            error = error.with_hint(hint.to_string());
        }
        if let Some([Edn::Int(start), Edn::Int(end)]) = part("span").and_then(Edn::as_seq) {
            error = error.at(Some(Span { start: *start as u32, end: *end as u32 }));
        }
        match part("data") {
            Some(Edn::Map(data)) => Some(error.edit(|inner| inner.data = data.clone())),
            _ => Some(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} :{})", self.0.message, self.0.category, self.0.keyword)?;
        if let Some(hint) = &self.0.hint {
            write!(f, " hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<annals_query::Error> for Error {
    fn from(error: annals_query::Error) -> Error {
        let made = Error::new(error.category, error.keyword, error.message).at(error.span);
        match error.hint {
            Some(hint) => made.with_hint(hint),
            None => made,
        }
    }
}

/// On the way through a query and back: the data stays behind.
impl From<Error> for annals_query::Error {
    fn from(error: Error) -> annals_query::Error {
        // Only errors that were kept have keywords of their own, and queries do not meet those.
        let keyword = match error.0.keyword {
            Cow::Borrowed(keyword) => keyword,
            Cow::Owned(_) => "db.error/rejected",
        };
        let made = annals_query::Error::new(error.0.category, keyword, error.0.message.clone());
        let made = made.at(error.0.span);
        match &error.0.hint {
            Some(hint) => made.hint(hint.clone()),
            None => made,
        }
    }
}

impl From<annals_storage::Error> for Error {
    fn from(error: annals_storage::Error) -> Error {
        let made = Error::new(error.category(), error.keyword(), error.to_string());
        match error.hint() {
            Some(hint) => made.with_hint(hint),
            None => made,
        }
    }
}

/// A value in a message: cut if it is long.
pub(crate) fn brief(given: &Edn) -> String {
    const LONGEST: usize = 120;
    let mut text = given.to_string();
    if let Some((cut, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_place_wins() {
        let (near, far) = (Span { start: 3, end: 4 }, Span { start: 0, end: 9 });
        let error = Error::incorrect("db.error/nil-value", "nil").at(None).at(Some(near)).at(Some(far));
        assert_eq!(error.span(), Some(near));
    }

    #[test]
    fn an_error_that_was_kept_is_the_same() {
        let plain = Error::incorrect("db.error/nil-value", "nil");
        let told =
            plain.clone().with_hint("say").with_data("db.error/value", 1).at(Some(Span { start: 3, end: 4 }));
        for error in [plain, told] {
            let again = Error::from_edn(&error.to_edn()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{error:?}"));
            assert_eq!((again.span(), again.data()), (error.span(), error.data()));
        }
        assert!(Error::from_edn(&Edn::Nil).is_none());
    }

    #[test]
    fn a_clone_is_not_changed_by_what_is_added_later() {
        let plain = Error::incorrect("db.error/nil-value", "nil");
        let told = plain.clone().with_hint("say something").with_data("db.error/value", 1);
        assert_eq!((plain.hint(), plain.data().len()), (None, 0));
        assert_eq!((told.hint(), told.data().len()), (Some("say something"), 1));
    }
}
