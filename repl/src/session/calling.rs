//! Commands about the database's own commands, and about requests that had a key.

use std::io::Write;

use annals::edn::FormKind;
use annals::{Edn, Form, TxRequest};

use super::commands::misused;
use super::entry::Argument;
use super::{Flow, Session};
use crate::present::{Shown, commands as catalogue, requests as outcomes};
use crate::problem::Result;
use crate::verbs::command::{call, meant};

/// How many requests `.requests` shows.
const LAST: usize = 20;

/// `.command NAME {ARGUMENT…} [KEY]`
pub(super) fn command(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let forms = argument.forms()?;
    let nothing = Form { kind: FormKind::Map(Vec::new()), span: None };
    let (name, args, key) = match forms.as_slice() {
        [name] => (name, nothing, None),
        [name, args] => (name, args.clone(), None),
        [name, args, key] => (name, args.clone(), Some(key)),
        _ => return Err(misused("command", argument)),
    };
    let place = argument.of_form(name);
    if !matches!(name.as_atom(), Some(Edn::Keyword(_) | Edn::Symbol(_))) {
        return Err(misused("command", place));
    }
    let mut request = TxRequest::from(call(place.text, args));
    if let Some(key) = key {
        let Some(Edn::String(text)) = key.as_atom() else {
            return Err(misused("command", argument.of_form(key)));
        };
        request = request.key(&**text);
    }
    session.carry_out(request, argument.offset, out).map_err(|problem| {
        let problem = meant(problem, place.text, &session.db());
        if problem.span().is_some() {
            problem
        } else {
            problem.at(place.offset..place.offset + place.text.len())
        }
    })?;
    Ok(Flow::Go)
}

/// `.commands`
pub(super) fn commands(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    if !argument.text.is_empty() {
        return Err(misused("commands", argument));
    }
    let all = session.db().commands()?;
    if all.is_empty() {
        session.remark(out, "no commands yet; an entity with an ident and a :db/fn is one")?;
    }
    session.show(&Shown::Rows(catalogue::sheet(&all)), None, out)?;
    Ok(Flow::Go)
}

/// `.requests [KEY]`
pub(super) fn requests(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    let db = session.db();
    let shown = match argument.text {
        "" => Shown::Rows(outcomes::sheet(&db.requests(LAST)?)),
        key => {
            let place = argument.offset..argument.offset + key.len();
            let status = outcomes::known(db.request(key)?, key).map_err(|problem| problem.at(place))?;
            outcomes::in_full(&status)
        }
    };
    session.show(&shown, None, out)?;
    Ok(Flow::Go)
}
