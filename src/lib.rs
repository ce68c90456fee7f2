//! Annals: a temporal fact database, embedded.
//!
//! A database is a growing set of facts: *entity, attribute, value*, each asserted or retracted by a transaction at a
//! moment. Nothing is overwritten, so a database can be asked as of any moment of its past.
//!
//! ```
//! // A storage in memory; a path, say "music.annals", makes it a file.
//! let conn = annals::connect("mem:")?.database("main")?;
//!
//! // Attributes are facts too. Each transaction is one, all of it or nothing.
//! conn.transact(
//!     "[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
//!        :db/unique :db.unique/identity}
//!       {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
//! )?;
//! let first = conn.transact("[{:boat/name \"Argo\" :boat/fuel 10} {:boat/name \"Fram\" :boat/fuel 70}]")?;
//! conn.transact("[[:db/add [:boat/name \"Argo\"] :boat/fuel 25]]")?;
//!
//! // A database value never changes: ask it as often as you like.
//! let now = conn.db();
//! let fuel = "[:find ?name ?fuel :in $ ?least :where [?b :boat/name ?name] [?b :boat/fuel ?fuel] [(<= ?least ?fuel)]]";
//! let mut rows: Vec<(String, i64)> = annals::q(fuel)?.over(&now).arg(20).rows_as()?;
//! rows.sort();
//! assert_eq!(rows, [("Argo".to_owned(), 25), ("Fram".to_owned(), 70)]);
//!
//! // The same question, about the past.
//! let then = now.as_of(first.tx);
//! let rows: Vec<(String, i64)> = annals::q(fuel)?.over(&then).arg(20).rows_as()?;
//! assert_eq!(rows, [("Fram".to_owned(), 70)]);
//!
//! // What would happen if: nothing is stored, nobody else sees it.
//! let what_if = now.with("[[:db/retractEntity [:boat/name \"Fram\"]]]")?.db_after;
//! assert_eq!(what_if.entid((":boat/name", "Fram"))?, None);
//! assert!(now.entid((":boat/name", "Fram"))?.is_some());
//!
//! // One entity as a tree, and the log.
//! let argo = now.pull("[:boat/fuel]", (":boat/name", "Argo"))?;
//! assert_eq!(argo.to_string(), "{:boat/fuel 25}");
//! assert_eq!(conn.log().range(..)?.len(), 3);
//! # Ok::<(), annals::Error>(())
//! ```
//!
//! The library starts three threads for each database that is open for writing, reads the time from a [`Clock`] that can
//! be replaced, and prints nothing. [`Db`] and [`Connection`] are cheap to clone and to send to other threads.

mod address;
mod basis;
mod code;
mod commands;
mod connection;
mod database;
mod diff;
mod entity;
mod error;
mod excise;
mod fork;
#[cfg(test)]
mod fork_tests;
mod home;
pub mod import;
mod index_pull;
mod input;
mod kept;
mod leadership;
mod log;
mod names;
mod options;
mod question;
mod raw;
mod read_queries;
mod references;
mod remote;
mod replay;
mod requests;
mod rows;
mod schema;
mod stats;
mod store;
mod time;
mod transact;
mod transactor;
#[cfg(test)]
mod walks_tests;

pub use annals_query::aggregate::NAMES as AGGREGATES;
pub use annals_query::cursor::Cursor;
pub use annals_query::edn::{self, Edn, Form, Span};
pub use annals_query::functions::{Functions, names as functions, own::Failure};
pub use annals_query::plan::explain::{Explain, Line as ExplainLine, Reads as ExplainReads};
pub use annals_query::{Answer, Budget, Rows, Stopwatch, suggest};
pub use annals_storage::anomaly::Category;
pub use annals_storage::backend;
pub use annals_storage::backend::redb::Compacted;
pub use annals_storage::datom::{AttrId, Datom, EntityId, Keyword, Order, Symbol, T, Tag, Value};
pub use annals_storage::index::{
    Collected, Problem as VerifyProblem, Progress as VerifyProgress, Report as VerifyReport,
    Settings as IndexSettings,
};

#[cfg(feature = "js")]
pub use code::Limits;
pub use code::{Code, Context, Refusal};
pub use commands::CommandInfo;
pub use connection::Connection;
pub use database::{AttributeInfo, Db};
pub use diff::{Diff, Difference, diff};
pub use entity::{Entity, Field};
pub use error::{Error, Result};
pub use index_pull::IndexPull;
pub use input::{EntityName, TxData, TxRequest};
pub use leadership::{Leader, Role};
pub use log::{Log, Tx};
pub use options::Options;
pub use question::{Arg, Question, q};
pub use raw::{Index, Walk};
pub use read_queries::QueryCacheStats;
pub use requests::{RequestState, RequestStatus};
pub use store::{Store, compact, connect, connect_with};
pub use time::{Chance, Clock, SystemChance, SystemClock, TimePoint};
pub use transact::TxReport;
pub use transactor::Pending;
