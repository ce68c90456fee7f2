//! `annals fork`: a database that shares the past of another.

use annals::{Connection, TimePoint};

use super::open_store;
use crate::cli::ForkArgs;
use crate::problem::Result;
use crate::settings::Settings;

/// Forks the database and tells where it parted.
pub fn run(args: ForkArgs, settings: &Settings) -> Result<()> {
    let store = open_store(&args.storage, settings)?;
    let from = store.open_database(&args.from)?;
    crate::tell(&told(&from, &of(&from, &args.to, args.at.as_deref())?));
    Ok(())
}

/// Forks an open database, as it is now or up to a point in time.
pub fn of(from: &Connection, to: &str, at: Option<&str>) -> Result<Connection> {
    let at = at.map(|at| TimePoint::parse(at).and_then(|point| from.db().t_of(point))).transpose()?;
    Ok(from.fork(to, at)?)
}

/// What was done, in a line.
pub fn told(from: &Connection, fork: &Connection) -> String {
    format!("{} shares the past of {} up to t {}", fork.name(), from.name(), fork.db().basis_t())
}
