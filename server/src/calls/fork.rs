//! A database that shares the past of another.

use annals::Edn;
use axum::http::StatusCode;

use super::catalogue;
use crate::ask::Ask;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::reply::Reply;

/// Forks the database, as it is now or up to a point in time: 201, and the fork's description.
pub(crate) fn fork(ask: &Ask) -> Result<Reply, Problem> {
    let mut fields = Fields::of(ask.body()?)?;
    let name = match fields.need("to")?.edn()? {
        Edn::String(name) => name,
        other => {
            let message = format!("to is a {}, not a string", other.type_name());
            return Err(Problem::incorrect("db.error/bad-field", message).hint("it names the new database"));
        }
    };
    let point = fields.take("t").map(|field| field.time_point("t")).transpose()?;
    fields.finish(&["to", "t"])?;
    let connection = ask.connection()?;
    let at = point.map(|point| connection.db().t_of(point)).transpose()?;
    let db = connection.fork(&name, at)?.db();
    let _ = ask.known.basis.set(db.basis_t());
    let mut reply = Reply::doc(catalogue::description(&db)?);
    reply.status = StatusCode::CREATED;
    Ok(reply)
}
