//! Probes, and the page that says how to ask.

use annals::{Category, Edn};
use axum::http::StatusCode;

use crate::ask::Ask;
use crate::problem::Problem;
use crate::reply::{Content, Doc, Reply};
use crate::routes::ROUTES;

/// The server turns.
pub(crate) fn live(_: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::doc(Doc::Map(vec![("status", Doc::Word("live".to_owned()))])))
}

/// Whether requests should be sent here: 200, or 503 and all reasons why not. The storage is asked, and every database
/// that is open. A lag is no reason: whether it matters is for who asks, and a question can set a bound to it.
pub(crate) fn ready(ask: &Ask) -> Result<Reply, Problem> {
    let mut reasons = Vec::new();
    if ask.shared.is_draining() {
        reasons.push(Doc::text("the server is about to stop"));
    }
    if let Err(error) = ask.shared.store.databases() {
        reasons.push(Doc::text(format!("the storage does not answer: {error}")));
    }
    let databases = ask.shared.open().into_iter().filter_map(|(name, connection)| {
        let (basis, open) = (connection.db().basis_t(), ask.shared.store.open_database(&name));
        if let Err(error) = &open {
            if error.category() == Category::NotFound {
                // It was dropped by somebody else.
                ask.shared.forget(&name);
                return None;
            }
            reasons.push(Doc::text(format!("the database {name} cannot be opened: {error}")));
        }
        Some(Doc::Map(vec![
            ("name", Doc::text(name)),
            ("open", Edn::Bool(open.is_ok()).into()),
            ("basis-t", basis.into()),
            ("lag", (connection.staleness().as_millis() as u64).into()),
            ("leads", Edn::Bool(connection.is_leading()).into()),
        ]))
    });
    let databases = Doc::List(databases.collect());
    let is_ready = reasons.is_empty();
    let status = Doc::Word(if is_ready { "ready" } else { "not-ready" }.to_owned());
    let mut reply = Reply::doc(Doc::Map(vec![
        ("status", status),
        ("reasons", Doc::List(reasons)),
        ("databases", databases),
    ]));
    if !is_ready {
        reply.status = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(reply)
}

/// The type of text for people.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

const HEAD: &str = "\
Annals: facts and questions about any moment of their past.

  curl -X PUT  $HERE/v1/db/main
  curl -H 'Content-Type: application/edn' $HERE/v1/db/main/transact \\
       -d '[{:db/ident :artist/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]'
  curl -H 'Content-Type: application/edn' $HERE/v1/db/main/transact -d '[{:artist/name \"Nina\"}]'
  curl -H 'Content-Type: application/edn' $HERE/v1/db/main/query \\
       -d '[:find ?name :where [?artist :artist/name ?name]]'

EDN unless you ask for application/json; rows also as text/csv and application/x-ndjson.
Every read takes ?as-of= (a t or an instant), ?since=, ?history=true, ?min-t=.

";

/// How to ask, for people.
pub(crate) fn page(_: &Ask) -> Result<Reply, Problem> {
    let width = ROUTES.iter().map(|route| route.path.len()).max().unwrap_or(0);
    let lines = ROUTES.iter().map(|route| {
        let methods: Vec<&str> = route.calls.iter().map(|call| call.method).collect();
        format!("  {:width$}  {:16}  {}\n", route.path, methods.join(" "), route.about)
    });
    Ok(Reply::new(Content::Text(PLAIN, HEAD.to_owned() + &lines.collect::<String>())))
}
