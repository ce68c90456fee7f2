//! What writers, clients and the storage may do: the protocol, and ways to get it wrong.
//!
//! ```text
//!   Write ──> Sent ──Effect──> Done ──Reply──> committed
//!              │ └── the slot is taken ──────> the other's batch is applied, and all is judged again
//!              └──── Lose ───────┴──> InDoubt ──Retry──> the same bytes to the same slot, or what stands there
//!          (the put may land later)      └──GiveUp──> its clients are told; kept, and sent before anything else
//! ```
//!
//! That a slot is taken is true for ever: when the reply comes makes no difference, so it comes at once.
//!
//! A [`Policy`] changes one rule. The numbers of faults have no bound, only those of slots and of puts on their way.

use crate::explore::Model;
use crate::policy::{Act, Policy};
use crate::world::{
    Batch, Bounds, Flight, STRAYS, Slots, Stage, Stray, Told, WRITERS, World, Writer, accepted, bits, end,
    is_refused, recorded,
};

/// The protocol under a policy.
pub(crate) struct Failover {
    pub(crate) policy: Policy,
    pub(crate) bounds: Bounds,
}

impl Model for Failover {
    type State = World;
    type Action = Act;

    fn initial(&self) -> World {
        World::default()
    }

    fn actions(&self, world: &World) -> Vec<Act> {
        let mut acts = Vec::with_capacity(24);
        for (w, writer) in world.writers.iter().enumerate().take(self.bounds.writers) {
            acts.extend(
                (0..self.bounds.requests).filter(|r| self.can_send(world, *r, w)).map(|r| Act::Send(r, w)),
            );
            match writer.flight.map(|flight| flight.stage) {
                None if self.can_write(writer) => acts.extend([Act::Write(w), Act::Look(w)]),
                None => acts.push(Act::Look(w)),
                Some(Stage::Sent) if self.has_room(world) => acts.extend([Act::Effect(w), Act::Lose(w)]),
                Some(Stage::Sent) => acts.push(Act::Effect(w)),
                Some(Stage::Done) => acts.extend([Act::Reply(w), Act::Lose(w)]),
                Some(Stage::InDoubt) => acts.extend([Act::Retry(w), Act::GiveUp(w)]),
            }
            acts.push(Act::Restart(w));
            if self.policy == Policy::ForgetsFlight && writer.flight.is_some() {
                acts.push(Act::Stance(w));
            }
        }
        acts.extend((0..STRAYS).filter(|put| world.strays[*put].is_some()).map(Act::Land));
        match self.policy {
            Policy::DeletesSlots => acts.push(Act::Delete),
            Policy::ForgetsDoubt => {
                acts.extend(bits(world.sent).filter(|r| self.is_keyed(*r)).map(Act::Dismiss))
            }
            _ => {}
        }
        acts
    }

    fn after(&self, world: &World, act: Act) -> World {
        let mut world = world.clone();
        match act {
            Act::Send(request, w) => {
                world.sent |= 1 << request;
                world.writers[w].waiting |= 1 << request;
            }
            Act::Write(w) => self.write(&mut world, w),
            Act::Effect(w) => self.effect(&mut world, w),
            Act::Reply(w) => {
                if let Some(flight) = world.writers[w].flight {
                    self.committed(&mut world, w, flight);
                }
            }
            Act::Lose(w) => self.lose(&mut world, w),
            Act::Retry(w) => self.retry(&mut world, w),
            Act::GiveUp(w) => self.give_up(&mut world, w),
            Act::Look(w) => self.look(&mut world, w),
            Act::Restart(w) => self.restart(&mut world, w),
            Act::Land(put) => {
                if let Some(Stray { slot, batch }) = world.strays[put].take() {
                    self.fill(&mut world, slot, batch);
                }
            }
            Act::Delete => world.deleted = end(&world.slots) as u8,
            Act::Stance(w) => world.writers[w].forgot = true,
            Act::Dismiss(request) if world.told[request] == Told::Nothing => {
                world.told[request] = Told::NotWritten;
            }
            Act::Dismiss(_) => {}
        }
        world.normal(matches!(self.policy, Policy::Overwrites | Policy::DeletesSlots))
    }

    fn broken(&self, world: &World) -> Option<&'static str> {
        world.broken()
    }

    fn is_fault(&self, act: Act) -> bool {
        !matches!(
            act,
            Act::Send(..) | Act::Write(_) | Act::Effect(_) | Act::Reply(_) | Act::Retry(_) | Act::Look(_)
        )
    }

    fn is_settled(&self, world: &World) -> bool {
        let is_answered = |r: usize| match world.told[r] {
            Told::Nothing => false,
            Told::Recorded(..) => true,
            Told::Refused | Told::NotWritten | Told::Unknown => !self.is_keyed(r),
        };
        (0..self.bounds.requests).all(is_answered)
    }
}

