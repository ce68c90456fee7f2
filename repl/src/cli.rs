//! The command line: every verb, option and word of help.
//!
//! Only what can be typed is here; what a verb does is in `verbs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::present::Format;
use crate::settings::Settings;
use crate::size::Size;

/// A temporal fact database: any fact, any moment.
#[derive(Debug, Parser)]
#[command(name = "annals", version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do; without it, the REPL.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// What the REPL is opened on.
    #[command(flatten)]
    pub repl: ReplArgs,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

const AFTER_HELP: &str = "\
STORAGE is an address: `mem:` (nothing is kept), `redb:PATH` or just a path (one file).
Settings: a flag wins over an ANNALS_* variable (ANNALS_STORAGE, ANNALS_DB, ANNALS_FORMAT, ANNALS_LISTEN,
ANNALS_LIMIT, ANNALS_WIDTH, ANNALS_TIMING, ANNALS_ROWS, ANNALS_TIMEOUT, ANNALS_MEMORY, ANNALS_CACHE, ANNALS_HISTORY),
that over the same keys in annals.toml.
Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// The database inside the storage [default: main]
    #[arg(long, global = true, value_name = "NAME")]
    pub db: Option<String>,
    /// How rows are printed [default: table on a terminal, else edn]
    #[arg(long, global = true, value_enum)]
    pub format: Option<Format>,
    /// How many columns wide tables may be [default: the terminal's]
    #[arg(long, global = true, value_name = "COLUMNS")]
    pub width: Option<usize>,
    /// The most rows a table shows, 0 for all [default: 100 in the REPL]
    #[arg(long, global = true, value_name = "ROWS")]
    pub limit: Option<usize>,
    /// The most rows a query may make on its way [default: 20000000]
    #[arg(long, global = true, value_name = "ROWS")]
    pub rows: Option<u64>,
    /// How many milliseconds a query may take [default: as long as it takes]
    #[arg(long, global = true, value_name = "MILLIS")]
    pub timeout: Option<u64>,
    /// How much memory to use in all, like 2GiB: split between caches, new facts and queries [default: about 512MiB
    /// and what a query needs]
    #[arg(long, global = true, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// How much of what was read to remember, like 256MiB [default: 256MiB, or about 3/8 of the memory]
    #[arg(long, global = true, value_name = "SIZE")]
    pub cache: Option<Size>,
    /// The settings file [default: annals.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Common {
    /// What the flags set.
    pub fn settings(&self) -> Settings {
        Settings {
            db: self.db.clone(),
            format: self.format,
            width: self.width,
            limit: self.limit,
            rows: self.rows,
            timeout: self.timeout,
            memory: self.memory,
            cache: self.cache,
            ..Settings::default()
        }
    }
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Ask and change a database, line by line
    Repl(ReplArgs),
    /// Serve a storage over HTTP: read and write
    Serve(ServeArgs),
    /// Order the writes of a storage, or stand by while another does; serves what is stored to peers
    Transactor(ServeArgs),
    /// Serve reads of a storage; writes are handed over to the transactor
    Peer(ServeArgs),
    /// Ask one question
    Query(QueryArgs),
    /// Pull a tree of facts about one entity
    Pull(PullArgs),
    /// Write one transaction
    Transact(TransactArgs),
    /// Run a command of the database
    Command(CommandArgs),
    /// Show the commands there are, and what they take
    Commands(CommandsArgs),
    /// Show what became of requests that had a key
    Requests(RequestsArgs),
    /// Show transactions, in order
    Log(LogArgs),
    /// Show the attributes
    Schema(SchemaArgs),
    /// Show counts and sizes
    Stats(StatsArgs),
    /// Load transactions from files
    Import(ImportArgs),
    /// Make a database that shares the past of another
    Fork(ForkArgs),
    /// Delete what is stored and needed no more
    Gc(GcArgs),
    /// Read everything stored and hold it against itself
    Verify(VerifyArgs),
}

/// `annals repl`
#[derive(Args, Clone, Debug, Default)]
pub struct ReplArgs {
    /// The storage, made if it is not there [default: mem:]
    pub storage: Option<String>,
    /// Load this bundled sample first, if the database is empty (git, git-small)
    #[arg(long, value_name = "NAME")]
    pub sample: Option<String>,
    /// When input comes from a pipe, stop at the first failure
    #[arg(long)]
    pub bail: bool,
}

