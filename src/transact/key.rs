//! Keys of requests: what came of a request is a fact of its transaction, so that sent again it is recognised and not
//! carried out again.
//!
//! A transaction that was accepted carries the key, a digest of the request and what its tempids became. A refusal that
//! is an answer to the request itself is recorded too, in a transaction of its own that says nothing else. What came of
//! the circumstances (too busy, too late, storage gone, a fault) is not: such a request can be sent again and will run.
//! Because all this is facts, it holds after a restart, a restored copy, and a takeover.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use annals_query::edn::{Edn, Form, read_one};
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, EntityId, Pattern, T, Value};
use annals_storage::snapshot::View;
use uuid::Uuid;

use super::ahead::Ahead;
use super::resolve::{Holders, Resolved};
use super::value::MAX_TEXT_BYTES;
use super::{Fact, Outcome, check, report};
use crate::basis::Basis;
use crate::code::{Allowance, Context};
use crate::database::Db;
use crate::error::{Error, Result, brief};
use crate::input::Mode;
use crate::schema::bootstrap as at;

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 200;

/// The key of a request, and what tells the request from others.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    text: Arc<str>,
    digest: Uuid,
}

/// What came of the request that a key was used for.
pub(crate) enum Known {
    /// A transaction.
    Committed(T),
    /// A refusal.
    Refused(Error),
    /// Nothing yet: it was taken in by this transaction, and is to be carried out.
    TakenIn(T),
}

impl Key {
    /// The key for a request.
    pub(crate) fn new(text: String, data: &Form, expectations: &[Form]) -> Result<Key> {
        if text.is_empty() || text.len() > MAX_KEY_BYTES {
            let message = format!("a key has 1 to {MAX_KEY_BYTES} bytes, and this one has {}", text.len());
            return Err(Error::incorrect("db.error/invalid-idempotency-key", message)
                .with_hint("take a random uuid, or a name that your program gives the request"));
        }
        let expectations = expectations.iter().map(Form::to_edn).collect();
        let request = Edn::Vector(vec![data.to_edn(), Edn::Vector(expectations)]).to_string();
        let digest = Uuid::from_u128(xxhash_rust::xxh3::xxh3_128(request.as_bytes()));
        Ok(Key { text: text.into(), digest })
    }

    /// The key itself.
    #[cfg(feature = "remote")]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn value(&self) -> Value {
        Value::String(Arc::clone(&self.text))
    }

    /// What is known of the request; none if its key was never used.
    pub(crate) fn find(&self, before: &Basis) -> Result<Option<Known>> {
        let done = before.holder(at::TX_KEY, &self.value())?;
        let Some(tx) = done.or(before.holder(at::INTAKE_KEY, &self.value())?) else { return Ok(None) };
        let t = tx.t().unwrap_or_default();
        if before.value(tx, at::TX_DIGEST)?.map(|(v, _)| v) != Some(Value::Uuid(self.digest)) {
            let key = Edn::String(Arc::clone(&self.text));
            let message = format!("the key {} belongs to another request, transaction {t}", brief(&key));
            return Err(Error::new(Category::Conflict, "db.error/idempotency-key-reused", message)
                .with_hint("a key goes with one request for ever; take a new one for this request")
                .with_data("db.error/key", key)
                .with_data("db.error/t", t as i64));
        }
        if done.is_none() {
            return Ok(Some(Known::TakenIn(t)));
        }
        let refusal = match before.value(tx, at::TX_REFUSAL)? {
            Some((Value::String(text), _)) => {
                read_one(&text).ok().and_then(|told| Error::from_edn(&told.to_edn()))
            }
            _ => None,
        };
        Ok(Some(
            refusal.map_or(Known::Committed(t), |error| {
                Known::Refused(error.with_data("db.error/replayed", true))
            }),
        ))
    }
}

/// True if facts of this attribute are only written by the database itself, for a key.
pub(super) fn is_mark(a: AttrId) -> bool {
    const MARKS: [AttrId; 8] = [
        at::TX_KEY,
        at::TX_DIGEST,
        at::TX_TEMPIDS,
        at::TX_REFUSAL,
        at::INTAKE_KEY,
        at::INTAKE_REQUEST,
        at::INTAKE_OPEN,
        at::TX_COMMAND,
    ];
    MARKS.contains(&a)
}

/// True if a refusal is an answer to the request itself, which would be the same at any time. Nobody waits for what was
/// taken in, or sends it again: all that can become of it is kept.
pub(crate) fn is_answer(error: &Error, mode: Mode) -> bool {
    match error.category() {
        Category::Busy | Category::Unavailable => false,
        Category::Interrupted | Category::Fault => mode == Mode::Taken,
        _ => true,
    }
}

fn fact(tx: EntityId, a: AttrId, v: Value) -> Fact {
    Fact { added: true, e: tx, a, v, span: None }
}

fn marks(tx: EntityId, key: &Key) -> [Fact; 2] {
    [fact(tx, at::TX_KEY, key.value()), fact(tx, at::TX_DIGEST, Value::Uuid(key.digest))]
}

