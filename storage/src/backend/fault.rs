//! A storage that fails on purpose, for tests of everyone above it.
//!
//! It wraps any engine and counts calls from 0. Which call fails and how is said by a script ([`FaultyStorage::at`])
//! or drawn from a seed ([`FaultyStorage::seeded`]); either way the same calls fail the same way each time. There is
//! no thread and no waiting: a late effect happens before a later call, and a delay is a hook that the test blocks in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DatabaseId, Failure, Filled, Limits, SegmentId, Sequence, Storage};
use crate::error::Error;

/// Seeded late effects happen before this many further calls were made.
pub const LATEST: u64 = 5;

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call takes effect, its reply is lost.
    LostReply,
    /// The call is lost on the way: no effect, no reply.
    LostRequest,
    /// The reply is lost, and the effect comes only after this many further calls. Reads have no effect to come.
    LateEffect {
        /// How many calls are made before.
        after: u64,
    },
    /// The process dies before the effect; all calls fail until [`FaultyStorage::recover`].
    CrashBefore,
    /// The process dies after the effect; all calls fail until [`FaultyStorage::recover`].
    CrashAfter,
    /// The engine answers that it cannot.
    Refused,
}

/// One call, as the delay hook sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number, from 0.
    pub number: u64,
    /// The operation's name: `fill_slot`.
    pub operation: &'static str,
}

type Effect = Box<dyn FnOnce(&dyn Storage) + Send>;
type Delay = Box<dyn Fn(Call) + Send + Sync>;

#[derive(Default)]
struct State {
    calls: u64,
    crashed: bool,
    script: BTreeMap<u64, Fault>,
    /// The state of the generator, and of 100 calls how many fail.
    chance: Option<(u64, u64)>,
    late: Vec<(u64, Effect)>,
}

/// A storage that fails on purpose.
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    state: Mutex<State>,
    delay: Option<Delay>,
}

impl FaultyStorage {
    /// Fails nowhere yet.
    pub fn new(inner: Arc<dyn Storage>) -> FaultyStorage {
        FaultyStorage { inner, state: Mutex::default(), delay: None }
    }

    /// Fails at this call.
    #[must_use]
    pub fn at(self, call: u64, fault: Fault) -> FaultyStorage {
        self.state().script.insert(call, fault);
        self
    }

    /// Loses replies and requests in `percent` of 100 calls, as the seed has it, and lets some fills of slots take
    /// effect late. Never crashes.
    #[must_use]
    pub fn seeded(self, seed: u64, percent: u64) -> FaultyStorage {
        self.state().chance = Some((seed, percent));
        self
    }

    /// Calls a hook before each call, with no lock held: it may block until the test lets it go on.
    #[must_use]
    pub fn delayed(mut self, hook: impl Fn(Call) + Send + Sync + 'static) -> FaultyStorage {
        self.delay = Some(Box::new(hook));
        self
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// True once a crash was injected.
    pub fn crashed(&self) -> bool {
        self.state().crashed
    }

    /// From now on every call fails, until [`FaultyStorage::recover`].
    pub fn crash(&self) {
        self.state().crashed = true;
    }

    /// A new process starts: calls work again. Late effects of the old one may still come.
    pub fn recover(&self) {
        self.state().crashed = false;
    }

    /// Lets all late effects happen now.
    pub fn land_late_effects(&self) {
        let late = std::mem::take(&mut self.state().late);
        late.into_iter().for_each(|(_, effect)| effect(&*self.inner));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call, lets due late effects happen, and says how this call fails.
    fn enter(&self, operation: &'static str) -> Result<Option<Fault>, Failure> {
        let (number, due, fault) = {
            let mut state = self.state();
            let number = state.calls;
            state.calls += 1;
            let (due, later) = std::mem::take(&mut state.late).into_iter().partition(|(at, _)| *at <= number);
            state.late = later;
            let due: Vec<(u64, Effect)> = due;
            (number, due, state.fault_of(number, operation))
        };
        due.into_iter().for_each(|(_, effect)| effect(&*self.inner));
        if let Some(delay) = &self.delay {
            delay(Call { number, operation });
        }
        let mut state = self.state();
        if state.crashed {
            return Err(Failure::Refused(Error::Unavailable("the process is dead".into())));
        }
        state.crashed = matches!(fault, Some(Fault::CrashBefore | Fault::CrashAfter));
        Ok(fault)
    }

    /// Makes a call and lets it fail as planned; `late` is the same call, owning what it needs.
    fn call<V>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&dyn Storage) -> Result<V, Failure>,
        late: impl FnOnce() -> Option<Effect>,
    ) -> Result<V, Failure> {
        let Some(fault) = self.enter(operation)? else { return call(&*self.inner) };
        match fault {
            Fault::LostReply | Fault::CrashAfter => {
                call(&*self.inner)?;
            }
            Fault::LateEffect { after } => {
                let mut state = self.state();
                let due = state.calls + after;
                state.late.extend(late().map(|effect| (due, effect)));
            }
            Fault::Refused => return Err(Failure::Refused(Error::Unavailable("refused on purpose".into()))),
            Fault::LostRequest | Fault::CrashBefore => {}
        }
        Err(Failure::Unknown(format!("{fault:?} of {operation}")))
    }

