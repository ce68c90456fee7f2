//! The nine kinds of failure every error of Annals belongs to.
//!
//! The vocabulary is that of the Datomic family: a category says what the caller can do, a keyword beside it says
//! what happened. Crates have error enums of their own; each maps to a [`Category`].

use std::fmt;

/// What a caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The request is wrong: change it.
    Incorrect,
    /// The request met a state that forbids it: look again, then decide.
    Conflict,
    /// What was named is not there.
    NotFound,
    /// A part that is needed cannot be reached now: try again later.
    Unavailable,
    /// The work was stopped before its end, by a limit or on request.
    Interrupted,
    /// Too much at once: slow down and try again.
    Busy,
    /// Not allowed.
    Forbidden,
    /// Not offered here.
    Unsupported,
    /// A fault of Annals or of the bytes it stands on.
    Fault,
}

impl Category {
    /// All of them.
    pub const ALL: [Category; 9] = [
        Category::Incorrect,
        Category::Conflict,
        Category::NotFound,
        Category::Unavailable,
        Category::Interrupted,
        Category::Busy,
        Category::Forbidden,
        Category::Unsupported,
        Category::Fault,
    ];

    /// The category's name as it stands in messages, EDN (`:incorrect`) and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Category::Incorrect => "incorrect",
            Category::Conflict => "conflict",
            Category::NotFound => "not-found",
            Category::Unavailable => "unavailable",
            Category::Interrupted => "interrupted",
            Category::Busy => "busy",
            Category::Forbidden => "forbidden",
            Category::Unsupported => "unsupported",
            Category::Fault => "fault",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