impl Failover {
    fn is_keyed(&self, request: usize) -> bool {
        self.bounds.keyed & (1 << request) != 0
    }

    fn can_send(&self, world: &World, request: usize, w: usize) -> bool {
        let bit = 1 << request;
        if !self.is_keyed(request) {
            return world.sent & bit == 0;
        }
        if !self.bounds.asks_again && world.told[request] != Told::Nothing {
            return false;
        }
        let has = |writer: &Writer| {
            let flying =
                writer.flight.filter(|flight| !flight.is_old).map_or(0, |flight| flight.batch.recorded());
            (writer.waiting | flying) & bit != 0
        };
        !has(&world.writers[w])
            && world.writers.iter().filter(|writer| has(writer)).count() < self.bounds.copies
    }

    fn has_room(&self, world: &World) -> bool {
        world.strays.iter().flatten().count() < self.bounds.strays
    }

    /// There is a slot, and something to be written: a request, or a fence if that leaves a slot to each request.
    fn can_write(&self, writer: &Writer) -> bool {
        let free = self.bounds.slots.saturating_sub(end(&writer.view));
        let open = (0..self.bounds.requests).filter(|r| recorded(&writer.view, *r).is_none()).count();
        let is_done =
            writer.waiting != 0 && bits(writer.waiting).all(|r| recorded(&writer.view, r).is_some());
        is_done
            || (free > 0
                && (writer.waiting != 0 || writer.unsettled.is_some() || (!writer.leads && free > open)))
    }

    /// Judges what waits, answers what is known, and sends the rest; what is in doubt goes first.
    fn write(&self, world: &mut World, w: usize) {
        let writer = world.writers[w];
        let slot = self.next_slot(world, &writer);
        if let Some(batch) = writer.unsettled {
            let flight = Flight { slot, batch, stage: Stage::Sent, refusals: 0, is_old: true };
            world.writers[w].flight = Some(flight);
            return;
        }
        let mut view = writer.view;
        if writer.forgot {
            let last = end(&view).saturating_sub(1);
            view[last] = None;
        }
        let (mut batch, mut refusals) = (self.next_batch(world, w, &view), 0);
        let before = accepted(&view);
        world.writers[w].waiting = 0;
        for request in bits(writer.waiting) {
            let (bit, known) = (1 << request, recorded(&view, request).filter(|_| self.is_keyed(request)));
            match known {
                Some((slot, accepted)) => world.tell(request, Told::Recorded(slot, accepted)),
                None if !is_refused(request, before | batch.accepted) => batch.accepted |= bit,
                None if self.is_keyed(request) => batch.refused |= bit,
                None if batch.recorded() == 0 => world.tell(request, Told::Refused),
                None => refusals |= bit,
            }
        }
        if batch.recorded() != 0 || writer.waiting == 0 {
            let flight = Flight { slot, batch, stage: Stage::Sent, refusals, is_old: false };
            world.writers[w].flight = Some(flight);
        }
    }

    fn next_slot(&self, world: &World, writer: &Writer) -> u8 {
        let slots = if self.policy == Policy::ReadsNoEnd { &world.slots } else { &writer.view };
        end(slots).min(self.bounds.slots - 1) as u8
    }

    fn next_batch(&self, world: &mut World, w: usize, view: &Slots) -> Batch {
        let Writer { leads, epoch, .. } = world.writers[w];
        let epoch = match self.policy {
            _ if leads => epoch,
            Policy::SameEpoch => epoch.max(1),
            _ => epoch + 1,
        };
        let previous = view.iter().flatten().last().map_or(0, |batch| batch.id);
        Batch { id: world.free_id(), previous, epoch, writer: w as u8, accepted: 0, refused: 0 }
    }

    /// Fills a slot if it is empty. Gives what stands there if it is not this batch.
    fn fill(&self, world: &mut World, slot: u8, batch: Batch) -> Option<Batch> {
        // Nothing is in a deleted slot; whoever fills it is not read.
        if slot < world.deleted {
            return None;
        }
        let there = &mut world.slots[usize::from(slot)];
        if self.policy == Policy::Overwrites {
            *there = Some(batch);
        }
        Some(*there.get_or_insert(batch)).filter(|there| there.id != batch.id)
    }

    fn effect(&self, world: &mut World, w: usize) {
        let Some(mut flight) = world.writers[w].flight else { return };
        match self.fill(world, flight.slot, flight.batch) {
            Some(there) => self.step_aside(world, w, flight, there),
            None => {
                flight.stage = Stage::Done;
                world.writers[w].flight = Some(flight);
            }
        }
    }

