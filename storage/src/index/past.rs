//! The generations after a job: sealed closed rows join the newest ones while those are no larger, so that they grow
//! as the digits of a binary counter do, in all orders at once.

use super::Work;
use super::merge::{Held, Lane, merge};
use crate::datom::{Order, T};
use crate::error::Result;
use crate::novelty;
use crate::root::Generation;
use crate::run::Run;
use crate::tree::nodes::Nodes;
use crate::tree::{Shape, Tree};

/// A generation is at most this part of all closed rows, so that as-of t skips what closed before t.
const GENERATIONS: u64 = 16;

/// The generations of the next root.
pub(super) fn next(
    work: &mut Work<'_>,
    generations: &[Generation],
    sealed: Option<&novelty::Generation>,
) -> Result<Vec<Generation>> {
    let all = generations.iter().map(rows).sum::<u64>() + sealed.map_or(0, |sealed| sealed.rows() as u64);
    let limit = work.settings.generation_rows.max(all / GENERATIONS).max(1);
    let pieces = sealed.map_or(Vec::new(), |sealed| split(sealed, limit));
    let joining = pieces.first().map_or(0, |first| how_many(generations, first.rows(), limit));
    let (kept, mut joining) = generations.split_at(generations.len() - joining);
    let mut next = Vec::with_capacity(kept.len() + pieces.len());
    for generation in kept {
        next.extend(without_removed(work, generation)?);
    }
    for piece in pieces {
        next.extend(with_sealed(work, std::mem::take(&mut joining), piece)?);
    }
    Ok(next)
}

/// How many of the newest generations become one with so many sealed rows.
fn how_many(generations: &[Generation], sealed: u64, limit: u64) -> usize {
    let mut newer = sealed;
    let joins = |older: &&Generation| {
        let joins = rows(older) <= newer && rows(older) + newer <= limit;
        newer += rows(older);
        joins
    };
    generations.iter().rev().take_while(joins).count()
}

fn rows(generation: &Generation) -> u64 {
    generation.closed[Order::Eavt as usize].rows
}

/// Sealed rows of a range of closing times, by order.
struct Piece<'s> {
    first: T,
    last: T,
    first_from: T,
    closed: [Held<'s>; 3],
}

impl Piece<'_> {
    fn rows(&self) -> u64 {
        self.closed[Order::Eavt as usize].len() as u64
    }
}

/// Sealed rows in pieces of at most `limit` rows; but what closed in one transaction stays together.
fn split(sealed: &novelty::Generation, limit: u64) -> Vec<Piece<'_>> {
    let by_entity = &sealed.closed(Order::Eavt).rows;
    let mut times = by_entity.to.clone();
    times.sort_unstable();
    // Where pieces begin.
    let (mut starts, mut in_piece) = (vec![sealed.first], 0);
    for same in times.chunk_by(|x, y| x == y) {
        if in_piece > 0 && in_piece + same.len() as u64 > limit {
            starts.push(same[0]);
            in_piece = 0;
        }
        in_piece += same.len() as u64;
    }
    if let [first] = starts[..] {
        let closed = Order::ALL.map(|order| Held::Sealed(sealed.closed(order)));
        return vec![Piece { first, last: sealed.last, first_from: sealed.first_from, closed }];
    }
    let [mut eavt, mut aevt, mut avet] = Order::ALL.map(|order| pick(sealed.closed(order), &starts));
    let mut pieces = Vec::with_capacity(starts.len());
    for _ in &starts {
        let closed = [&mut eavt, &mut aevt, &mut avet].map(|runs| runs.pop().expect("one for each start"));
        let rows = &closed[Order::Eavt as usize].rows;
        let limits =
            |times: &[T]| times.iter().fold((T::MAX, 0), |(low, high), t| (low.min(*t), high.max(*t)));
        let ((first, last), (first_from, _)) = (limits(&rows.to), limits(&rows.from));
        pieces.push(Piece { first, last, first_from, closed: closed.map(Held::Loaded) });
    }
    pieces.reverse();
    pieces
}

/// The rows of a run by where their closing time lies.
fn pick(run: &Run, starts: &[T]) -> Vec<Run> {
    let mut rows = vec![Vec::new(); starts.len()];
    for (row, to) in run.rows.to.iter().enumerate() {
        rows[starts.partition_point(|start| start <= to) - 1].push(row as u32);
    }
    rows.iter().map(|rows| run.pick(rows)).collect()
}

fn with_sealed(work: &mut Work<'_>, joining: &[Generation], piece: Piece<'_>) -> Result<Option<Generation>> {
    let nodes = work.nodes.clone();
    let Piece { first, last, first_from, closed: runs } = piece;
    let mut closed = [Tree::default(); 3];
    for (order, run) in Order::ALL.into_iter().zip(runs) {
        let mut lanes = lanes_of(&nodes, joining, order)?;
        if run.len() > 0 {
            lanes.push(Lane::of_run(work.filter.of_run(run), false, joining.len()));
        }
        closed[order as usize] = merge(work, order, Shape::Closed, lanes, true)?.rows;
    }
    let first = joining.first().map_or(first, |oldest| oldest.first);
    let first_from = joining.iter().map(|one| one.first_from).fold(first_from, u64::min);
    let generation = Generation { first, last, first_from, closed };
    Ok((rows(&generation) > 0).then_some(generation))
}

/// A generation without the facts that are to be removed for ever.
fn without_removed(work: &mut Work<'_>, generation: &Generation) -> Result<Option<Generation>> {
    let mut next = generation.clone();
    if work.filter.is_empty() {
        return Ok(Some(next));
    }
    let nodes = work.nodes.clone();
    for order in Order::ALL {
        let lanes = lanes_of(&nodes, std::slice::from_ref(generation), order)?;
        next.closed[order as usize] = merge(work, order, Shape::Closed, lanes, true)?.rows;
    }
    Ok((rows(&next) > 0).then_some(next))
}

fn lanes_of<'m>(nodes: &'m Nodes, generations: &[Generation], order: Order) -> Result<Vec<Lane<'m>>> {
    let trees = generations.iter().map(|generation| &generation.closed[order as usize]).enumerate();
    let filled = trees.filter(|(_, tree)| tree.rows > 0);
    filled.map(|(age, tree)| Lane::of_tree(nodes, tree, false, age)).collect()
}
