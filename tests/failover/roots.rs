//! The model of roots, index jobs, and the sweeping of what jobs left that never published.
//!
//! ```text
//!   leads ──Start──> segment written ──Publish──> next root slot filled: names it    or somebody was first: an orphan
//!     └──Fence──> next root slot filled with the same names ──Sweep──> what no root names goes, up to its own epoch
//! ```
//!
//! The root that is newest must name nothing that is gone. The log is here only as the epochs that were claimed in it; a
//! process learns of them when it reads, and may take itself for the leader long after it is not.

use std::fmt;

use crate::explore::Model;

const PROCESSES: usize = 2;
const ROOTS: usize = 4;
const SEGMENTS: usize = 3;
const EPOCHS: u8 = 3;
const STRAYS: usize = 1;

/// The rules, or all but one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Who sweeps publishes a root first; without a root nothing is swept.
    Right,
    /// Who sweeps publishes nothing.
    NoFence,
    /// Who sweeps publishes nothing if the newest root is of its own epoch, or a later one.
    TrustsOwnEpoch,
    /// Without a root, what earlier epochs left is swept.
    SweepsBeforeFirst,
    /// What later epochs write is swept too.
    SweepsLater,
}

/// How many roots there may be, and what there is beside jobs of who leads.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) roots: usize,
    /// Replies to published roots may be lost, and the puts land later.
    pub(crate) loses: bool,
    /// Who opens a database with a long log puts it to rest before it leads, as the epoch it would have.
    pub(crate) opens: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Root {
    epoch: u8,
    /// Segments, by number.
    names: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Job {
    segment: u8,
    epoch: u8,
    /// How many roots there were when it began.
    base: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Process {
    /// The highest it knows of; its own if it leads.
    epoch: u8,
    leads: bool,
    /// How many roots it knows of.
    roots: u8,
    job: Option<Job>,
    /// It puts a long log to rest, as this epoch, before it does anything else.
    opening: Option<u8>,
    /// It is about to sweep by what the first so many roots name, up to this epoch.
    sweep: Option<(u8, u8)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Rest {
    /// The highest epoch in the log.
    claimed: u8,
    roots: [Option<Root>; ROOTS],
    /// The epochs of all segments that were ever written.
    segments: [Option<u8>; SEGMENTS],
    deleted: u8,
    processes: [Process; PROCESSES],
    /// Puts that nobody waits for: the slot, the root.
    strays: [Option<(u8, Root)>; STRAYS],
}

/// What may happen, to which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Claim(usize),
    ReadLog(usize),
    Follow(usize),
    Open(usize),
    Opened(usize),
    Start(usize),
    Publish(usize),
    Lose(usize),
    Fence(usize),
    Sweep(usize),
    Crash(usize),
    Land(usize),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of, what) = match *self {
            Act::Claim(p) => (p, "leads"),
            Act::ReadLog(p) => (p, "reads the log"),
            Act::Follow(p) => (p, "reads the newest root"),
            Act::Open(p) => (p, "opens a long log"),
            Act::Opened(p) => (p, "has opened it"),
            Act::Start(p) => (p, "starts a job"),
            Act::Publish(p) => (p, "publishes it"),
            Act::Lose(p) => (p, "loses the reply to its root, and the job fails"),
            Act::Fence(p) => (p, "gets ready to sweep"),
            Act::Sweep(p) => (p, "sweeps"),
            Act::Crash(p) => (p, "crashes and starts"),
            Act::Land(_) => return write!(f, "a late root reaches its slot"),
        };
        write!(f, "{} {what}", ["A", "B"][of])
    }
}

/// Roots under a policy.
pub(crate) struct Roots {
    pub(crate) policy: Policy,
    pub(crate) bounds: Bounds,
}

impl Model for Roots {
    type State = Rest;
    type Action = Act;

    fn initial(&self) -> Rest {
        Rest::default()
    }

