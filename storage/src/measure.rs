//! Leaves for benches, which stand outside the crate: the bytes of trees are no part of its interface.

use std::sync::Arc;

use crate::backend::DatabaseId;
use crate::datom::columns::heap_word;
use crate::datom::{Datom, Order, ValueRef};
use crate::error::Result;
use crate::frame::{self, Expected, Kind};
use crate::run::{Columns, Run, sort};
use crate::tree::{Shape, leaf};

const DATABASE: DatabaseId = DatabaseId(1);

/// Sorted rows.
#[derive(Debug)]
pub struct Rows(Run);

impl Rows {
    /// The datoms in an order.
    pub fn sorted(datoms: &[Datom], order: Order) -> Rows {
        let mut rows = Columns::with_capacity(datoms.len(), false);
        let (mut heap, mut scratch) = (Vec::new(), Vec::new());
        for datom in datoms {
            rows.e.push(datom.e.0);
            rows.a.push(datom.a.0);
            rows.tag.push(datom.v.tag());
            rows.word.push(datom.v.with_ref(&mut scratch, |v| match v {
                ValueRef::Fixed(_, word) => word,
                ValueRef::Variable(_, code) => {
                    heap.extend_from_slice(code);
                    heap_word(heap.len() - code.len(), code.len())
                }
            }));
            rows.from.push(datom.tx.counter());
        }
        let sorted = &sort::open_orders(&rows, &heap)[order as usize];
        Rows(Run::new(order, rows.gather(sorted), Arc::new(heap)))
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "a leaf has rows")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.0.bytes() + self.0.heap.len()
    }

    /// The payloads of leaves of so many rows each.
    pub fn payloads(&self, rows: usize) -> Vec<Vec<u8>> {
        let leaf = |start: usize| {
            let mut payload = Vec::new();
            leaf::encode(&self.0, start..self.len().min(start + rows), Shape::Open, &mut payload);
            payload
        };
        (0..self.len()).step_by(rows).map(leaf).collect()
    }

    /// The frame of a leaf's payload.
    pub fn seal(payload: &[u8]) -> Result<Vec<u8>> {
        frame::seal(Kind::Leaf, leaf::LEAF_VERSION, DATABASE, payload)
    }

    /// The rows of a leaf's frame.
    pub fn open(bytes: &[u8], order: Order) -> Result<Rows> {
        let expected = Expected {
            kind: Kind::Leaf,
            kind_version: leaf::LEAF_VERSION,
            database: DATABASE,
            place: "a leaf",
        };
        let opened = frame::open(bytes, &expected)?;
        let run = leaf::decode(&opened.payload, order, Shape::Open);
        Ok(Rows(run.map_err(|malformed| crate::Error::corrupt("a leaf", malformed.to_string()))?))
    }
}
