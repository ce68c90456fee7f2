//! What a transaction did: a few lines for people, one map for programs.

use std::collections::BTreeMap;
use std::io::Write;

use annals::{Edn, TxReport};

use super::{Format, Shown, Style, cell, datoms};
use crate::problem::Result;

/// Prints a report. `durable`: it was written, not only tried.
pub fn print(report: &TxReport, durable: bool, style: &Style, out: &mut dyn Write) -> Result<()> {
    if style.format != Format::Table {
        let rows = matches!(style.format, Format::Csv | Format::Jsonl);
        let shown =
            if rows { Shown::Rows(datoms::sheet(&report.db_after, &report.datoms)) } else { map(report) };
        return shown.print(style, None, out);
    }
    let added = report.datoms.iter().filter(|datom| datom.added).count();
    let verb = match (report.replayed, durable) {
        (true, _) => "replayed",
        (false, true) => "written",
        (false, false) => "what if",
    };
    let instant = cell::bare(&Edn::Inst(report.instant));
    writeln!(out, "{verb}: t {}, {instant}, +{added} -{}", report.t, report.datoms.len() - added)?;
    let sheet = datoms::changes(&report.db_after, &report.datoms);
    Shown::Rows(sheet).print(&Style { timing: false, ..*style }, None, out)?;
    let named = report.tempids.iter().filter(|(name, _)| *name != "datomic.tx");
    for (name, e) in named {
        writeln!(out, "{} is {e}", Edn::string(name.as_str()))?;
    }
    Ok(())
}

/// The report as one map.
fn map(report: &TxReport) -> Shown {
    let basis = |t: u64| Edn::Map(BTreeMap::from([(Edn::keyword("basis-t"), Edn::Int(t as i64))]));
    let tempids =
        report.tempids.iter().map(|(name, e)| (Edn::string(name.as_str()), Edn::from(*e))).collect();
    let sheet = datoms::sheet(&report.db_after, &report.datoms);
    // Said only where it is so, like all that is rare.
    let replayed = report.replayed.then_some(("replayed", Edn::Bool(true)));
    let entries = [
        // Told by t, for a report that is told again has views of a later basis.
        ("db-before", basis(report.t.saturating_sub(1))),
        ("db-after", basis(report.t)),
        ("t", Edn::Int(report.t as i64)),
        ("tx", Edn::from(report.tx)),
        ("instant", Edn::Inst(report.instant)),
        ("tempids", Edn::Map(tempids)),
        ("datoms", Edn::Vector(sheet.rows.into_iter().map(Edn::Vector).collect())),
    ];
    let entries = entries.into_iter().chain(replayed);
    Shown::Value(Edn::Map(entries.map(|(key, value)| (Edn::keyword(key), value)).collect()))
}