    fn actions(&self, rest: &Rest) -> Vec<Act> {
        let mut acts = Vec::new();
        for (p, process) in rest.processes.iter().enumerate() {
            let is_free = process.job.is_none() && process.sweep.is_none();
            acts.extend([Act::Crash(p)]);
            if let Some(job) = process.job {
                let has_slot = usize::from(job.base) < self.bounds.roots;
                let can_lose = has_slot && self.bounds.loses && rest.strays.contains(&None);
                acts.extend([Act::Publish(p)].into_iter().filter(|_| has_slot));
                acts.extend([Act::Lose(p)].into_iter().filter(|_| can_lose));
            }
            acts.extend([Act::Sweep(p)].into_iter().filter(|_| process.sweep.is_some()));
            let can_start = is_free && rest.segments.contains(&None);
            if process.opening.is_some() {
                acts.extend([Act::Start(p)].into_iter().filter(|_| can_start));
                acts.extend([Act::Opened(p)].into_iter().filter(|_| is_free));
                continue;
            }
            acts.push(Act::ReadLog(p));
            acts.extend([Act::Claim(p)].into_iter().filter(|_| rest.claimed < EPOCHS && !process.leads));
            acts.extend(
                [Act::Open(p)].into_iter().filter(|_| self.bounds.opens && is_free && !process.leads),
            );
            acts.extend([Act::Follow(p)].into_iter().filter(|_| is_free));
            acts.extend([Act::Start(p)].into_iter().filter(|_| process.leads && can_start));
            acts.extend([Act::Fence(p)].into_iter().filter(|_| process.leads && is_free));
        }
        acts.extend((0..STRAYS).filter(|put| rest.strays[*put].is_some()).map(Act::Land));
        acts
    }

    fn after(&self, rest: &Rest, act: Act) -> Rest {
        let mut rest = rest.clone();
        let claimed = rest.claimed;
        match act {
            Act::Claim(p) => {
                rest.claimed = claimed.max(rest.processes[p].epoch) + 1;
                (rest.processes[p].epoch, rest.processes[p].leads) = (rest.claimed, true);
            }
            Act::ReadLog(p) => rest.processes[p].note(claimed),
            Act::Follow(p) => rest.follow(p),
            Act::Open(p) => {
                let (known, roots) = (rest.known_epoch(), rest.count());
                let process = &mut rest.processes[p];
                (process.epoch, process.roots, process.opening) = (known, roots, Some(known + 1));
            }
            Act::Opened(p) => rest.processes[p].opening = None,
            Act::Start(p) => rest.start(p),
            Act::Publish(p) => rest.publish(p),
            Act::Lose(p) => rest.lose(p, self.bounds.roots),
            Act::Fence(p) => self.fence(&mut rest, p),
            Act::Sweep(p) => self.sweep(&mut rest, p),
            Act::Crash(p) => {
                if self.bounds.loses {
                    rest.lose(p, self.bounds.roots);
                }
                let (epoch, roots) = (rest.known_epoch(), rest.count());
                rest.processes[p] = Process { epoch, roots, ..Process::default() };
            }
            Act::Land(put) => {
                if let Some((slot, root)) = rest.strays[put].take() {
                    rest.fill(slot, root);
                }
            }
        }
        rest.normal()
    }

    fn broken(&self, rest: &Rest) -> Option<&'static str> {
        let names = rest.newest()?.names;
        (names & rest.deleted != 0).then_some("the newest root names what was swept")
    }

    fn is_fault(&self, act: Act) -> bool {
        matches!(act, Act::Lose(_) | Act::Crash(_) | Act::Land(_))
    }

    /// Nobody waits for anything here.
    fn is_settled(&self, _: &Rest) -> bool {
        true
    }
}

