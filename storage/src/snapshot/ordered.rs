//! All rows of a path in the order of the index, whatever the view.
//!
//! Open rows come sorted from [`present`]. Closed rows are sorted by `to` inside a group (of one entity and attribute,
//! or attribute and value), and history makes two datoms of each. So with closed rows about, the sources are cut at a
//! common group border every few thousand rows, and what lies before the cut is gathered and sorted.

use std::cmp::Ordering;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::access::Path;
use super::emit::{Emit, Flow};
use super::era::Era;
use super::present::{self, Novel};
use crate::datom::T;
use crate::error::Result;
use crate::rest::{self, ClosedLeaves, Pages};
use crate::run::lanes::{Lane, Role, settle};
use crate::run::{Columns, Run, gallop};

/// Rows of the longest source that are sorted at once, if its groups allow.
const PIECE: usize = if cfg!(test) { 16 } else { 2048 };

/// Hands the path's rows on in order, then by transaction.
pub(super) fn scan(era: &Era<'_>, path: &Path<'_>, emit: &mut Emit<'_>) -> Flow {
    let mut closed = closed_sources(era, path)?;
    closed.retain(|source| !source.is_spent());
    if closed.is_empty() {
        present::in_order(era, path, emit)?;
    } else {
        closed.extend(open_sources(era, path)?);
        merged(era, path, &mut closed, emit)?;
    }
    emit.flush()
}

/// A run of novelty, or a page or leaf.
#[derive(Clone, Debug)]
pub(super) enum Held<'n> {
    Lent(&'n Run),
    Shared(Arc<Run>),
}

impl Deref for Held<'_> {
    type Target = Run;

    fn deref(&self) -> &Run {
        match self {
            Held::Lent(run) => run,
            Held::Shared(run) => run,
        }
    }
}

/// Sorted rows, some at hand and more to come.
struct Source<'n> {
    at_hand: Part<'n>,
    more: More<'n>,
}

/// Some rows of a source.
#[derive(Clone)]
struct Part<'n> {
    run: Held<'n>,
    rows: Range<usize>,
    role: Role,
    in_time: bool,
}

