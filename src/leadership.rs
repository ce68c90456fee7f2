//! Who of those that share a storage is to write.
//!
//! ```text
//!              the hint stands still for three beats, or is given up
//!   standby ───────────────────────────────────────────────────────> leader    says so in a hint, every beat
//!           <───────────────────────────────────────────────────────
//!              the hint names a higher term
//! ```
//!
//! One hint of the storage names the transactor: its term, its address, and a number that rises with every beat. It may
//! be lost or stale, and two may take themselves for the leader for a while. Nothing but peace depends on it: what is
//! written is decided by who fills the next slot of a log ([`crate::transactor`]). No clock is compared with another's:
//! who waits counts its own beats.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annals_query::edn::{self, Edn};
use annals_storage::anomaly::Category;
use annals_storage::backend::{DatabaseId, Storage};

use crate::error::{Error, Result};
use crate::options::Options;

/// The hint that names the transactor; it belongs to the catalog, as there is one for all databases.
const HINT: &str = "transactor";
const OF_ALL: DatabaseId = DatabaseId(0);
/// Who has not moved for so many beats is taken to be gone.
pub(crate) const MISSED_BEATS: u32 = 3;

/// What a process does for a storage that others use too. A storage of its own (memory, a file) it always writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads; hands what is to be written to the transactor if there is one, and writes by itself if not. Several that do so
    /// pass the pen between them, transaction by transaction.
    #[default]
    Auto,
    /// Writes, and tells the others so; stands by while another does.
    Transactor,
    /// Only reads; what is to be written goes to the transactor.
    Peer,
}

/// What is known of the transactor of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// How often the storage has changed hands.
    pub term: u64,
    /// Where it takes transactions, if it said so.
    pub address: Option<String>,
    /// True if it is this process.
    pub is_self: bool,
}

/// What is to be done with a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// Write it.
    Writes,
    /// Another process writes: there, if it said where.
    Elsewhere(Option<String>),
}

/// Told when the stance may have changed; false if it is of no use any more.
type Watcher = Box<dyn Fn() -> bool + Send>;

/// Who writes to one storage, as this process has it.
pub(crate) struct Leadership {
    role: Role,
    storage: Arc<dyn Storage>,
    is_shared: bool,
    id: u128,
    heartbeat: Duration,
    poll: Option<Duration>,
    state: Mutex<State>,
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug, Default)]
struct State {
    leads: bool,
    /// Where this process is reached.
    address: Option<String>,
    term: u64,
    beat: u64,
    /// What the hint said last, of others or of itself.
    seen: Option<Told>,
    /// What it said at the last own beat of who beats: others here look in between.
    at_beat: Option<Seen>,
    /// How many own beats ago it said something else.
    still: u32,
    /// The hint of somebody who is taken to be gone.
    gone: Option<Told>,
}

/// What was seen of the hint, to be compared with what is seen later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen(Option<Told>);

/// The hint.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    term: u64,
    id: u128,
    beat: u64,
    address: Option<String>,
    /// True if nobody writes any more.
    is_given_up: bool,
}

impl Leadership {
    /// Of a storage that was opened so.
    pub(crate) fn new(storage: &Arc<dyn Storage>, options: &Options) -> Result<Arc<Leadership>> {
        let leadership = Leadership {
            role: options.role,
            storage: Arc::clone(storage),
            is_shared: !storage.limits().exclusive,
            id: options.chance.next_id()?,
            heartbeat: options.heartbeat.max(Duration::from_millis(1)),
            poll: options.poll,
            state: Mutex::default(),
            watchers: Mutex::default(),
        };
        if leadership.is_shared {
            // What cannot be read now is looked for again.
            let _ = leadership.look();
        }
        Ok(Arc::new(leadership))
    }

    /// True if other processes may use the storage.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// How long it waits between two looks.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// How often the log is looked at; none: only when somebody asks.
    pub(crate) fn poll(&self) -> Option<Duration> {
        self.poll
    }

    /// Reads the hint if no transactor is known.
    pub(crate) fn look_for_leader(&self) {
        if self.leader().is_none() {
            // What cannot be read now is looked for again with the next request.
            let _ = self.look();
        }
    }

    /// What is to be done with a transaction now, as far as is known. No I/O.
    pub(crate) fn stance(&self) -> Stance {
        let state = self.state();
        if !self.is_shared || state.leads {
            return Stance::Writes;
        }
        // One that is reached where this process is was here before it.
        let is_other =
            |told: &&Told| told.id != self.id && (told.address.is_none() || told.address != state.address);
        let leader = state.seen.as_ref().filter(|told| !told.is_given_up).filter(is_other);
        let is_gone = state.is_gone();
        match (self.role, leader) {
            // Nobody tells where to send it: those who are alike pass the pen between them.
            (Role::Auto, leader) if is_gone || leader.is_none_or(|told| told.address.is_none()) => {
                Stance::Writes
            }
            (_, leader) => Stance::Elsewhere(leader.and_then(|told| told.address.clone())),
        }
    }

