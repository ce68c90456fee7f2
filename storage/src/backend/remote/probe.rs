//! Suspicion: whether a store really creates only what is absent.
//!
//! Everything stands on that one promise, and there are servers that take the condition and ignore it, or look first and
//! write later. So before a store of unknown make is used, something is created twice, and eight race to create one
//! thing, a few times. Lost answers are settled as everywhere; a store that gave one thing to two of them is refused by
//! name. It is a test, no proof: who breaks the promise once in a thousand times gets by.

use std::sync::Barrier;
use std::thread;

use super::chance;
use crate::backend::settle::{self, repeat};
use crate::backend::{Failure, Filled};
use crate::error::{Error, Result};

const RACERS: usize = 8;
const ROUNDS: u32 = 3;

/// What is probed: things with names, which are created or there.
pub(in crate::backend) trait Creates: Sync {
    /// Creates it, unless it is there.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Filled, Failure>;
    /// What it holds, if it is there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// Deletes it.
    fn delete(&self, name: &str) -> Result<(), Failure>;
}

/// Refuses a store that breaks the promise; leaves nothing there.
pub(in crate::backend) fn probe(place: &str, store: &dyn Creates) -> Result<()> {
    for round in 0..=ROUNDS {
        let name = format!("{:032x}", chance()?);
        let broken = if round == 0 { twice(store, &name)? } else { together(store, &name)? };
        repeat(|| store.delete(&name))?;
        if let Some(what) = broken {
            return Err(Error::Unsafe { place: place.to_owned(), what });
        }
    }
    Ok(())
}

/// One after another.
fn twice(store: &dyn Creates, name: &str) -> Result<Option<String>> {
    let [first, second] = [chance()?.to_be_bytes(), chance()?.to_be_bytes()];
    let ends = [create(store, name, &first)?, create(store, name, &second)?];
    let stands = repeat(|| store.read(name))?;
    let kept = ends == [Filled::Done, Filled::Taken(first.to_vec())] && stands.as_deref() == Some(&first);
    Ok((!kept).then(|| "what was created once was created again, over it".to_owned()))
}

/// All at once.
fn together(store: &dyn Creates, name: &str) -> Result<Option<String>> {
    let start = Barrier::new(RACERS);
    let bytes = (0..RACERS).map(|_| Ok(chance()?.to_be_bytes())).collect::<Result<Vec<_>>>()?;
    let race = &|bytes: &[u8]| {
        start.wait();
        create(store, name, bytes)
    };
    let ends = thread::scope(|scope| {
        let racers: Vec<_> = bytes.iter().map(|bytes| scope.spawn(move || race(bytes))).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect::<Result<Vec<_>>>()
    })?;
    let won: Vec<usize> = (0..RACERS).filter(|racer| ends[*racer] == Filled::Done).collect();
    let [winner] = won[..] else {
        return Ok(Some(format!(
            "of {RACERS} that created one thing at the same time {} were told they did",
            won.len()
        )));
    };
    let stands = repeat(|| store.read(name))?;
    let agreed =
        ends.iter().all(|end| matches!(end, Filled::Done) || *end == Filled::Taken(bytes[winner].to_vec()));
    let kept = agreed && stands.as_deref() == Some(&bytes[winner][..]);
    Ok((!kept).then(|| {
        format!(
            "of {RACERS} that created one thing at the same time one was told it did, and another's stands"
        )
    }))
}

fn create(store: &dyn Creates, name: &str, bytes: &[u8]) -> Result<Filled> {
    settle::settle(bytes, || name.to_owned(), || store.create(name, bytes), || store.read(name))
}
