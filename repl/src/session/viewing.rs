//! Commands that choose the moments looked at: `.as-of`, `.since`, `.history`, `.now`, and the speculative `.with`.

use std::io::Write;

use annals::Edn;

use super::commands::misused;
use super::entry::Argument;
use super::{Flow, Session, WhatIf};
use crate::present::{cell, report};
use crate::problem::{Problem, Result};
use crate::settings::on_or_off;
use crate::view::{Moment, View};

/// `.as-of T | INSTANT | now`
pub(super) fn as_of(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    session.view.as_of = moment("as-of", argument)?;
    where_we_are(session, out)
}

/// `.since T | INSTANT | now`
pub(super) fn since(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    session.view.since = moment("since", argument)?;
    where_we_are(session, out)
}

/// `.history on | off`
pub(super) fn history(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    session.view.history = on_or_off(argument.text).ok_or_else(|| misused("history", argument))?;
    where_we_are(session, out)
}

/// `.now`
pub(super) fn now(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        return Err(misused("now", argument));
    }
    session.view = View::default();
    where_we_are(session, out)
}

/// `.with TRANSACTION`
pub(super) fn with(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if argument.text.is_empty() {
        return Err(misused("with", argument));
    }
    let moment = session.view.as_of.clone();
    let base = session.base();
    let base = moment.as_ref().map_or(base.clone(), |moment| base.as_of(moment.point));
    let report = base.with(argument.text);
    let report = report.map_err(|error| Problem::from(error).shifted(argument.offset))?;
    report::print(&report, false, &session.style, out)?;
    let (count, left) = session.what_if.take().map_or((0, None), |what_if| (what_if.count, what_if.left));
    session.what_if = Some(WhatIf { db: report.db_after, count: count + 1, left: left.or(moment) });
    // What was tried comes after the moment, and is to be seen.
    session.view.as_of = None;
    session.remark(out, "nothing was written; `.drop` goes back")?;
    Ok(Flow::Go)
}

/// `.drop`
pub(super) fn drop(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        return Err(misused("drop", argument));
    }
    match session.what_if.take() {
        Some(what_if) => {
            session.view.as_of = session.view.as_of.take().or(what_if.left);
            session.remark(out, "back to what was written")?;
        }
        None => session.remark(out, "nothing was being tried")?,
    }
    Ok(Flow::Go)
}

fn moment(command: &str, argument: Argument<'_>) -> Result<Option<Moment>> {
    match argument.text {
        "" => Err(misused(command, argument)),
        "now" | "off" => Ok(None),
        text => {
            let span = argument.offset..argument.offset + text.len();
            Moment::parse(text).map(Some).map_err(|problem| problem.at(span))
        }
    }
}

/// Says which moment is looked at, in both ways of naming it.
fn where_we_are(session: &Session, out: &mut dyn Write) -> Result<Flow> {
    let db = session.db();
    let label = session.view.label();
    let mut line = if label.is_empty() { "now".to_owned() } else { label };
    let t = db.as_of_t().unwrap_or(db.basis_t());
    line.push_str(&format!(": t {t}"));
    if let Some(instant) = db.instant_of(t)? {
        line.push_str(&format!(", {}", cell::bare(&Edn::Inst(instant))));
    }
    session.remark(out, &line)?;
    Ok(Flow::Go)
}
