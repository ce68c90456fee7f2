//! Why native code gives nothing: a refusal of its own, or an error it ran into.

use annals_query::edn::Edn;
use annals_storage::anomaly::Category;

use super::failed;
use crate::error::Error;

/// Why a transaction function or a predicate of an entity gives nothing: the whole transaction is refused with it.
///
/// ```
/// use annals::{Edn, Refusal};
/// let refusal = Refusal::conflict("bank/overdrawn", "the account has 12 left").with("bank/left", 12);
/// # let _ = refusal;
/// ```
#[derive(Clone, Debug)]
pub struct Refusal(Reason);

#[derive(Clone, Debug)]
enum Reason {
    /// Said by the code, under a name of its own.
    Said { category: Category, code: String, message: String, data: Vec<(String, Edn)> },
    /// Whatever the code ran into.
    Failure(String),
    /// An error of the database.
    Error(Error),
}

impl Refusal {
    /// The state forbids it. `code` is a keyword of the program's own, without its colon: `bank/overdrawn`.
    pub fn conflict(code: &str, message: impl Into<String>) -> Refusal {
        Refusal::said(Category::Conflict, code, message.into())
    }

    /// The request is wrong, whatever the state.
    pub fn incorrect(code: &str, message: impl Into<String>) -> Refusal {
        Refusal::said(Category::Incorrect, code, message.into())
    }

    fn said(category: Category, code: &str, message: String) -> Refusal {
        Refusal(Reason::Said { category, code: code.to_owned(), message, data: Vec::new() })
    }

    /// The same refusal with one more fact; `key` is a keyword without colon. Only refusals that were said carry facts.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Edn>) -> Refusal {
        if let Reason::Said { data, .. } = &mut self.0 {
            data.push((key.to_owned(), value.into()));
        }
        self
    }

    /// The error that the caller of the transaction gets.
    pub(crate) fn into_error(self, name: &str) -> Error {
        match self.0 {
            Reason::Said { category, code, message, data } => {
                let error = Error::new(category, "db.error/rejected", message)
                    .with_data("db.error/function", Edn::keyword(name))
                    .with_data("db.error/code", Edn::keyword(&code));
                data.into_iter().fold(error, |error, (key, value)| error.with_data(&key, value))
            }
            Reason::Failure(why) => failed(name, &why, Vec::new()),
            Reason::Error(error) => error,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal(Reason::Error(error))
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Refusal {
        Refusal::from(why.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Refusal {
        Refusal(Reason::Failure(why))
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Refusal {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Refusal {
        Refusal::from(error.to_string())
    }
}
