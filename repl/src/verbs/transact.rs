//! `annals transact`: one transaction.

use std::io::Write;

use annals::TxData;

use super::write::{Written, request, send};
use super::{names, open, open_or_make, output, shifted, storage, text, told};
use crate::cli::TransactArgs;
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: TransactArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let (own, [data]) = shifted(args.storage, [args.data]);
    let data = text(data, args.file, "transaction")?;
    let request = request(TxData::from(&data), &args.request)?;
    let address = storage(own.as_deref(), settings)?;
    let conn = if args.dry_run { open(address, settings)? } else { open_or_make(address, settings)? };
    let written = if args.dry_run {
        conn.db().with(&data).map(Written::Tried)
    } else {
        send(&conn, request, args.request.later)
    };
    let written = written.map_err(|error| {
        let problem = Problem::from(error).sharpened(&data, || names(&conn.db()));
        told(problem, &data, terminal.color_err)
    })?;
    let mut out = output();
    written.print(&terminal.style(settings), &mut out)?;
    Ok(out.flush()?)
}