/// A request that was taken in is not open any more.
fn close_intake(before: &Basis, key: &Key, facts: &mut Vec<Fact>) -> Result<()> {
    if let Some(intake) = before.holder(at::INTAKE_KEY, &key.value())?
        && before.value(intake, at::INTAKE_OPEN)?.is_some()
    {
        facts.push(Fact { added: false, ..fact(intake, at::INTAKE_OPEN, Value::Boolean(true)) });
    }
    Ok(())
}

/// Adds to a transaction what it is to be recognised by.
pub(super) fn stamp(before: &Db, key: &Key, resolved: &mut Resolved) -> Result<()> {
    let tx = EntityId::of_t(before.next_t());
    resolved.facts.extend(marks(tx, key));
    close_intake(before.basis(), key, &mut resolved.facts)?;
    let named = resolved.tempids.iter().filter(|(_, e)| **e != tx);
    let named: BTreeMap<Edn, Edn> =
        named.map(|(name, e)| (Edn::string(name.as_str()), Edn::from(*e))).collect();
    if !named.is_empty() {
        let text = Edn::Map(named).to_string();
        if text.len() > MAX_TEXT_BYTES {
            let message = "a request with a key has more tempids than can be remembered for it".to_owned();
            return Err(Error::incorrect("db.error/value-too-large", message).with_hint(
                "split the transaction, or leave tempids without a name where nobody asks for them",
            ));
        }
        resolved.facts.push(fact(tx, at::TX_TEMPIDS, Value::string(text)));
    }
    Ok(())
}

/// The transaction that records a refusal.
pub(crate) fn record(before: &Arc<Basis>, key: &Key, error: &Error, now: i64) -> Result<Outcome> {
    let tx = EntityId::of_t(before.t + 1);
    let mut text = error.to_edn().to_string();
    if text.len() > MAX_TEXT_BYTES {
        // The facts of the matter are too many to be kept.
        text = error.clone().without_data().to_edn().to_string();
    }
    let mut facts = marks(tx, key).to_vec();
    facts.push(fact(tx, at::TX_REFUSAL, Value::string(text)));
    close_intake(before, key, &mut facts)?;
    written(before, facts, now)
}

/// The transaction that takes a request in.
pub(crate) fn take_in(before: &Arc<Basis>, key: &Key, request: String, now: i64) -> Result<Outcome> {
    if request.len() > MAX_TEXT_BYTES {
        let message = format!("a request of {} bytes cannot be taken in for later", request.len());
        return Err(Error::incorrect("db.error/value-too-large", message).with_hint(format!(
            "at most {MAX_TEXT_BYTES} bytes are kept; transact it and wait for the answer"
        )));
    }
    let tx = EntityId::of_t(before.t + 1);
    let facts = vec![
        fact(tx, at::INTAKE_KEY, key.value()),
        fact(tx, at::INTAKE_REQUEST, Value::string(request)),
        fact(tx, at::INTAKE_OPEN, Value::Boolean(true)),
        fact(tx, at::TX_DIGEST, Value::Uuid(key.digest)),
    ];
    written(before, facts, now)
}

/// A transaction of these facts and nothing else.
fn written(before: &Arc<Basis>, facts: Vec<Fact>, now: i64) -> Result<Outcome> {
    let instant = check::instant(before, &facts, now)?;
    let (db, allowance) = (Db::new(Arc::clone(before)), Allowance::new(&before.home.options.code));
    let context = Context::before(&db, instant, &allowance);
    let net = check::net(&context, facts, &Holders::default())?;
    report::outcome(before, net, instant, before.next.clone(), BTreeMap::new(), &Ahead::default())
}

/// The requests that were taken in and are still to be carried out, oldest first: their keys and texts.
pub(crate) fn open_intakes(basis: &Basis) -> Result<Vec<(String, String)>> {
    let mut open = Vec::new();
    basis.each_in(&View::default(), &Pattern::attribute(at::INTAKE_OPEN), &mut |e, _, _, _| {
        open.push(e);
        ControlFlow::Continue(())
    })?;
    open.sort_unstable();
    let mut found = Vec::new();
    for intake in open {
        let text = |a| -> Result<Option<String>> {
            Ok(basis.value(intake, a)?.and_then(|(v, _)| match v {
                Value::String(text) => Some(text.to_string()),
                _ => None,
            }))
        };
        found.extend(text(at::INTAKE_KEY)?.zip(text(at::INTAKE_REQUEST)?));
    }
    Ok(found)
}

/// What the tempids of a transaction with a key became.
pub(crate) fn tempids(basis: &Basis, t: T) -> Result<BTreeMap<String, EntityId>> {
    let tx = EntityId::of_t(t);
    let mut tempids = BTreeMap::from([(super::expand::TX_TEMPID.to_owned(), tx)]);
    if let Some((Value::String(text), _)) = basis.value(tx, at::TX_TEMPIDS)?
        && let Ok(Edn::Map(named)) = read_one(&text).map(|form| form.to_edn())
    {
        tempids.extend(named.into_iter().filter_map(|(name, e)| match (name, e) {
            (Edn::String(name), Edn::Int(e)) => Some((name.to_string(), EntityId(u64::try_from(e).ok()?))),
            _ => None,
        }));
    }
    Ok(tempids)
}