impl Roots {
    fn fence(&self, rest: &mut Rest, p: usize) {
        let (process, count) = (rest.processes[p], rest.count());
        let Some(newest) = rest.newest() else {
            if self.policy == Policy::SweepsBeforeFirst {
                rest.processes[p].sweep = Some((0, process.epoch - 1));
            }
            return;
        };
        let publishes = match self.policy {
            Policy::NoFence => false,
            Policy::TrustsOwnEpoch => newest.epoch < process.epoch,
            _ => true,
        };
        if publishes && usize::from(count) == self.bounds.roots {
            return;
        }
        if publishes {
            rest.fill(count, Root { epoch: newest.epoch.max(process.epoch), ..newest });
        }
        rest.processes[p].sweep = Some((rest.count(), process.epoch));
    }

    fn sweep(&self, rest: &mut Rest, p: usize) {
        let Some((roots, epoch)) = rest.processes[p].sweep.take() else { return };
        let names = rest.before(roots).map_or(0, |root| root.names);
        for (segment, of) in rest.segments.iter().enumerate() {
            let is_swept = of.is_some_and(|of| of <= epoch || self.policy == Policy::SweepsLater);
            if is_swept && names & (1 << segment) == 0 {
                rest.deleted |= 1 << segment;
            }
        }
    }
}

impl Process {
    fn note(&mut self, epoch: u8) {
        if epoch > self.epoch {
            (self.epoch, self.leads) = (epoch, false);
        }
    }
}

impl Rest {
    /// How many roots there are.
    fn count(&self) -> u8 {
        self.roots.iter().flatten().count() as u8
    }

    /// The highest epoch that is known to who reads root and log.
    fn known_epoch(&self) -> u8 {
        self.newest().map_or(0, |root| root.epoch).max(self.claimed)
    }

    fn newest(&self) -> Option<Root> {
        self.before(self.count())
    }

    fn before(&self, count: u8) -> Option<Root> {
        self.roots[usize::from(count.checked_sub(1)?)]
    }

    /// Fills the slot if it is empty; true if this stands there now.
    fn fill(&mut self, slot: u8, root: Root) -> bool {
        let there = &mut self.roots[usize::from(slot)];
        there.is_none() && there.replace(root).is_none()
    }

    /// Only who leads has anything to lose by a root of a higher epoch.
    fn follow(&mut self, p: usize) {
        let (newest, count) = (self.newest(), self.count());
        let process = &mut self.processes[p];
        process.roots = count;
        if let Some(newest) = newest.filter(|_| process.leads) {
            process.note(newest.epoch);
        }
    }

    fn start(&mut self, p: usize) {
        let Some(segment) = self.segments.iter().position(Option::is_none) else { return };
        let process = &mut self.processes[p];
        let epoch = process.opening.unwrap_or(process.epoch);
        process.job = Some(Job { segment: segment as u8, epoch, base: process.roots });
        self.segments[segment] = Some(epoch);
    }

    /// The root a job makes: all there was, and its own.
    fn made(&self, job: Job) -> Root {
        let names = self.before(job.base).map_or(0, |root| root.names);
        Root { epoch: job.epoch, names: names | (1 << job.segment) }
    }

    fn publish(&mut self, p: usize) {
        let Some(job) = self.processes[p].job.take() else { return };
        let root = self.made(job);
        if self.fill(job.base, root) {
            self.processes[p].roots = job.base + 1;
        } else {
            // Another was first. Who was opening the database fails; who leads follows.
            self.processes[p].opening = None;
            self.follow(p);
        }
    }

    fn lose(&mut self, p: usize, slots: usize) {
        let Some(job) = self.processes[p].job.take() else { return };
        let root = self.made(job);
        self.processes[p].opening = None;
        if let Some(free) = self.strays.iter_mut().find(|stray| stray.is_none())
            && usize::from(job.base) < slots
        {
            *free = Some((job.base, root));
        }
    }

    /// Puts that can do nothing any more are left out.
    fn normal(mut self) -> Rest {
        let roots = self.roots;
        for stray in &mut self.strays {
            stray.take_if(|(slot, _)| roots[usize::from(*slot)].is_some());
        }
        self.strays.sort();
        self
    }
}
