//! Probes, and the page that says how to ask.

use crate::ask::Ask;
use crate::problem::Problem;
use crate::reply::{Content, Doc, Reply};
use crate::routes::ROUTES;

/// The server turns.
pub(crate) fn live(_: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::doc(Doc::Map(vec![("status", Doc::Word("live".to_owned()))])))
}

/// The storage answers.
pub(crate) fn ready(ask: &Ask) -> Result<Reply, Problem> {
    let databases = ask.shared.store.databases()?.len() as u64;
    Ok(Reply::doc(Doc::Map(vec![("status", Doc::Word("ready".to_owned())), ("databases", databases.into())])))
}

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
    Ok(Reply::new(Content::Page(HEAD.to_owned() + &lines.collect::<String>())))
}
