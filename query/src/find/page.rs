//! The rows that are wanted: after a cursor, in order, without the offset, up to the limit.
//!
//! Without any such section rows are left as they come, unordered. A tuple or scalar is a page of one row. What is
//! skipped by a cursor is skipped by comparison with its row, never by counting, so that a page goes on where the last
//! one ended even if rows came and went between; only of rows that equal the cursor's are as many left out as were
//! handed out.

use std::cmp::Ordering;
use std::time::Duration;

use super::order::Order;
use crate::ast::{Arg, Find, Given, Query};
use crate::cursor::Cursor;
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::run::budget::Meter;

/// The rows of a page, and where it ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// The rows, over the find elements, entities by id.
    pub rows: Vec<Vec<Edn>>,
    /// The place of the last row, if the query asks for a limited relation and has a row.
    pub cursor: Option<Cursor>,
}

/// What the sections say, inputs looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Where it begins.
    pub after: Option<Cursor>,
    /// How many rows are left out from there.
    pub offset: usize,
    /// How many rows then come, at most.
    pub limit: Option<usize>,
}

impl Window {
    /// The window of a query over these inputs.
    pub fn of(query: &Query, inputs: &Inputs) -> Result<Window> {
        if is_one_row(query) {
            return Ok(Window { limit: Some(1), ..Window::default() });
        }
        let page = &query.page;
        Ok(Window {
            after: page.after.as_ref().map(|given| cursor(query, inputs, given)).transpose()?.flatten(),
            offset: page.offset.as_ref().map_or(Ok(0), |given| count(inputs, given, "offset"))?,
            limit: page.limit.as_ref().map(|given| count(inputs, given, "limit")).transpose()?,
        })
    }

    /// The cursor of the last of `upto`: the ordered rows after [`Window::after`] up to the end of the page.
    pub fn cursor(&self, query: &Query, upto: &[Vec<Edn>]) -> Option<Cursor> {
        let last = upto.get(self.offset..).and_then(<[_]>::last)?;
        if !matches!(query.find, Find::Relation(_)) || self.limit.is_none() {
            return None;
        }
        let before = self.after.as_ref().filter(|after| after.row == *last).map_or(0, |after| after.repeats);
        let repeats = upto.iter().rev().take_while(|row| *row == last).count() as u64;
        let repeats = before + repeats;
        Some(Cursor { fingerprint: query.fingerprint, basis: None, repeats, row: last.clone() })
    }
}

fn is_one_row(query: &Query) -> bool {
    matches!(query.find, Find::Tuple(_) | Find::Scalar(_))
}

/// The page of these rows over the find elements.
pub fn take(query: &Query, inputs: &Inputs, mut rows: Vec<Vec<Edn>>, meter: &Meter) -> Result<Taken> {
    let window = Window::of(query, inputs)?;
    if window == Window::default() && query.page.order_by.is_empty() {
        return Ok(Taken { rows, cursor: None });
    }
    let order = Order::of(query)?;
    if let Some(after) = &window.after {
        skip(&mut rows, after, &order, meter)?;
    }
    let end = window.limit.map_or(rows.len(), |limit| window.offset.saturating_add(limit));
    rows = order.first(rows, end, meter)?;
    let cursor = window.cursor(query, &rows);
    rows.drain(..window.offset.min(rows.len()));
    Ok(Taken { rows, cursor })
}

/// Drops the rows up to the cursor's.
fn skip(rows: &mut Vec<Vec<Edn>>, after: &Cursor, order: &Order, meter: &Meter) -> Result<()> {
    let mut repeats = after.repeats;
    let mut outcome = Ok(());
    rows.retain(|row| match order.compare(row, &after.row) {
        _ if outcome.is_err() => false,
        Ordering::Less => {
            outcome = meter.tick();
            false
        }
        Ordering::Greater => true,
        Ordering::Equal if repeats > 0 => {
            repeats -= 1;
            false
        }
        Ordering::Equal => true,
    });
    outcome
}

/// How long the query says it may take.
pub fn timeout(query: &Query, inputs: &Inputs) -> Result<Option<Duration>> {
    let millis = query.timeout.as_ref().filter(|given| value(inputs, given).is_some());
    let millis = millis.map(|given| count(inputs, given, "timeout")).transpose()?;
    Ok(millis.map(|millis| Duration::from_millis(millis as u64)))
}

/// The value of a section. None if its input has none: then nothing is found anyway.
fn value<'v>(inputs: &'v Inputs, given: &'v Given) -> Option<&'v Edn> {
    match &given.arg {
        Arg::Const(edn) => Some(edn),
        Arg::Var(var) => inputs.scalar(var),
        Arg::Source(_) => None,
    }
}

fn count(inputs: &Inputs, given: &Given, section: &str) -> Result<usize> {
    match value(inputs, given) {
        None => Ok(0),
        Some(Edn::Int(count @ 0..)) => Ok(usize::try_from(*count).unwrap_or(usize::MAX)),
        Some(other) => {
            Err(refused(given, format!("{} in :{section} is {other}, not a whole number from 0", given.arg)))
        }
    }
}

fn cursor(query: &Query, inputs: &Inputs, given: &Given) -> Result<Option<Cursor>> {
    let text = match value(inputs, given) {
        None | Some(Edn::Nil) => return Ok(None),
        Some(Edn::String(text)) => text,
        Some(other) => {
            let message =
                format!("{} in :after is a {}, not the text of a cursor", given.arg, other.type_name());
            return Err(refused(given, message));
        }
    };
    let cursor = Cursor::decode(text).and_then(|cursor| cursor.of(query));
    cursor.map(Some).map_err(|error| error.at(given.span))
}

fn refused(given: &Given, message: String) -> Error {
    Error::incorrect("db.error/input-shape", message).at(given.span)
}
