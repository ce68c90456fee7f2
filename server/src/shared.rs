//! What all requests share: the store, the limits on what runs at once, the tails, the counts; and whether it is ending.
//!
//! A database that was asked about stays open, so that the next request does not have to open it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::{Category, Connection, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::problem::Problem;
use crate::quick::Quick;
use crate::routes::{ROUTES, Work};
use crate::tail::Tails;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: StoreBox,
    pub(crate) options: ServerOptions,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tails: Arc<Tails>,
    pub(crate) quick: Quick,
    /// The description of all calls, made once.
    pub(crate) described: String,
    gates: [Gate; 4],
    open: Mutex<BTreeMap<String, Open>>,
    /// True from the moment the server is asked to stop.
    draining: watch::Sender<bool>,
    under_way: AtomicUsize,
    /// Told when a request has ended while the server is ending.
    ended: Notify,
    requests: AtomicU64,
    /// Tells the requests of this server from those of others.
    mark: u64,
}

/// How much of one kind of work may run at once.
#[derive(Debug)]
struct Gate {
    work: Work,
    places: Arc<Semaphore>,
    limit: usize,
}

/// A storage that others change is asked so seldom whether a database that is held open is still there.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A database that is held open; its debug text is its basis.
struct Open {
    connection: Connection,
    /// When the storage said last that it is there.
    seen: Instant,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.connection.db().basis_t())
    }
}

/// A request that is under way, as long as this lives.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(&'a Shared);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.0.is_draining() {
            self.0.ended.notify_waiters();
        }
    }
}

impl Shared {
    pub(crate) fn new(store: Store, options: ServerOptions) -> Shared {
        let gate = |work, limit: usize| {
            let limit = limit.min(Semaphore::MAX_PERMITS);
            Gate { work, places: Arc::new(Semaphore::new(limit)), limit }
        };
        let gates = [
            gate(Work::Read, options.reads),
            gate(Work::Write, options.writes),
            gate(Work::Stream, options.streams),
            gate(Work::Feed, options.feeds),
        ];
        Shared {
            store: StoreBox(store),
            metrics: Arc::new(Metrics::new()),
            tails: Arc::new(Tails::new(options.tail_bytes)),
            quick: Quick::new(options.spot_time),
            described: crate::openapi::text(ROUTES),
            gates,
            open: Mutex::default(),
            draining: watch::Sender::new(false),
            under_way: AtomicUsize::new(0),
            ended: Notify::new(),
            requests: AtomicU64::new(0),
            mark: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8),
            options,
        }
    }

    /// A place for a piece of work; none is needed for probes.
    pub(crate) fn admit(&self, work: Work) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let Some(gate) = self.gates.iter().find(|gate| gate.work == work) else { return Ok(None) };
        let permit = gate.places.clone().try_acquire_owned().map_err(|_| {
            self.metrics.refused(work);
            Problem::busy(work.name(), gate.limit)
        })?;
        Ok(Some(permit))
    }

    /// How much of each kind of work runs now.
    pub(crate) fn running(&self) -> impl Iterator<Item = (Work, usize)> + '_ {
        self.gates.iter().map(|gate| (gate.work, gate.limit - gate.places.available_permits()))
    }

    /// A database that must be there; it stays open.
    pub(crate) fn database(&self, name: &str) -> Result<Connection, Problem> {
        if let Some(connection) = self.known(name) {
            return Ok(connection);
        }
        let connection = match self.store.open_database(name) {
            Ok(connection) => connection,
            Err(error) => {
                let held = self.held(name).filter(|_| error.category() != Category::NotFound);
                // What is known is told, though the storage does not answer.
                return held.ok_or_else(|| error.into());
            }
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(name.to_owned(), Open { connection: connection.clone(), seen: Instant::now() });
        Ok(connection)
    }

    /// A database that is held open, and was there a moment ago.
    pub(crate) fn known(&self, name: &str) -> Option<Connection> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get(name)?;
        let is_there = match self.is_local() {
            // Nobody else can have dropped it.
            true => open.connection.is_open(),
            false => open.seen.elapsed() < LOOKED_AGAIN_AFTER,
        };
        is_there.then(|| open.connection.clone())
    }

    /// True if nobody else writes to the storage, and it is near.
    pub(crate) fn is_local(&self) -> bool {
        self.store.shared_storage().is_none()
    }

    fn held(&self, name: &str) -> Option<Connection> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(name).map(|open| open.connection.clone())
    }

    /// Holds a database open no more.
    pub(crate) fn forget(&self, name: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The databases that are open here, by name.
    pub(crate) fn open(&self) -> Vec<(String, Connection)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|(name, open)| (name.clone(), open.connection.clone())).collect()
    }

    /// Counts a request in; refused when the server is on its way out, but for probes.
    pub(crate) fn enter(&self, work: Work) -> Result<Option<UnderWay<'_>>, Problem> {
        if work == Work::Probe {
            return Ok(None);
        }
        // Counted before the look, so that who ends the server either sees this request or is seen by it.
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let entered = UnderWay(self);
        if self.is_draining() { Err(Problem::stopping()) } else { Ok(Some(entered)) }
    }

    /// A name for a request that came without one.
    pub(crate) fn next_request(&self) -> String {
        format!("{:016x}-{:x}", self.mark, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// True if the server is asked to stop.
    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Turns true when the server is asked to stop.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Takes no more requests, and waits for those under way.
    pub(crate) async fn drain(&self) {
        self.draining.send_replace(true);
        loop {
            // Listened for before the look, so that no end is missed.
            let ended = self.ended.notified();
            if self.under_way.load(Ordering::SeqCst) == 0 {
                break;
            }
            ended.await;
        }
    }

    /// Lets go of all databases.
    pub(crate) fn close(&self) {
        self.draining.send_replace(true);
        self.tails.close();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The store; its debug text is its address.
pub(crate) struct StoreBox(Store);

impl std::ops::Deref for StoreBox {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl std::fmt::Debug for StoreBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.address())
    }
}
