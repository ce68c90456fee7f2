//! Stores that do what stores do: keep no promise, lose answers, tell of conflicts that were none, come late.
//!
//! Each is a wrapper of a store in memory with one habit. Those that break the promise to create only what is absent must
//! be found out; all others are to be lived with.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::backend::remote::wire::Told;

/// What a store does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Nothing.
    Honest,
    /// Creates over what is there.
    IgnoresConditions,
    /// Looks whether it is there, then creates: others come in between.
    LooksThenWrites,
    /// Creates now and then, and does not answer.
    LosesAnswers,
    /// Creates now and then, and says it was there: what a client's own second try is told.
    FindsItself,
    /// Says it is there now and then, and creates nothing.
    ConflictsForNothing,
    /// Fails, where it should say that it is there.
    FailsLosers,
    /// Lists what there was when it listed before.
    ListsLate,
    /// Gives half of what it holds now and then.
    CutsReads,
    /// Does not answer now and then, and creates later, if it is still absent: slots, that is. A segment that comes after it
    /// was deleted is what the sweeping of orphans is for.
    CreatesLate,
    /// Has enough now and then.
    Throttles,
}

/// Of so many calls one goes as the habit says.
const EVERY: usize = 3;
/// What is late comes after so many further calls.
const LATE: usize = 5;

/// A store with a habit.
#[derive(Debug)]
pub(super) struct Fake {
    memory: Arc<InMemory>,
    habit: Habit,
    calls: AtomicUsize,
    late: Mutex<Vec<(usize, Path, Bytes)>>,
    listed: Arc<Mutex<Vec<ObjectMeta>>>,
}

impl Fake {
    pub(super) fn new(habit: Habit) -> Fake {
        let (memory, calls, late, listed) = Default::default();
        Fake { memory, habit, calls, late, listed }
    }

    /// How many requests were made.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts a request; what is late comes before it. True if it goes as the habit says.
    async fn call(&self) -> Result<bool> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let due: Vec<_> = {
            let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            late.extract_if(.., |(after, ..)| *after <= number).collect()
        };
        for (_, key, bytes) in due {
            // It was refused, if somebody else was first.
            let _ = self.memory.put_opts(&key, bytes.into(), PutMode::Create.into()).await;
        }
        let goes_wrong = number % EVERY == EVERY - 1;
        if goes_wrong && self.habit == Habit::Throttles {
            return Err(answered(503 - (number % 2) as u16 * 74));
        }
        Ok(goes_wrong)
    }

    async fn create(&self, key: &Path, payload: PutPayload) -> Result<PutResult> {
        let goes_wrong = self.call().await?;
        let exists = || Error::AlreadyExists { path: key.to_string(), source: "so it says".into() };
        let create = async || self.memory.put_opts(key, payload.clone(), PutMode::Create.into()).await;
        match self.habit {
            Habit::IgnoresConditions => self.memory.put(key, payload).await,
            Habit::LooksThenWrites => {
                if self.memory.head(key).await.is_ok() {
                    return Err(exists());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.memory.put(key, payload).await
            }
            Habit::LosesAnswers if goes_wrong => create().await.and_then(|_| Err(lost())),
            Habit::FindsItself if goes_wrong => create().await.and_then(|_| Err(exists())),
            Habit::ConflictsForNothing if goes_wrong => Err(exists()),
            Habit::FailsLosers => create().await.map_err(|_| answered(500)),
            Habit::CreatesLate if goes_wrong && !key.as_ref().contains("/segment/") => {
                let due = (self.calls() + LATE, key.clone(), Bytes::from(payload));
                self.late.lock().unwrap_or_else(PoisonError::into_inner).push(due);
                Err(lost())
            }
            _ => create().await,
        }
    }
}

fn lost() -> Error {
    failure(HttpError::new(HttpErrorKind::Timeout, std::io::Error::other("no answer")))
}

fn answered(status: u16) -> Error {
    failure(HttpError::new(HttpErrorKind::Unknown, Told { status, text: String::new() }))
}

fn failure(source: HttpError) -> Error {
    Error::Generic { store: "fake", source: source.into() }
}

impl fmt::Display for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fake that {:?}", self.habit)
    }
}

#[async_trait]
impl ObjectStore for Fake {
    async fn put_opts(&self, key: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            return self.create(key, payload).await;
        }
        self.call().await?;
        self.memory.put_opts(key, payload, options).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("nothing is put in parts")
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let goes_wrong = self.call().await?;
        let mut got = self.memory.get_opts(key, options).await?;
        if goes_wrong && self.habit == Habit::CutsReads {
            let bytes = self.memory.get(key).await?.bytes().await?;
            let half = bytes.slice(..bytes.len() / 2);
            got.payload = GetResultPayload::Stream(stream::once(async { Ok(half) }).boxed());
        }
        Ok(got)
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.memory.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.habit != Habit::ListsLate {
            return self.memory.list(prefix);
        }
        let (memory, listed, prefix) = (Arc::clone(&self.memory), Arc::clone(&self.listed), prefix.cloned());
        let late = async move {
            let now: Vec<ObjectMeta> = memory.list(None).try_collect().await?;
            let before = std::mem::replace(&mut *listed.lock().unwrap_or_else(PoisonError::into_inner), now);
            let is_in =
                move |meta: &ObjectMeta| prefix.as_ref().is_none_or(|p| meta.location.prefix_matches(p));
            let before: Vec<Result<ObjectMeta>> = before.into_iter().filter(is_in).map(Ok).collect();
            Ok::<_, Error>(stream::iter(before))
        };
        stream::once(late).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        panic!("nothing is listed by folders")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("nothing is copied")
    }
}
