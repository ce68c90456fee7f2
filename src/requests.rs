//! What became of requests that had a key: told from facts, so that every value of the database tells it.

use annals_query::edn::{Edn, read_one};
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, EntityId, Order, T, Value};
use std::ops::ControlFlow;

use crate::database::Db;
use crate::error::{Error, Result};
use crate::schema::bootstrap as at;

/// A request that had a key.
#[derive(Clone, Debug)]
pub struct RequestStatus {
    /// Its key.
    pub key: String,
    /// The transaction that took it in for later, if one did.
    pub taken_in: Option<T>,
    /// What became of it.
    pub state: RequestState,
    /// The command that was carried out, if it was one.
    pub command: Option<Edn>,
}

/// What became of a request. A final state never changes.
#[derive(Clone, Debug)]
pub enum RequestState {
    /// It was taken in and is to be carried out.
    Received,
    /// It was carried out.
    Committed {
        /// By this transaction.
        t: T,
    },
    /// It was refused, and would be refused again.
    Rejected {
        /// The transaction that records it.
        t: T,
        /// Why.
        error: Error,
    },
    /// It met a limit or a fault while it was carried out, and was given up.
    Failed {
        /// The transaction that records it.
        t: T,
        /// Why.
        error: Error,
    },
}

impl RequestState {
    /// True if it cannot change any more.
    pub fn is_final(&self) -> bool {
        !matches!(self, RequestState::Received)
    }

    /// `received`, `committed`, `rejected` or `failed`.
    pub fn name(&self) -> &'static str {
        match self {
            RequestState::Received => "received",
            RequestState::Committed { .. } => "committed",
            RequestState::Rejected { .. } => "rejected",
            RequestState::Failed { .. } => "failed",
        }
    }
}

impl Db {
    /// What became of the request with this key, as far as this value's basis knows; none if it knows of none.
    pub fn request(&self, key: &str) -> Result<Option<RequestStatus>> {
        let v = Value::string(key);
        let basis = self.basis();
        let intake = basis.holder(at::INTAKE_KEY, &v)?;
        let done = basis.holder(at::TX_KEY, &v)?;
        let Some(tx) = done.or(intake) else { return Ok(None) };
        let taken_in = intake.and_then(EntityId::t);
        let state = match done.and_then(EntityId::t) {
            None => RequestState::Received,
            Some(t) => self.outcome(tx, t)?,
        };
        let command = basis.value(tx, at::TX_COMMAND)?.map(|(v, _)| match v {
            Value::Ref(e) => basis.schema.ident(e).map_or(Edn::from(e), |name| Edn::Keyword(name.clone())),
            other => Edn::from(other),
        });
        Ok(Some(RequestStatus { key: key.to_owned(), taken_in, state, command }))
    }

    /// The newest requests that had a key, newest first.
    pub fn requests(&self, limit: usize) -> Result<Vec<RequestStatus>> {
        let mut found: Vec<(EntityId, String)> = Vec::new();
        for a in [at::TX_KEY, at::INTAKE_KEY] {
            found.extend(self.newest(a, limit)?);
        }
        found.sort();
        found.reverse();
        let mut told: Vec<RequestStatus> = Vec::new();
        for (_, key) in found {
            if told.len() < limit
                && !told.iter().any(|status| status.key == key)
                && let Some(status) = self.request(&key)?
            {
                told.push(status);
            }
        }
        Ok(told)
    }

    /// The newest entities with an attribute of text, and the text.
    fn newest(&self, a: AttrId, limit: usize) -> Result<Vec<(EntityId, String)>> {
        let mut found = Vec::new();
        let pattern = annals_storage::datom::Pattern::attribute(a);
        self.unfiltered().back(Order::Aevt, &pattern, &mut |datom| {
            if let Value::String(text) = &datom.v {
                found.push((datom.e, text.to_string()));
            }
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(found)
    }

    fn outcome(&self, tx: EntityId, t: T) -> Result<RequestState> {
        let Some((Value::String(text), _)) = self.basis().value(tx, at::TX_REFUSAL)? else {
            return Ok(RequestState::Committed { t });
        };
        let error =
            read_one(&text).ok().and_then(|told| Error::from_edn(&told.to_edn())).ok_or_else(|| {
                let message = format!("the refusal that transaction {t} records cannot be read");
                Error::new(Category::Fault, "db.error/corrupt", message)
            })?;
        Ok(match error.category() {
            Category::Interrupted | Category::Fault => RequestState::Failed { t, error },
            _ => RequestState::Rejected { t, error },
        })
    }
}