    fn committed(&self, world: &mut World, w: usize, flight: Flight) {
        if flight.is_old {
            // Its clients were told already, and what waits was not judged on it.
            return self.step_aside(world, w, flight, flight.batch);
        }
        let Flight { slot, batch, refusals, .. } = flight;
        let writer = &mut world.writers[w];
        (writer.flight, writer.leads, writer.epoch) = (None, true, batch.epoch);
        writer.view[usize::from(slot)] = Some(batch);
        for request in bits(batch.recorded()) {
            world.tell(request, Told::Recorded(slot, batch.accepted & (1 << request) != 0));
        }
        bits(refusals).for_each(|request| world.tell(request, Told::Refused));
    }

    /// Another batch stands there: it is applied, and all that waits is judged again.
    fn step_aside(&self, world: &mut World, w: usize, flight: Flight, there: Batch) {
        let writer = &mut world.writers[w];
        writer.flight = None;
        if !flight.is_old {
            writer.waiting |= flight.batch.recorded() | flight.refusals;
        }
        self.apply(writer, usize::from(flight.slot), there);
    }

    fn apply(&self, writer: &mut Writer, slot: usize, batch: Batch) {
        writer.view[slot] = Some(batch);
        (writer.unsettled, writer.forgot) = (None, false);
        let keeps = self.policy == Policy::KeepsEpoch && writer.leads;
        if batch.epoch > writer.epoch && !keeps {
            (writer.epoch, writer.leads) = (batch.epoch, false);
        }
    }

    fn lose(&self, world: &mut World, w: usize) {
        let Some(mut flight) = world.writers[w].flight else { return };
        if flight.stage == Stage::Sent {
            world.stray(flight);
        }
        if self.policy == Policy::LossIsSuccess {
            return self.committed(world, w, flight);
        }
        flight.stage = Stage::InDoubt;
        world.writers[w].flight = Some(flight);
    }

    /// Looks at the slot; if it is empty, sends the same again.
    fn retry(&self, world: &mut World, w: usize) {
        let Some(mut flight) = world.writers[w].flight else { return };
        match world.slots[usize::from(flight.slot)] {
            Some(there) if there.id == flight.batch.id => return self.committed(world, w, flight),
            Some(there) => return self.step_aside(world, w, flight, there),
            None => flight.stage = Stage::Sent,
        }
        match self.policy {
            Policy::SkipsSlot => flight.slot = (flight.slot + 1).min(self.bounds.slots as u8 - 1),
            Policy::NewBytes => flight.batch.id = world.free_id(),
            _ => {}
        }
        world.writers[w].flight = Some(flight);
    }

    fn give_up(&self, world: &mut World, w: usize) {
        let writer = &mut world.writers[w];
        if let Some(flight) = writer.flight.take() {
            let kept = Some(flight.batch).filter(|_| self.policy != Policy::DropsDoubt);
            (writer.unsettled, writer.leads) = (kept, false);
            self.tell_unknown(world, flight);
        }
    }

    /// Its clients are told that nobody knows; who has a key may ask again.
    fn tell_unknown(&self, world: &mut World, flight: Flight) {
        let of = if flight.is_old { 0 } else { flight.batch.recorded() | flight.refusals };
        bits(of & !self.bounds.keyed).for_each(|request| world.tell(request, Told::Unknown));
    }

    fn look(&self, world: &mut World, w: usize) {
        let from = end(&world.writers[w].view);
        for slot in from..end(&world.slots) {
            if let Some(batch) = world.slots[slot] {
                self.apply(&mut world.writers[w], slot, batch);
            }
        }
    }

    /// All it knew is lost; it reads the log. What it had sent may still arrive.
    fn restart(&self, world: &mut World, w: usize) {
        let Writer { flight, waiting, .. } = std::mem::take(&mut world.writers[w]);
        if let Some(flight) = flight {
            if flight.stage == Stage::Sent && self.has_room(world) {
                world.stray(flight);
            }
            self.tell_unknown(world, flight);
        }
        bits(waiting & !self.bounds.keyed).for_each(|request| world.tell(request, Told::Unknown));
        let earlier = (w + WRITERS) as u8;
        world.each_batch(|batch| {
            if usize::from(batch.writer) == w {
                batch.writer = earlier;
            }
        });
        self.look(world, w);
    }
}

impl World {
    fn tell(&mut self, request: usize, told: Told) {
        match self.told[request] {
            Told::Nothing => self.told[request] = told,
            before => self.is_contradicted |= before != told,
        }
    }

    /// A put that nobody waits for any more. One that is sent twice can do no more than one.
    fn stray(&mut self, Flight { slot, batch, .. }: Flight) {
        if self.strays.contains(&Some(Stray { slot, batch })) {
            return;
        }
        if let Some(free) = self.strays.iter_mut().find(|stray| stray.is_none()) {
            *free = Some(Stray { slot, batch });
        }
    }
}
