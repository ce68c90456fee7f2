//! What can go wrong at rest.
//!
//! Each variant holds its context: the place, what was found, what was expected. Each maps to a [`Category`], which
//! says what the caller can do, to a keyword, which says what happened, and to a hint where something can be done.

use crate::anomaly::Category;

/// A storage failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Stored bytes are not what was written.
    #[error("corrupt {place}: {what}")]
    Corrupt {
        /// Where: database, slot or segment, offset.
        place: String,
        /// What was found, what was expected.
        what: String,
    },
    /// Stored bytes are of a format this build does not know. They are never guessed at.
    #[error("{place} has {what} {found}, this build knows {known}")]
    UnknownVersion {
        /// Where: file, slot or segment.
        place: String,
        /// Which of the format's numbers.
        what: &'static str,
        /// What stands there.
        found: u32,
        /// What this build reads.
        known: String,
    },
    /// The engine cannot be reached or failed.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// The storage is only read from here.
    #[error("{0}")]
    ReadOnly(String),
    /// A write was repeated as often as is sensible and may or may not have taken effect.
    #[error("{place}: it is unknown whether the write took effect ({why})")]
    OutcomeUnknown {
        /// The slot.
        place: String,
        /// What the engine said last.
        why: String,
    },
    /// Something exceeds what the format or the engine takes.
    #[error("{what} has {size} bytes, at most {limit} are stored")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that no stored code can stand for.
    #[error("{what} cannot be stored: {why}")]
    Unstorable {
        /// The value, by its type.
        what: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A batch that does not continue the log it is appended to.
    #[error("{place}: {what}")]
    OutOfOrder {
        /// The log and its end.
        place: String,
        /// What was handed in, what would continue the log.
        what: String,
    },
    /// The file is there but was not written by Annals.
    #[error("{path} is no Annals database: {found}")]
    NotADatabase {
        /// The file.
        path: String,
        /// What it begins with or lacks.
        found: String,
    },
    /// An address that leads to no engine.
    #[error("{address} is no storage address: {why}")]
    BadAddress {
        /// The address, without its password.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file is held open, by this process or another.
    #[error("{path} is already open")]
    AlreadyOpen {
        /// The file.
        path: String,
    },
    /// There is nothing at this path, and nothing was to be created.
    #[error("there is no storage at {path}: {why}")]
    NoStorage {
        /// The path.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The path cannot be opened for reading and writing.
    #[error("{path} cannot be opened for writing: {why}")]
    NotWritable {
        /// The path.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The store does not keep the promise that all safety stands on.
    #[error("{place} cannot keep a log: {what}")]
    Unsafe {
        /// The store.
        place: String,
        /// What it did when it was tried.
        what: String,
    },
    /// A value outlived its grace: what it reads was collected.
    #[error("{place} was collected: the database value that reads it is older than the grace period")]
    Expired {
        /// The segment.
        place: String,
    },
    /// Another index job published first.
    #[error("root {revision} of the database was published by another job")]
    Superseded {
        /// The root that stands there.
        revision: u64,
    },
    /// A name no database can have.
    #[error("{name:?} cannot name a database")]
    BadName {
        /// The name.
        name: String,
    },
}

/// A result with a storage [`Error`].
pub type Result<V, E = Error> = std::result::Result<V, E>;

impl Error {
    /// Stored bytes are not what was written.
    pub fn corrupt(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error::Corrupt { place: place.into(), what: what.into() }
    }

    /// What a caller can do about it.
    pub fn category(&self) -> Category {
        match self {
            Error::Corrupt { .. } | Error::OutOfOrder { .. } => Category::Fault,
            Error::UnknownVersion { .. } | Error::Unsafe { .. } => Category::Unsupported,
            Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::AlreadyOpen { .. } => {
                Category::Unavailable
            }
            Error::TooLarge { .. }
            | Error::Unstorable { .. }
            | Error::NotADatabase { .. }
            | Error::BadAddress { .. }
            | Error::BadName { .. } => Category::Incorrect,
            Error::NoStorage { .. } => Category::NotFound,
            Error::Expired { .. } => Category::Unavailable,
            Error::ReadOnly(_) => Category::Forbidden,
            Error::Superseded { .. } => Category::Conflict,
            Error::NotWritable { .. } => Category::Forbidden,
        }
    }

    /// What happened, as a keyword without colon.
    pub fn keyword(&self) -> &'static str {
        match self {
            Error::Corrupt { .. } => "db.error/corrupt",
            Error::UnknownVersion { .. } => "db.error/unknown-version",
            Error::Unavailable(_) => "db.error/storage-unavailable",
            Error::ReadOnly(_) => "db.error/read-only-storage",
            Error::OutcomeUnknown { .. } => "db.error/outcome-unknown",
            Error::TooLarge { .. } => "db.error/too-large",
            Error::Unstorable { .. } => "db.error/unstorable-value",
            Error::OutOfOrder { .. } => "db.error/log-out-of-order",
            Error::NotADatabase { .. } => "db.error/not-a-database",
            Error::BadAddress { .. } => "db.error/invalid-db-uri",
            Error::AlreadyOpen { .. } => "db.error/already-open",
            Error::NoStorage { .. } => "db.error/no-storage",
            Error::NotWritable { .. } => "db.error/not-writable",
            Error::Unsafe { .. } => "db.error/unsafe-storage",
            Error::BadName { .. } => "db.error/bad-database-name",
            Error::Expired { .. } => "db.error/value-expired",
            Error::Superseded { .. } => "db.error/root-superseded",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Error::UnknownVersion { .. } => "open it with the build that wrote it",
            Error::OutcomeUnknown { .. } => "read back before sending it again",
            Error::TooLarge { .. } => "split it or keep it elsewhere",
            Error::NotADatabase { .. } => "name another file, or a path that does not exist yet",
            Error::BadAddress { .. } => {
                "write postgres://USER@HOST:PORT/DATABASE, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX \
                 or dynamodb://TABLE"
            }
            Error::Unsafe { .. } => {
                "use a store that creates only what is absent (`If-None-Match: *`), or a newer version of this one"
            }
            Error::AlreadyOpen { .. } => {
                "close the other user of it (a REPL, a server), or connect to that server"
            }
            Error::NoStorage { .. } => "check the path, or create the storage first",
            Error::NotWritable { .. } => {
                "check the permissions: of the file and its folder, or of the user and its keys"
            }
            Error::BadName { .. } => "use 1 to 64 of the characters a-z A-Z 0-9 . _ -",
            Error::Expired { .. } => {
                "take a new database value from the connection, or collect with a longer grace"
            }
            Error::Superseded { .. } => "nothing was changed; the next job starts from the newer root",
            Error::Corrupt { .. } => {
                "nothing was changed; `annals verify --repair` makes trees anew from the log, else restore a copy"
            }
            Error::Unavailable(_) => "see to the engine, then try again",
            Error::ReadOnly(_) => "do it where the storage is",
            Error::Unstorable { .. } | Error::OutOfOrder { .. } => return None,
        })
    }
}