    /// The transactor, if one is known and not known to be gone.
    pub(crate) fn leader(&self) -> Option<Leader> {
        let state = self.state();
        if state.leads || !self.is_shared {
            return Some(Leader { term: state.term, address: state.address.clone(), is_self: true });
        }
        let told = state.seen.as_ref().filter(|told| !told.is_given_up && !state.is_gone())?;
        Some(Leader { term: told.term, address: told.address.clone(), is_self: false })
    }

    /// Reads the hint again. None if it could not be read, which tells nothing, not that nobody is there.
    pub(crate) fn look(&self) -> Option<Seen> {
        let told = self.storage.hint(OF_ALL, HINT).ok()?.as_deref().and_then(Told::read);
        self.state().seen.clone_from(&told);
        Some(Seen(told))
    }

    /// Somebody has found the hint the same for as many beats as it takes: who gave it is gone.
    pub(crate) fn take_for_gone(&self, seen: Seen) {
        self.state().gone = seen.0;
    }

    /// Has somebody told when the stance may have changed.
    pub(crate) fn watch(&self, watcher: impl Fn() -> bool + Send + 'static) {
        self.watchers().push(Box::new(watcher));
    }

    /// Somebody else has written as a higher epoch: a transactor that leads looks at once whether another leads now.
    pub(crate) fn reconsider(&self) {
        if self.role == Role::Transactor && self.is_shared && self.state().leads {
            self.beat();
        }
    }

    /// One beat of a transactor: leads on, stands by, or takes over.
    fn beat(&self) {
        let led = self.state().leads;
        let looked = self.look();
        let mut state = self.state();
        if looked.is_some() {
            state.still = if looked == state.at_beat { state.still.saturating_add(1) } else { 0 };
            state.at_beat = looked;
        }
        let seen = state.seen.clone();
        let other = seen.filter(|told| told.id != self.id);
        // Of two that took over at once the one with the higher number stays.
        let is_outdone = |told: &Told| (told.term, told.id) > (state.term, self.id) && !told.is_given_up;
        if led && other.as_ref().is_some_and(is_outdone) {
            (state.leads, state.still) = (false, 0);
            drop(state);
            return self.tell();
        }
        let is_free = other.as_ref().is_none_or(|told| told.is_given_up) || state.still >= MISSED_BEATS;
        if !led && is_free {
            state.term = state.term.max(other.map_or(0, |told| told.term)) + 1;
            state.leads = true;
        }
        let (leads, told) = (state.leads, self.told(&mut state));
        drop(state);
        if leads {
            // Lost, it is said again at the next beat.
            let _ = self.storage.set_hint(OF_ALL, HINT, told.to_text().as_bytes());
        }
        if leads != led {
            self.tell();
        }
    }

    fn told(&self, state: &mut State) -> Told {
        state.beat += 1;
        let (term, beat, address) = (state.term, state.beat, state.address.clone());
        Told { term, id: self.id, beat, address, is_given_up: false }
    }

    /// Others reach this process here, from now on.
    pub(crate) fn advertise(&self, address: &str) {
        let mut state = self.state();
        state.address = Some(address.to_owned());
        let told = state.leads.then(|| self.told(&mut state));
        drop(state);
        if let Some(told) = told {
            // Lost, it is said again at the next beat.
            let _ = self.storage.set_hint(OF_ALL, HINT, told.to_text().as_bytes());
        }
    }

    /// Says that it writes no more, so that nobody has to wait.
    fn give_up(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.leads) {
            let told = Told { is_given_up: true, ..self.told(&mut state) };
            drop(state);
            let _ = self.storage.set_hint(OF_ALL, HINT, told.to_text().as_bytes());
        }
    }

    fn tell(&self) {
        self.watchers().retain(|watcher| watcher());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_gone(&self) -> bool {
        self.gone.is_some() && self.gone == self.seen
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leadership({:?}, {:?})", self.role, self.state())
    }
}

impl Told {
    fn to_text(&self) -> String {
        let mut parts = BTreeMap::from([
            (Edn::keyword("term"), Edn::from(self.term as i64)),
            (Edn::keyword("id"), Edn::string(format!("{:032x}", self.id))),
            (Edn::keyword("beat"), Edn::from(self.beat as i64)),
            (Edn::keyword("given-up"), Edn::Bool(self.is_given_up)),
        ]);
        if let Some(address) = &self.address {
            parts.insert(Edn::keyword("address"), Edn::string(address.as_str()));
        }
        Edn::Map(parts).to_string()
    }