/// `annals serve`
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// The storage, made if it is not there
    pub storage: Option<String>,
    /// Where to listen [default: 127.0.0.1:8417]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Allow listening on an address that others can reach, though nobody has to prove who they are
    #[arg(long)]
    pub insecure: bool,
    /// Where others reach this process, if not where it listens
    #[arg(long, value_name = "URL")]
    pub advertise: Option<String>,
    /// Where new transactions are fed from, if not from the transactor: another peer
    #[arg(long, value_name = "URL")]
    pub feed: Option<String>,
    /// How often who writes says so, in milliseconds [default: 2000]
    #[arg(long, value_name = "MS")]
    pub heartbeat: Option<u64>,
    /// How often the storage is looked at for what others wrote, in milliseconds, or never [default: 250]
    #[arg(long, value_name = "MS|never")]
    pub poll: Option<String>,
    /// How the server's log, on standard error, is written
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub log: LogForm,
    /// What is logged: error, warn, info (a line a request), debug, trace [default: warn]
    #[arg(long, value_name = "LEVEL", env = "ANNALS_LOG", hide_env_values = true)]
    pub log_level: Option<String>,
}

/// How a line of the server's log looks.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum LogForm {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}

/// Which moment a command looks at.
#[derive(Args, Clone, Debug, Default)]
pub struct ViewArgs {
    /// Look at the past: a t, a transaction, or an instant like 2024-05-01
    #[arg(long, value_name = "POINT")]
    pub as_of: Option<String>,
    /// Only what is newer than this
    #[arg(long, value_name = "POINT")]
    pub since: Option<String>,
    /// Every assertion and retraction, not only what holds
    #[arg(long)]
    pub history: bool,
}

