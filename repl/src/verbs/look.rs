//! `annals log`, `schema`, `commands`, `requests` and `stats`: what is in a database, seen from outside.

use std::io::Write;

use annals::TimePoint;

use super::{open, output, storage, view};
use crate::cli::{CommandsArgs, LogArgs, RequestsArgs, SchemaArgs, StatsArgs};
use crate::present::{Shown, commands as catalogue, datoms, requests as outcomes, schema as attributes};
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
    print(Shown::Rows(sheet), settings, terminal)
}

/// `annals schema`
pub fn schema(args: SchemaArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let conn = open(storage(args.storage.as_deref(), settings)?, settings)?;
    let all = view(&conn, &args.view)?.schema();
    print(Shown::Rows(attributes::sheet(&all, args.only.as_deref())?), settings, terminal)
}

/// `annals commands`
pub fn commands(args: CommandsArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let conn = open(storage(args.storage.as_deref(), settings)?, settings)?;
    print(Shown::Rows(catalogue::sheet(&conn.db().commands()?)), settings, terminal)
}

/// `annals requests`
pub fn requests(args: RequestsArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let db = open(storage(args.storage.as_deref(), settings)?, settings)?.db();
    let shown = match &args.key {
        Some(key) => outcomes::in_full(&outcomes::known(db.request(key)?, key)?),
        None => Shown::Rows(outcomes::sheet(&db.requests(args.last)?)),
    };
    print(shown, settings, terminal)
}

/// `annals stats`
pub fn stats(args: StatsArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let conn = open(storage(args.storage.as_deref(), settings)?, settings)?;
    print(Shown::Value(conn.db().stats()?), settings, terminal)
}

fn print(shown: Shown, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let mut out = output();
    shown.print(&terminal.style(settings), None, &mut out)?;
    Ok(out.flush()?)
}
