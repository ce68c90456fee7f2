//! Sums over sets of rows that do not depend on their order: of the hash of each row, modulo 2^128.
//!
//! Two sets with the same sum are the same but for chance of one in 2^128, or for someone who makes rows to deceive.
//! Replay adds a row when it is asserted and subtracts it when it is retracted, so replay needs no memory either.

use xxhash_rust::xxh3::Xxh3;

use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{Order, T, ValueRef};
use crate::log::{LoggedTx, Op};
use crate::root::Excision;
use crate::run::Run;

/// The sum over some rows, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) rows: u64,
    hashes: u128,
}

impl Sum {
    pub(super) fn add(&mut self, other: &Sum) {
        self.rows = self.rows.wrapping_add(other.rows);
        self.hashes = self.hashes.wrapping_add(other.hashes);
    }

    pub(super) fn subtract(&mut self, other: &Sum) {
        self.rows = self.rows.wrapping_sub(other.rows);
        self.hashes = self.hashes.wrapping_sub(other.hashes);
    }

    /// Of all rows of a run.
    pub(super) fn of_run(run: &Run) -> Sum {
        let rows = &run.rows;
        let mut sum = Sum::default();
        for row in 0..run.len() {
            let to = rows.to.get(row).copied();
            sum.add(&Sum::of_row(rows.e[row], rows.a[row], run.value(row), rows.from[row], to));
        }
        sum
    }

    fn of_row(e: u64, a: u32, v: ValueRef<'_>, from: T, to: Option<T>) -> Sum {
        let mut hasher = Xxh3::new();
        hasher.update(&e.to_le_bytes());
        hasher.update(&a.to_le_bytes());
        hasher.update(&from.to_le_bytes());
        hasher.update(&to.unwrap_or(T::MAX).to_le_bytes());
        hasher.update(&[v.tag() as u8]);
        match v {
            ValueRef::Fixed(_, word) => hasher.update(&word.to_le_bytes()),
            ValueRef::Variable(_, code) => hasher.update(code),
        }
        Sum { rows: 1, hashes: hasher.digest128() }
    }
}

/// What replay of a log gives: the rows that are open and those that closed, all of them and those that are in AVET.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    open: Sum,
    closed: Sum,
    short_open: Sum,
    short_closed: Sum,
    scratch: Vec<u8>,
}

impl Sums {
    pub(super) fn open(&self, order: Order) -> &Sum {
        if order == Order::Avet { &self.short_open } else { &self.open }
    }

    pub(super) fn closed(&self, order: Order) -> &Sum {
        if order == Order::Avet { &self.short_closed } else { &self.closed }
    }

    /// Goes on by a transaction, as if the excised had never been; gives how many datoms are excised.
    pub(super) fn replay(&mut self, tx: &LoggedTx, excisions: &[Excision]) -> u64 {
        let mut excised_datoms = 0;
        for datom in &tx.datoms {
            let (from, closing) = match datom.op {
                Op::Assert => (tx.t, None),
                Op::Retract { from, forget } => (from, Some(forget)),
            };
            let mut scratch = std::mem::take(&mut self.scratch);
            datom.v.with_ref(&mut scratch, |v| {
                if excisions.iter().any(|one| one.takes(datom.e, datom.a, v, from)) {
                    excised_datoms += 1;
                } else {
                    let row = |to| Sum::of_row(datom.e.0, datom.a.0, v, from, to);
                    let short = !matches!(v, ValueRef::Variable(_, code) if code.len() > AVET_MAX_BYTES);
                    self.count(short, &row(None), closing.map(|forget| (!forget).then(|| row(Some(tx.t)))));
                }
            });
            self.scratch = scratch;
        }
        excised_datoms
    }

    /// An opening, or a closing with the closed row, unless no history is kept of it.
    fn count(&mut self, short: bool, open: &Sum, closing: Option<Option<Sum>>) {
        let [opens, closes] =
            [[&mut self.open, &mut self.short_open], [&mut self.closed, &mut self.short_closed]];
        let which = 1 + usize::from(short);
        for sum in opens.into_iter().take(which) {
            if closing.is_some() { sum.subtract(open) } else { sum.add(open) }
        }
        for sum in closes.into_iter().take(which) {
            closing.flatten().iter().for_each(|closed| sum.add(closed));
        }
    }
}