enum More<'n> {
    Nothing,
    Pages(Box<Pages<'n>>),
    Leaves(ClosedLeaves<'n>),
}

impl<'n> Source<'n> {
    fn lent(run: &'n Run, rows: Range<usize>, role: Role, in_time: bool) -> Source<'n> {
        Source { at_hand: Part { run: Held::Lent(run), rows, role, in_time }, more: More::Nothing }
    }

    fn at_rest(more: More<'n>, role: Role, path: &Path<'_>, era: &Era<'_>) -> Result<Source<'n>> {
        let none = Run::new(path.order, Columns::default(), Arc::default());
        let at_hand = Part { run: Held::Shared(Arc::new(none)), rows: 0..0, role, in_time: false };
        let mut source = Source { at_hand, more };
        source.fill(era, path)?;
        Ok(source)
    }

    fn is_spent(&self) -> bool {
        self.at_hand.rows.is_empty()
    }

    /// Gets more rows if there are none at hand.
    fn fill(&mut self, era: &Era<'_>, path: &Path<'_>) -> Result<()> {
        while self.is_spent() {
            match &mut self.more {
                More::Nothing => return Ok(()),
                More::Pages(pages) => match pages.next()? {
                    Some(page) => {
                        (self.at_hand.rows, self.at_hand.in_time) =
                            (page.rows_of(&path.lead), page.in_time());
                        self.at_hand.run = Held::Shared(page.run);
                    }
                    None => self.more = More::Nothing,
                },
                More::Leaves(leaves) => match leaves.next()? {
                    Some(run) => {
                        self.at_hand.rows = era.closed_rows(&run, path);
                        self.at_hand.run = Held::Shared(run);
                    }
                    None => self.more = More::Nothing,
                },
            }
        }
        Ok(())
    }

    /// A row up to whose group all rows may be taken at once: a piece ahead, or where what is at hand ends.
    fn border(&self) -> Option<(Held<'n>, usize)> {
        let rows = &self.at_hand.rows;
        let is_all = matches!(self.more, More::Nothing) && rows.len() <= PIECE;
        (!is_all && !rows.is_empty())
            .then(|| (self.at_hand.run.clone(), rows.end.min(rows.start + PIECE) - 1))
    }

    /// Takes the rows up to the border's group, it included.
    fn take(
        &mut self,
        border: Option<&(Held<'n>, usize)>,
        era: &Era<'_>,
        path: &Path<'_>,
        piece: &mut Vec<Part<'n>>,
    ) -> Result<()> {
        while !self.is_spent() {
            let Part { run, rows, .. } = &self.at_hand;
            let end = match border {
                Some((other, theirs)) => {
                    gallop(rows.clone(), |row| run.compare_prefix(row, other, *theirs).is_le())
                }
                None => rows.end,
            };
            if end > rows.start {
                piece.push(Part { rows: rows.start..end, ..self.at_hand.clone() });
            }
            self.at_hand.rows.start = end;
            if !self.is_spent() {
                return Ok(());
            }
            self.fill(era, path)?;
        }
        Ok(())
    }
}

fn closed_sources<'n>(era: &Era<'n>, path: &Path<'_>) -> Result<Vec<Source<'n>>> {
    let mut sources = Vec::new();
    if let Some(rest) = era.rest
        && era.history
    {
        for leaves in rest.closed(path.order, &path.lead, path.is_group(), era.wanted())? {
            sources.push(Source::at_rest(More::Leaves(leaves), Role::Past, path, era)?);
        }
    }
    sources.extend(era.generations().map(|generation| {
        let run = generation.closed(path.order);
        Source::lent(run, era.closed_rows(run, path), Role::Past, false)
    }));
    Ok(sources)
}

fn open_sources<'n>(era: &Era<'n>, path: &Path<'_>) -> Result<Vec<Source<'n>>> {
    let mut sources = Vec::new();
    if !era.assertions {
        return Ok(sources);
    }
    if let Some(at_rest) = era.rest {
        let when = era.when();
        match at_rest.few(path.order, &path.lead, &when)? {
            Some(few) if when.moment.is_none() => sources.extend(few.into_iter().map(|held| {
                let rest::Held { run, rows, role, in_time } = held;
                Source { at_hand: Part { run: Held::Shared(run), rows, role, in_time }, more: More::Nothing }
            })),
            _ => {
                let pages = at_rest.pages(path.order, &path.lead, when)?;
                sources.push(Source::at_rest(More::Pages(Box::new(pages)), Role::Open, path, era)?);
            }
        }
    }
    let lanes = Novel::of(era, path).into_lanes().into_iter();
    sources.extend(lanes.map(|lane| Source::lent(lane.run, lane.rows, lane.role, lane.in_time)));
    Ok(sources)
}

/// A datom that a row stands for.
struct Found<'p> {
    run: &'p Run,
    row: usize,
    t: T,
    added: bool,
}

impl Found<'_> {
    fn compare(&self, other: &Found<'_>) -> Ordering {
        self.run.compare_facts(self.row, other.run, other.row).then(self.t.cmp(&other.t))
    }
}

fn merged<'n>(era: &Era<'n>, path: &Path<'_>, sources: &mut [Source<'n>], emit: &mut Emit<'_>) -> Flow {
    while sources.iter().any(|source| !source.is_spent()) {
        let borders = sources.iter().filter_map(Source::border);
        let border = borders.min_by(|(run, row), (other, theirs)| run.compare_prefix(*row, other, *theirs));
        let mut piece = Vec::new();
        for source in sources.iter_mut() {
            source.take(border.as_ref(), era, path, &mut piece)?;
        }
        let mut found = Vec::new();
        gather_open(era, path, &piece, &mut found);
        for part in piece.iter().filter(|part| part.role == Role::Past) {
            gather_closed(era, path, part, &mut found);
        }
        found.sort_unstable_by(Found::compare);
        for datom in found {
            emit.datom(datom.run, datom.row, datom.t, datom.added)?;
        }
    }
    Ok(())
}

fn gather_open<'p>(era: &Era<'_>, path: &Path<'_>, piece: &'p [Part<'_>], found: &mut Vec<Found<'p>>) {
    let open = piece.iter().filter(|part| part.role != Role::Past);
    let lanes: Vec<Lane<'p>> = open
        .map(|Part { run, rows, role, in_time }| Lane {
            run,
            rows: rows.clone(),
            role: *role,
            in_time: *in_time,
        })
        .collect();
    let never: Result<(), std::convert::Infallible> = settle(lanes, &mut |lane, rows| {
        for row in rows {
            let t = lane.run.rows.from[row];
            if (lane.in_time || era.shows(t)) && path.open.admits(lane.run, row) {
                found.push(Found { run: lane.run, row, t, added: true });
            }
        }
        Ok(())
    });
    let Ok(()) = never;
}

fn gather_closed<'p>(era: &Era<'_>, path: &Path<'_>, part: &'p Part<'_>, found: &mut Vec<Found<'p>>) {
    let run: &Run = &part.run;
    let rows = part.rows.clone();
    for row in rows.filter(|row| path.closed.admits(run, *row) && !path.lead.is_before_start(run, *row)) {
        let (from, to) = (run.rows.from[row], run.rows.to[row]);
        let (asserted, retracted) = era.shows_closed(from, to);
        if asserted {
            found.push(Found { run, row, t: from, added: true });
        }
        if retracted {
            found.push(Found { run, row, t: to, added: false });
        }
    }
}
