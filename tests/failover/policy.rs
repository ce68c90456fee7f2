//! The rules that may be left out, and the names of all that may happen.
//!
//! What the rules are is in `acts`.

use std::fmt;

/// The rules, or all but one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// All of them.
    Right,
    /// A lost reply is taken for success.
    LossIsSuccess,
    /// A slot in doubt is passed over.
    SkipsSlot,
    /// A batch in doubt is sent again to the same slot as another batch.
    NewBytes,
    /// Slots are deleted once they are packed, where others may write.
    DeletesSlots,
    /// Who takes over goes on at the end of the log without having read up to there.
    ReadsNoEnd,
    /// Who takes itself for the leader puts its batch whatever is in the slot.
    Overwrites,
    /// Who takes over takes the highest epoch there is, not the next.
    SameEpoch,
    /// Who meets a higher epoch goes on with its own.
    KeepsEpoch,
    /// Who hears that another leads forgets what it has in flight, and judges without it.
    ForgetsFlight,
    /// A batch that was given up is not sent again before the next. This does no harm.
    DropsDoubt,
    /// What may have been written is said not to be, when the next writer that is asked cannot be reached.
    ForgetsDoubt,
}

/// What may happen. Numbers are those of writers, of requests, of puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Send(usize, usize),
    Write(usize),
    Effect(usize),
    Reply(usize),
    Lose(usize),
    Retry(usize),
    GiveUp(usize),
    Look(usize),
    Restart(usize),
    Land(usize),
    Delete,
    Stance(usize),
    Dismiss(usize),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writer = |w: &usize| ["A", "B", "C"][*w];
        match self {
            Act::Send(request, w) => write!(f, "{} is sent request {request}", writer(w)),
            Act::Write(w) => write!(f, "{} writes", writer(w)),
            Act::Effect(w) => write!(f, "{}'s put reaches its slot", writer(w)),
            Act::Reply(w) => write!(f, "{} gets the reply", writer(w)),
            Act::Lose(w) => write!(f, "{} loses the reply", writer(w)),
            Act::Retry(w) => write!(f, "{} tries again", writer(w)),
            Act::GiveUp(w) => write!(f, "{} gives up", writer(w)),
            Act::Look(w) => write!(f, "{} reads on", writer(w)),
            Act::Restart(w) => write!(f, "{} crashes and starts", writer(w)),
            Act::Land(_) => write!(f, "a late put reaches its slot"),
            Act::Delete => write!(f, "packed slots are deleted"),
            Act::Stance(w) => write!(f, "{} hears that another leads", writer(w)),
            Act::Dismiss(request) => write!(f, "request {request} is said not to be written"),
        }
    }
}
