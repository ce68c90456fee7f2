//! Connections to a PostgreSQL server for callers that block: kept while they work, made anew when they do not.
//!
//! Statements run on threads of this link, whatever thread asks, so that callers may block and may stand in a runtime of
//! their own. A statement is sent once: whether it is sent again is for the caller, who knows what it does. A failure
//! says `Refused` only where the server answered that nothing was done, or was never reached.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};
use uuid::Uuid;

use crate::backend::Failure;
use crate::backend::remote::{Bridge, chain};
use crate::error::{Error, Result};

/// How long a server that was reached before may be away, until calls fail at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one attempt to reach it may take, unless the address says.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement may take.
const ANSWER: Duration = Duration::from_secs(60);
/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// A parameter of a statement.
#[derive(Clone, Debug)]
pub(super) enum Param {
    Kind(i16),
    Number(i64),
    Id(Uuid),
    Text(String),
    Bytes(Vec<u8>),
    Ids(Vec<Uuid>),
    Many(Vec<Vec<u8>>),
}

impl Param {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Param::Kind(kind) => (kind, Type::INT2),
            Param::Number(number) => (number, Type::INT8),
            Param::Id(id) => (id, Type::UUID),
            Param::Text(text) => (text, Type::TEXT),
            Param::Bytes(bytes) => (bytes, Type::BYTEA),
            Param::Ids(ids) => (ids, Type::UUID_ARRAY),
            Param::Many(many) => (many, Type::BYTEA_ARRAY),
        }
    }
}

/// A server, and the connections to it.
pub(super) struct Link {
    lines: Arc<Lines>,
    bridge: Bridge,
}

struct Lines {
    config: Config,
    shown: String,
    lines: Vec<Mutex<Option<Arc<Client>>>>,
    turn: AtomicUsize,
    /// It was waited for in vain, and nobody reached it since. So it is before it was reached at all.
    is_away: AtomicBool,
}

impl Link {
    /// Reaches a server, or says why it cannot be.
    pub(super) fn open(address: &str, connections: usize) -> Result<Link> {
        let unreadable = |why: String| Error::BadAddress { address: without_password(address), why };
        let mut config: Config =
            address.parse().map_err(|error: tokio_postgres::Error| unreadable(chain(&error)))?;
        if matches!(config.get_ssl_mode(), SslMode::Require) {
            return Err(unreadable(
                "sslmode=require is not served; let a proxy on this machine encrypt".to_owned(),
            ));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unreadable("the host is missing".to_owned()));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("annals");
        }
        // Of several servers the one that takes writes; what it holds is read there too, for a standby may be behind.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let shown = shown(&config);
        let bridge = Bridge::new("annals-postgres")?;
        let lines = (0..connections).map(|_| Mutex::default()).collect();
        let lines = Arc::new(Lines {
            config,
            shown,
            lines,
            turn: AtomicUsize::new(0),
            is_away: AtomicBool::new(true),
        });
        let link = Link { lines: Arc::clone(&lines), bridge };
        link.bridge.run(async move { lines.line(0).await.map(drop) })?;
        Ok(link)
    }

    /// The rows a statement gives.
    pub(super) fn ask(&self, statement: &'static str, params: Vec<Param>) -> Result<Vec<Row>, Failure> {
        let lines = Arc::clone(&self.lines);
        self.bridge.run(async move { lines.ask(statement, &params).await })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.shown)
    }
}

impl Lines {
    async fn ask(&self, statement: &str, params: &[Param]) -> Result<Vec<Row>, Failure> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.lines.len();
        let client = self.line(turn).await?;
        let typed: Vec<(&(dyn ToSql + Sync), Type)> = params.iter().map(Param::typed).collect();
        match timeout(ANSWER, client.query_typed(statement, &typed)).await {
            Ok(answer) => answer.map_err(|error| self.failure(&error)),
            Err(_) => {
                self.lines[turn].lock().await.take();
                Err(Failure::Unknown(format!("{}: no answer within {} s", self.shown, ANSWER.as_secs())))
            }
        }
    }

    /// A connection that works as far as is known; made if there is none.
    async fn line(&self, turn: usize) -> Result<Arc<Client>, Failure> {
        let mut line = self.lines[turn].lock().await;
        if let Some(client) = line.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let reached = match self.is_away.load(Ordering::Relaxed) {
            true => self.connect().await,
            false => match timeout(PATIENCE, self.connect_patiently()).await {
                Ok(reached) => reached,
                Err(_) => {
                    self.is_away.store(true, Ordering::Relaxed);
                    self.connect().await
                }
            },
        };
        let client = Arc::new(reached.map_err(|error| Failure::Refused(self.unreached(&error)))?);
        *line = Some(Arc::clone(&client));
        Ok(client)
    }

    async fn connect_patiently(&self) -> Result<Client, tokio_postgres::Error> {
        let mut pause = PAUSES.0;
        loop {
            match self.connect().await {
                Err(error) if !is_final(&error) => sleep(pause).await,
                end => return end,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(NoTls).await?;
        // It ends when the client is dropped, or the server goes; callers are told by their answers.
        tokio::spawn(async move { drop(connection.await) });
        self.is_away.store(false, Ordering::Relaxed);
        Ok(client)
    }

    /// Why no connection could be made.
    fn unreached(&self, error: &tokio_postgres::Error) -> Error {
        let (path, why) = (self.shown.clone(), chain(error));
        match error.code() {
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => Error::NoStorage { path, why },
            Some(code) if code.code().starts_with("28") => Error::NotWritable { path, why },
            _ => Error::Unavailable(format!("{path}: {why}")),
        }
    }

    /// What a statement's failure means.
    fn failure(&self, error: &tokio_postgres::Error) -> Failure {
        let why = chain(error);
        let Some(code) = error.code() else { return Failure::Unknown(format!("{}: {why}", self.shown)) };
        if may_have_been_done(code) {
            return Failure::Unknown(format!("{}: {why}", self.shown));
        }
        let path = self.shown.clone();
        Failure::Refused(match code {
            code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Error::NotWritable { path, why },
            code if *code == SqlState::UNDEFINED_TABLE => Error::NoStorage { path, why },
            _ => Error::Unavailable(format!("{path}: {why}")),
        })
    }
}

/// True if trying again is of no use: the server was reached and does not want us.
fn is_final(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::INVALID_CATALOG_NAME
            || code.code().starts_with("28")
            || *code == SqlState::INSUFFICIENT_PRIVILEGE
    })
}

/// True of what a server says when it goes down, gives way to others, or does not know itself.
fn may_have_been_done(code: &SqlState) -> bool {
    const CLASSES: [&str; 3] = ["08", "40", "57"];
    CLASSES.iter().any(|class| code.code().starts_with(class))
}

/// The server as messages name it.
fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let port = config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
    format!("postgres://{user}{host}{port}/{}", config.get_dbname().unwrap_or_default())
}

/// An address that cannot be read, as messages show it.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "the address".to_owned() };
    match rest.rsplit_once('@') {
        Some((user, rest)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{}", rest.split('?').next().unwrap_or_default())
        }
        None => format!("{scheme}://{}", rest.split('?').next().unwrap_or_default()),
    }
}