    /// The hint, if it is one.
    fn read(bytes: &[u8]) -> Option<Told> {
        let Edn::Map(parts) = edn::read_one(std::str::from_utf8(bytes).ok()?).ok()?.to_edn() else {
            return None;
        };
        let part = |key: &str| parts.get(&Edn::keyword(key));
        let number = |key: &str| match part(key) {
            Some(Edn::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let Some(Edn::String(id)) = part("id") else { return None };
        let address = match part("address") {
            Some(Edn::String(address)) => Some(address.to_string()),
            _ => None,
        };
        Some(Told {
            term: number("term")?,
            id: u128::from_str_radix(id, 16).ok()?,
            beat: number("beat")?,
            address,
            is_given_up: part("given-up") == Some(&Edn::Bool(true)),
        })
    }
}

/// The thread of a transactor that says so, until this is dropped.
pub(crate) struct Beats {
    leadership: Arc<Leadership>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Beats {
    /// Begins, if it is this process's role. The first beat is over when it returns.
    pub(crate) fn start(leadership: &Arc<Leadership>) -> Result<Option<Beats>> {
        if leadership.role != Role::Transactor || !leadership.is_shared {
            return Ok(None);
        }
        leadership.beat();
        let (stop, stopped) = channel::<()>();
        let beating = Arc::clone(leadership);
        let run = move || {
            while stopped.recv_timeout(beating.heartbeat) == Err(RecvTimeoutError::Timeout) {
                beating.beat();
            }
        };
        let thread = thread::Builder::new().name("annals-lead".to_owned()).spawn(run).map_err(|error| {
            let message = format!("no thread can be started: {error}");
            Error::new(Category::Unavailable, "db.error/no-thread", message)
        })?;
        Ok(Some(Beats { leadership: Arc::clone(leadership), stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) =
            self.thread.take().filter(|thread| thread.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
        self.leadership.give_up();
    }
}

#[cfg(test)]
mod tests {
    use annals_storage::backend::MemoryStorage;

    use super::*;

    fn one(storage: &MemoryStorage, role: Role, address: Option<&str>) -> Arc<Leadership> {
        let storage: Arc<dyn Storage> = Arc::new(storage.clone());
        let one = Leadership::new(&storage, &Options { role, ..Options::default() }).unwrap();
        address.into_iter().for_each(|address| one.advertise(address));
        one
    }

    fn leads(of: &Leadership) -> bool {
        of.stance() == Stance::Writes
    }

    #[test]
    fn a_storage_of_ones_own_is_always_written_to() {
        let storage = MemoryStorage::new();
        assert!(
            [Role::Auto, Role::Transactor, Role::Peer].iter().all(|role| leads(&one(&storage, *role, None)))
        );
    }

    #[test]
    fn a_standby_takes_over_when_the_leader_is_silent() {
        let storage = MemoryStorage::shared();
        let [first, second] =
            ["http://first", "http://second"].map(|at| one(&storage, Role::Transactor, Some(at)));
        let (peer, auto) = (one(&storage, Role::Peer, None), one(&storage, Role::Auto, None));
        assert!(!leads(&first) && leads(&auto), "{auto:?}");
        first.beat();
        for _ in 0..10 {
            second.beat();
            first.beat();
            // Others of the same process look as often as they want.
            second.look().unwrap();
        }
        assert!(leads(&first) && !leads(&second));
        for of in [&second, &peer, &auto] {
            of.look().unwrap();
            assert_eq!(of.stance(), Stance::Elsewhere(Some("http://first".to_owned())), "{of:?}");
        }
        // It says nothing any more: not at once, but after three beats of its own the second leads.
        second.beat();
        for _ in 1..MISSED_BEATS {
            assert!(!leads(&second), "{second:?}");
            second.beat();
        }
        second.beat();
        assert!(leads(&second), "{second:?}");
        // The first was only paused: it finds the higher term.
        first.beat();
        assert_eq!(first.stance(), Stance::Elsewhere(Some("http://second".to_owned())));
        let seen = peer.look().unwrap();
        assert_eq!(peer.leader().unwrap().term, 2);
        // Who waited for it in vain may write by itself, or knows nobody.
        auto.look().unwrap();
        for of in [&peer, &auto] {
            of.take_for_gone(seen.clone());
        }
        assert!(peer.leader().is_none() && !leads(&peer) && leads(&auto));
        second.beat();
        auto.look().unwrap();
        assert!(!leads(&auto), "it lives after all");
    }

    #[test]
    fn of_two_that_take_over_at_once_one_stays() {
        let storage = MemoryStorage::shared();
        let [a, b] = [(); 2].map(|()| one(&storage, Role::Transactor, None));
        for of in [&a, &b] {
            let mut state = of.state();
            (state.leads, state.term) = (true, 5);
        }
        for _ in 0..2 {
            a.beat();
            b.beat();
        }
        assert!(leads(&a) != leads(&b), "{a:?} {b:?}");
    }

    #[test]
    fn who_gives_up_is_followed_at_once() {
        let storage = MemoryStorage::shared();
        let first = one(&storage, Role::Transactor, None);
        drop(Beats::start(&first).unwrap());
        assert!(!leads(&first));
        let second = one(&storage, Role::Transactor, None);
        second.beat();
        assert!(leads(&second) && second.leader().unwrap().term == 2, "{second:?}");
    }

    #[test]
    fn any_bytes_are_no_hint_or_one() {
        let told = Told { term: 3, id: 7, beat: 9, address: Some("http://a".to_owned()), is_given_up: false };
        assert_eq!(Told::read(told.to_text().as_bytes()), Some(told));
        for text in ["", "{", "[]", "{:term -1}", "{:term 1 :id \"x\" :beat 1}", "\u{0}"] {
            assert_eq!(Told::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Told::read(&[0xff]), None);
    }
}
