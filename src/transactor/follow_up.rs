//! What the writer does of its own accord: requests that were taken in for later, and tuples for entities that are older
//! than their composite.
//!
//! Both are found in the facts when a database is opened, so that nothing is forgotten by a stop. Requests that were
//! taken in run in their order, as soon as what took them in is durable. Tuples are made only while nothing else waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

use annals_storage::datom::{AttrId, EntityId};

use super::Submitted;
use super::upkeep::is_overtaken;
use super::writer::Writer;
use crate::input::{Mode, Request};
use crate::transact::key;

/// What is still to be done.
#[derive(Default)]
pub(super) struct FollowUps {
    /// Requests that were taken in.
    taken: VecDeque<Request>,
    /// Where the filling of each composite goes on.
    fills: BTreeMap<AttrId, EntityId>,
}

impl FollowUps {
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

impl Writer {
    /// Takes up what was left when the database was closed.
    pub(super) fn take_up(&mut self) {
        if !self.follow.drives() {
            return;
        }
        let mut open = key::open_intakes(&self.durable);
        if open.as_ref().is_err_and(is_overtaken) {
            // What this stood on was collected while another led.
            open = self.move_to_newest().and_then(|()| key::open_intakes(&self.durable));
        }
        match open {
            Ok(open) => {
                let requests = open.into_iter().filter_map(|(key, text)| Request::taken(&key, &text).ok());
                self.follow_ups.taken.extend(requests);
            }
            Err(error) => self.close(error),
        }
        self.follow_up();
    }

    /// The request was taken in: it is carried out next.
    pub(super) fn carry_out(&mut self, request: &Request) {
        self.follow_ups.taken.push_back(Request { mode: Mode::Taken, ..request.clone() });
    }

    /// Submits what is to be done.
    pub(super) fn follow_up(&mut self) {
        if self.closed.is_some() || !self.follow.drives() {
            // They are taken up by who leads next, or when the database is opened again.
            return self.follow_ups.taken.clear();
        }
        while let Some(request) = self.follow_ups.taken.pop_front() {
            self.submit_own(request);
        }
        if self.closed.is_some() || self.stopping || !self.has_nothing_to_do() || self.is_full() {
            return;
        }
        let Some(composite) = self.head.schema.filling().map(|attr| attr.id()).next() else {
            return self.follow_ups.fills.clear();
        };
        let from = self.follow_ups.fills.get(&composite).copied().unwrap_or(EntityId(0));
        self.submit_own(Request::fill(composite, from));
    }

    /// Tuples of a composite were made up to this entity.
    pub(super) fn filled(&mut self, composite: AttrId, next: EntityId) {
        self.follow_ups.fills.insert(composite, next);
    }

    /// A request that nobody waits for.
    fn submit_own(&mut self, request: Request) {
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        let (reply, _) = sync_channel(1);
        self.take(Submitted { request, reply, in_doubt: false });
    }
}
