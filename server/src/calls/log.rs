//! Transactions in order.

use std::sync::atomic::Ordering;

use annals::{Db, Edn, T, TimePoint, Tx};

use super::attribute_names;
use crate::ask::Ask;
use crate::fields::Fields;
use crate::media::Media;
use crate::problem::Problem;
use crate::reply::{Content, Doc, Reply};
use crate::table::{Table, datom_row};

const PAGE: u64 = 1000;

/// The transactions from `from` (with it) to `to` (without it), a page at a time.
pub(crate) fn log(ask: &Ask) -> Result<Reply, Problem> {
    let point = |name: &'static str| {
        let refused =
            |error| Problem::from(error).hint(format!("{name} is a t, a transaction or an instant"));
        ask.params.get(name).map(|text| TimePoint::parse(text).map_err(refused)).transpose()
    };
    let (from, to) = (point("from")?, point("to")?);
    let limit = ask.params.count("limit")?.unwrap_or(PAGE) as usize;
    let lens = ask.lens(&mut Fields::default())?;
    let basis = lens.now.basis_t();
    let stamp = match to {
        // All that is asked for has happened.
        Some(TimePoint::T(to)) if to <= basis + 1 => ask.stamp_at(&lens, to.saturating_sub(1))?,
        _ => ask.stamp(&[&lens])?,
    };
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    let mut found = Vec::new();
    // Nothing newer than the basis that the answer is about.
    let mut sink = |tx: Tx| {
        let wanted = tx.t <= basis;
        if wanted {
            found.push(tx);
        }
        wanted && found.len() <= limit && !ask.cancel.load(Ordering::Relaxed)
    };
    ask.connection()?.log().each(from, to, &mut sink)?;
    let more = found.len() > limit;
    let next = found.get(limit).map(|tx| tx.t);
    found.truncate(limit);

    let content = content(ask.media, &lens.now, &found);
    let mut reply = Reply::new(content).stamped(stamp);
    reply.next = next.filter(|_| more).map(|t| ask.page(&[("from", t.to_string())]));
    Ok(reply)
}

/// Transactions in a form; attributes have the names that a value of the database knows.
pub(crate) fn content(media: Media, db: &Db, found: &[Tx]) -> Content {
    if media.is_rows() {
        return Content::Table(table(media == Media::Csv, db, found));
    }
    Content::Doc(Doc::List(rows(db, found).map(|row| Doc::Map(parts(row))).collect()))
}

/// One transaction, and the one before it that was told.
pub(crate) fn event(db: &Db, tx: &Tx, prev: T) -> Doc {
    let mut told: Vec<_> = rows(db, std::slice::from_ref(tx)).flat_map(parts).collect();
    told.insert(1, ("prev-t", prev.into()));
    Doc::Map(told)
}

const NAMES: [&str; 4] = ["t", "tx", "instant", "datoms"];

/// A transaction's parts, in the order of [`NAMES`].
fn rows<'a>(db: &'a Db, found: &'a [Tx]) -> impl Iterator<Item = Vec<Edn>> + 'a {
    let mut name = attribute_names(db);
    found.iter().map(move |tx| {
        let datoms = tx.datoms.iter().map(|datom| Edn::Vector(datom_row(datom, name(datom)))).collect();
        vec![Edn::Int(tx.t as i64), Edn::from(tx.tx), Edn::Inst(tx.instant), Edn::Vector(datoms)]
    })
}

fn parts(row: Vec<Edn>) -> Vec<(&'static str, Doc)> {
    NAMES.into_iter().zip(row.into_iter().map(Doc::Data)).collect()
}

/// One line a transaction, or in CSV one line a fact.
fn table(facts: bool, db: &Db, found: &[Tx]) -> Table {
    if !facts {
        return Table::named(&NAMES, rows(db, found).collect());
    }
    let mut name = attribute_names(db);
    let lines = found.iter().flat_map(|tx| tx.datoms.iter().map(move |datom| (tx, datom)));
    let lines = lines.map(|(tx, datom)| {
        let mut row = vec![Edn::Int(tx.t as i64), Edn::Inst(tx.instant)];
        row.extend(datom_row(datom, name(datom)));
        row
    });
    Table::named(&["t", "instant", "e", "a", "v", "tx", "added"], lines.collect())
}
