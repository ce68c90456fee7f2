//! `annals transact`: one transaction.

use std::io::Write;

use super::{names, open, open_or_make, output, shifted, storage, text, told};
use crate::cli::TransactArgs;
use crate::present::report;
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: TransactArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let (own, [data]) = shifted(args.storage, [args.data]);
    let data = text(data, args.file, "transaction")?;
    let address = storage(own.as_deref(), settings)?;
    let conn = if args.dry_run { open(address, settings)? } else { open_or_make(address, settings)? };
    let report = if args.dry_run { conn.db().with(data.as_str()) } else { conn.transact(data.as_str()) };
    let report = report.map_err(|error| {
        let problem = Problem::from(error).sharpened(&data, || names(&conn.db()));
        told(problem, &data, terminal.color_err)
    })?;
    let mut out = output();
    report::print(&report, !args.dry_run, &terminal.style(settings), &mut out)?;
    Ok(out.flush()?)
}