/// `annals query`
#[derive(Args, Debug)]
pub struct QueryArgs {
    /// The storage; may be left out if a setting names one
    pub storage: Option<String>,
    /// The query, `-` for standard input
    pub query: Option<String>,
    /// Read the query from a file, `-` for standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "query")]
    pub file: Option<PathBuf>,
    /// An input of the query, in order, after the database (rules too)
    #[arg(long = "arg", short, value_name = "EDN", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Show the plan and its counts instead of the answer
    #[arg(long)]
    pub explain: bool,
    /// Answer a second time, slowly and plainly, and fail if the answers differ
    #[arg(long, conflicts_with = "explain")]
    pub verify: bool,
    /// The moment.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// `annals pull`
#[derive(Args, Debug)]
pub struct PullArgs {
    /// The storage; may be left out if a setting names one
    pub storage: Option<String>,
    /// The pattern, like '[:file/path :file/size]'
    pub pattern: Option<String>,
    /// The entity: an id, an ident or a lookup ref like '[:file/path "README.md"]'
    pub entity: Option<String>,
    /// The moment.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// `annals transact`
#[derive(Args, Debug)]
pub struct TransactArgs {
    /// The storage, made if it is not there; may be left out if a setting names one
    pub storage: Option<String>,
    /// The transaction data, a vector; `-` for standard input
    pub data: Option<String>,
    /// Read the transaction data from a file, `-` for standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "data")]
    pub file: Option<PathBuf>,
    /// Whether it is only tried.
    #[command(flatten)]
    pub trial: TrialArgs,
    /// How it is sent.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// Whether something is only tried, and at which moment.
#[derive(Args, Clone, Debug, Default)]
pub struct TrialArgs {
    /// Only show what it would do
    #[arg(long, conflicts_with_all = ["key", "expect", "later"])]
    pub dry_run: bool,
    /// What it would have done then: a t, a transaction, or an instant like 2024-05-01
    #[arg(long, value_name = "POINT", requires = "dry_run")]
    pub as_of: Option<String>,
}

/// What goes with a request to write.
#[derive(Args, Clone, Debug, Default)]
pub struct RequestArgs {
    /// A name that only this request has: sent again with it, it is answered again and not done again
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Refuse it if this is not so, like '{:basis 12}' (can be repeated)
    #[arg(long, value_name = "EDN")]
    pub expect: Vec<String>,
    /// Take it in now and carry it out later; `annals requests STORAGE KEY` tells what became of it
    #[arg(long, requires = "key")]
    pub later: bool,
}

/// `annals command`
#[derive(Args, Debug)]
pub struct CommandArgs {
    /// The storage; may be left out if a setting names one
    pub storage: Option<String>,
    /// The command, like :bank/transfer; the colon is needed where the storage is left out
    pub name: Option<String>,
    /// Its arguments by name, a map; `-` for standard input [default: {}]
    pub args: Option<String>,
    /// Whether it is only tried.
    #[command(flatten)]
    pub trial: TrialArgs,
    /// How it is sent.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `annals commands`
#[derive(Args, Debug)]
pub struct CommandsArgs {
    /// The storage
    pub storage: Option<String>,
    /// Those of the past: a t, a transaction, or an instant like 2024-05-01
    #[arg(long, value_name = "POINT")]
    pub as_of: Option<String>,
}

/// `annals requests`
#[derive(Args, Debug)]
pub struct RequestsArgs {
    /// The storage
    pub storage: Option<String>,
    /// Only the request with this key, in full
    pub key: Option<String>,
    /// How many of the newest to show
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub last: usize,
}

/// `annals log`
#[derive(Args, Debug)]
pub struct LogArgs {
    /// The storage
    pub storage: Option<String>,
    /// The first transaction: a t, a transaction, or an instant
    #[arg(long, value_name = "POINT")]
    pub from: Option<String>,
    /// The transaction after the last
    #[arg(long, value_name = "POINT")]
    pub to: Option<String>,
    /// Show the datoms of every transaction, not only their number
    #[arg(long)]
    pub datoms: bool,
}

/// `annals schema`
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// The storage
    pub storage: Option<String>,
    /// Only this attribute or namespace
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// The moment.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// `annals stats`
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// The storage
    pub storage: Option<String>,
}

/// `annals fork`
#[derive(Args, Debug)]
pub struct ForkArgs {
    /// The storage
    pub storage: String,
    /// The database whose past is shared
    pub from: String,
    /// The name of the new database
    pub to: String,
    /// The last that is shared: a t, a transaction, or an instant [default: the newest transaction]
    #[arg(long, value_name = "POINT")]
    pub at: Option<String>,
}

/// `annals gc`
#[derive(Args, Debug)]
pub struct GcArgs {
    /// The storage
    pub storage: Option<String>,
    /// Keep what became superfluous less than this ago, like 24h [default: what only other processes could need]
    #[arg(long, value_name = "SPAN", value_parser = crate::size::span)]
    pub grace: Option<Duration>,
    /// Then make the file as small as what it holds; nobody else may have it open
    #[arg(long)]
    pub compact: bool,
}

/// `annals verify`
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The storage
    pub storage: Option<String>,
    /// If something is wrong with the trees and the log is whole, make the trees anew from it
    #[arg(long)]
    pub repair: bool,
}

const VERIFY_HELP: &str = "\
Every slot, segment, leaf and directory is read, and the three orders are held against what the log says. What is wrong
is listed, and the exit status is 1. Without --repair nothing is changed.";

/// `annals import`
#[derive(Args, Debug)]
#[command(after_help = IMPORT_HELP)]
pub struct ImportArgs {
    /// The storage, made if it is not there
    pub storage: String,
    /// Files of EDN transactions, one form after another, plain or gzip; or a folder with schema.edn and
    /// transactions.edn or transactions.edn.gz
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// A file with the schema, transacted first
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Leave out so many transactions of the first file after the schema, instead of finding out by itself
    #[arg(long, value_name = "N")]
    pub skip: Option<u64>,
}

const IMPORT_HELP: &str = "\
An import that was stopped goes on where it stopped when it is run again: the leading transactions of each file
whose :db/txInstant is already in the database's log are left out. Transactions without a :db/txInstant cannot be
recognised; there, use --skip with the number that the stopped import told.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_word_is_a_storage_and_options_are_understood_everywhere() {
        let cli = Cli::try_parse_from(["annals", "music.annals", "--sample", "git"]).expect("it is right");
        assert_eq!(cli.repl.storage.as_deref(), Some("music.annals"));
        assert_eq!(cli.repl.sample.as_deref(), Some("git"));
        let cli = Cli::try_parse_from(["annals", "query", "mem:", "[:find]", "--db", "a", "--format", "csv"]);
        assert_eq!(cli.expect("it is right").common.settings().format, Some(Format::Csv));
    }

    #[test]
    fn arguments_that_begin_with_a_dash_are_arguments() {
        let cli = Cli::try_parse_from(["annals", "query", "mem:", "-", "--arg", "-5", "-a", "\"x\""]);
        let Some(Verb::Query(query)) = cli.expect("it is right").verb else { panic!("it is a query") };
        assert_eq!(query.query.as_deref(), Some("-"));
        assert_eq!(query.args, ["-5", "\"x\""]);
    }

    #[test]
    fn what_is_only_tried_is_no_request_and_what_is_done_later_has_a_key() {
        let parsed = |more: &[&str]| {
            Cli::try_parse_from([&["annals", "transact", "a", "[]", "--expect", "{:basis 1}"], more].concat())
        };
        assert!(parsed(&["--dry-run"]).is_err() && parsed(&["--later"]).is_err());
        let cli = parsed(&["--later", "--key", "k", "--expect", "{:basis 2}"]).expect("it is right");
        let Some(Verb::Transact(args)) = cli.verb else { panic!("it is a transaction") };
        assert_eq!(args.request.expect, ["{:basis 1}", "{:basis 2}"]);
    }
}