    fn read<V>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&dyn Storage) -> Result<V, Failure>,
    ) -> Result<V, Failure> {
        self.call(operation, call, || None)
    }
}

impl State {
    fn fault_of(&mut self, number: u64, operation: &str) -> Option<Fault> {
        if let Some(fault) = self.script.get(&number) {
            return Some(*fault);
        }
        let (seed, percent) = self.chance.as_mut()?;
        let draw = next(seed);
        if draw % 100 >= *percent {
            return None;
        }
        Some(match (draw >> 32) % 3 {
            0 => Fault::LostReply,
            1 if operation == "fill_slot" => Fault::LateEffect { after: (draw >> 40) % LATEST },
            _ => Fault::LostRequest,
        })
    }
}

/// The next number of a generator (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Debug for FaultyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {:?}", self.inner)
    }
}

impl Storage for FaultyStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        let late = || -> Option<Effect> {
            let bytes = bytes.to_vec();
            Some(Box::new(move |storage| drop(storage.fill_slot(sequence, number, &bytes))))
        };
        self.call("fill_slot", |storage| storage.fill_slot(sequence, number, bytes), late)
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.read("read_slots", |storage| storage.read_slots(sequence, from, limit))
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        let late = || -> Option<Effect> {
            let owned: Vec<_> = segments.iter().map(|(id, bytes)| (*id, bytes.to_vec())).collect();
            Some(Box::new(move |storage| {
                let segments: Vec<_> = owned.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
                drop(storage.write_segments(&segments));
            }))
        };
        self.call("write_segments", |storage| storage.write_segments(segments), late)
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.read("read_segments", |storage| storage.read_segments(ids))
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.read("list_segments", |storage| storage.list_segments(database, after, limit))
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        let late = || -> Option<Effect> {
            Some(Box::new(move |storage| drop(storage.delete_slots(sequence, below))))
        };
        self.call("delete_slots", |storage| storage.delete_slots(sequence, below), late)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        self.read("stored_bytes", |storage| storage.stored_bytes())
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        let late = || -> Option<Effect> {
            let ids = ids.to_vec();
            Some(Box::new(move |storage| drop(storage.delete_segments(&ids))))
        };
        self.call("delete_segments", |storage| storage.delete_segments(ids), late)
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        let late =
            || -> Option<Effect> { Some(Box::new(move |storage| drop(storage.delete_database(database)))) };
        self.call("delete_database", |storage| storage.delete_database(database), late)
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let late = || -> Option<Effect> {
            let (name, bytes) = (name.to_owned(), bytes.to_vec());
            Some(Box::new(move |storage| drop(storage.set_hint(database, &name, &bytes))))
        };
        self.call("set_hint", |storage| storage.set_hint(database, name, bytes), late)
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.read("hint", |storage| storage.hint(database, name))
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryStorage, suite};
    use super::*;

    const LOG: Sequence = Sequence::Log(DatabaseId(1));

    fn faulty(fault: Fault) -> (MemoryStorage, FaultyStorage) {
        let memory = MemoryStorage::new();
        (memory.clone(), FaultyStorage::new(Arc::new(memory)).at(0, fault))
    }

    fn filled(memory: &MemoryStorage) -> bool {
        !memory.read_slots(LOG, 0, 1).expect("memory does not fail").is_empty()
    }

    #[test]
    fn conforms_when_nothing_fails() {
        suite::conform(&|| Arc::new(FaultyStorage::new(Arc::new(MemoryStorage::new()))));
    }

    #[test]
    fn conforms_for_callers_who_settle_what_is_lost() {
        for seed in 0..20 {
            let fresh = || FaultyStorage::new(Arc::new(MemoryStorage::new())).seeded(seed, 30);
            suite::conform(&|| Arc::new(fresh()));
        }
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let effects = [
            (Fault::LostReply, true),
            (Fault::LostRequest, false),
            (Fault::LateEffect { after: 1 }, false),
            (Fault::CrashBefore, false),
            (Fault::CrashAfter, true),
            (Fault::Refused, false),
        ];
        for (fault, effect) in effects {
            let (memory, storage) = faulty(fault);
            assert!(storage.fill_slot(LOG, 0, b"x").is_err(), "{fault:?}");
            assert_eq!(filled(&memory), effect, "{fault:?}");
            assert_eq!(storage.crashed(), matches!(fault, Fault::CrashBefore | Fault::CrashAfter));
        }
    }

    #[test]
    fn a_late_effect_comes_after_the_calls_it_waits_for() {
        let (memory, storage) = faulty(Fault::LateEffect { after: 1 });
        storage.fill_slot(LOG, 0, b"late").unwrap_err();
        assert!(storage.read_slots(LOG, 0, 1).unwrap().is_empty());
        assert_eq!(storage.read_slots(LOG, 0, 1).unwrap(), [b"late".to_vec()]);

        let (_, storage) = faulty(Fault::LateEffect { after: 1 });
        storage.fill_slot(LOG, 0, b"late").unwrap_err();
        assert_eq!(storage.fill_slot(LOG, 0, b"first").unwrap(), Filled::Done);
        storage.land_late_effects();
        assert_eq!(storage.read_slots(LOG, 0, 1).unwrap(), [b"first".to_vec()]);
        assert!(filled(&memory));
    }

    #[test]
    fn slots_may_be_deleted_late() {
        let (memory, storage) = faulty(Fault::LateEffect { after: 9 });
        (0..4).for_each(|n| drop(memory.fill_slot(LOG, n, b"x").unwrap()));
        storage.delete_slots(LOG, 2).unwrap_err();
        assert!(filled(&memory));
        storage.land_late_effects();
        assert!(!filled(&memory));
        assert_eq!(memory.read_slots(LOG, 2, 9).unwrap().len(), 2);
    }

    #[test]
    fn a_crash_lasts_until_recovery() {
        let (memory, storage) = faulty(Fault::CrashAfter);
        storage.fill_slot(LOG, 0, b"x").unwrap_err();
        assert!(matches!(storage.fill_slot(LOG, 1, b"y"), Err(Failure::Refused(_))));
        storage.recover();
        assert_eq!(storage.fill_slot(LOG, 1, b"y").unwrap(), Filled::Done);
        assert_eq!(memory.read_slots(LOG, 0, 9).unwrap().len(), 2);
    }

    #[test]
    fn one_seed_gives_one_schedule() {
        let run = |seed| {
            let storage = FaultyStorage::new(Arc::new(MemoryStorage::new())).seeded(seed, 40);
            (0..100).map(|_| storage.hint(DatabaseId(1), "h").is_ok()).collect::<Vec<_>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn the_delay_hook_sees_each_call() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let storage = FaultyStorage::new(Arc::new(MemoryStorage::new()))
            .delayed(move |call| log.lock().expect("no panic").push(call));
        storage.fill_slot(LOG, 0, b"x").unwrap();
        storage.hint(DatabaseId(1), "h").unwrap();
        let expected = [Call { number: 0, operation: "fill_slot" }, Call { number: 1, operation: "hint" }];
        assert_eq!(*seen.lock().expect("no panic"), expected);
    }
}
