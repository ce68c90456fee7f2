//! `annals log`, `schema` and `stats`: what is in a database, seen from outside.

use std::io::Write;

use annals::TimePoint;

use super::{open, output, storage, view};
use crate::cli::{LogArgs, SchemaArgs, StatsArgs};
use crate::present::{Sheet, Shown, datoms, schema as attributes};
use crate::problem::Result;
use crate::settings::Settings;
use crate::terminal::Terminal;

/// `annals log`
pub fn log(args: LogArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let point = |text: &Option<String>| text.as_deref().map(TimePoint::parse).transpose();
    let (from, to) = (point(&args.from)?, point(&args.to)?);
    let conn = open(storage(args.storage.as_deref(), settings)?, settings)?;
    let mut sheet = if args.datoms { datoms::sheet(&conn.db(), []) } else { datoms::transactions(&[]) };
    let db = conn.db();
    conn.log().each(from, to, &mut |tx| {
        let rows = if args.datoms { datoms::sheet(&db, &tx.datoms) } else { datoms::transactions(&[tx]) };
        sheet.rows.extend(rows.rows);
        true
    })?;
    print(sheet, settings, terminal)
}

/// `annals schema`
pub fn schema(args: SchemaArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let conn = open(storage(args.storage.as_deref(), settings)?, settings)?;
    let all = view(&conn, &args.view)?.schema();
    print(attributes::sheet(&all, args.only.as_deref())?, settings, terminal)
}

/// `annals stats`
pub fn stats(args: StatsArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let conn = open(storage(args.storage.as_deref(), settings)?, settings)?;
    let mut out = output();
    Shown::Value(conn.db().stats()?).print(&terminal.style(settings), None, &mut out)?;
    Ok(out.flush()?)
}

fn print(sheet: Sheet, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let mut out = output();
    Shown::Rows(sheet).print(&terminal.style(settings), None, &mut out)?;
    Ok(out.flush()?)
}
