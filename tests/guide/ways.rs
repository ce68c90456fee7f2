//! The ways into the databases of a guide: as a library, and over HTTP. They must agree.

use std::time::Duration;

use annals::edn::{self, Edn};
use annals::{Connection, Db, Store, TimePoint, TxRequest};
use annals_query::parse;
use annals_tests::conformance::remote::Remote;
use annals_tests::conformance::{Given, Moment, View, Way};
use annals_tests::http::Server;

use crate::naming;
use crate::told::Answered;
use crate::typed::given;

/// How long the database may take for work of its own.
const LONG: Duration = Duration::from_secs(60);

/// The ways in.
pub(crate) struct Ways {
    conn: Connection,
    remote: Remote,
    /// The database at the end of the other way, if it is not the same.
    far: Option<Connection>,
    _server: Server,
}

impl Ways {
    /// Both ways to the database `main` of a storage.
    pub(crate) fn to_one(store: Store) -> Ways {
        let conn = store.database("main").expect("the database");
        let server = Server::over(store);
        Ways { conn, remote: Remote::at(server.client(), "main"), far: None, _server: server }
    }

    /// Each way to a database of its own, so that everything is transacted by both.
    pub(crate) fn to_two(store: Store) -> Ways {
        let conn = store.database("main").expect("the database");
        let far = store.database("far").expect("another database");
        let server = Server::over(store);
        Ways { conn, remote: Remote::at(server.client(), "far"), far: Some(far), _server: server }
    }

    /// Transacts a request; an error if the ways do not agree about what came of it.
    pub(crate) fn transact(&mut self, typed: &str, request: TxRequest) -> Result<Answered, String> {
        let near = self.conn.transact(request);
        if let Some(far) = &self.far {
            match (&near, self.remote.transact(typed)) {
                (Ok(near), Ok(done)) => {
                    let tempids = near.tempids.iter().map(|(name, e)| (name.clone(), e.0)).collect();
                    if (near.t, near.tx.0, &tempids) != (done.t, done.tx, &done.tempids) {
                        return Err(format!("the library did {near:?}\n but HTTP {done:?}"));
                    }
                    // Work that the database takes up on its own is done before anything else is asked.
                    for conn in [&self.conn, far] {
                        conn.sync_schema(near.t, LONG).map_err(|error| error.to_string())?;
                    }
                }
                (Err(error), Err(told)) if error.keyword() == told.keyword => {}
                (near, done) => return Err(format!("the library did {near:?}\n but HTTP {done:?}")),
            }
        }
        Ok(match near {
            Ok(report) => Answered::Ordered(naming::told(&report, typed.contains(":db/txInstant"))),
            Err(error) => Answered::refused(&error),
        })
    }

    /// Asks a question; an error if the ways do not agree.
    pub(crate) fn ask(&mut self, view: &View, question: &str) -> Result<Answered, String> {
        let mut forms = edn::read_all(question).map_err(|error| error.to_string())?.into_iter();
        let query = forms.next().ok_or("there is no question")?;
        let span = query.span.expect("forms that are read have places");
        let query_text = &question[span.start as usize..span.end as usize];
        let given: Vec<Given> = forms.map(|form| given(form.to_edn())).collect();
        // As over HTTP, a query that is given all its inputs does not get the database too.
        let inputs = parse::query_text(query_text).map_or(0, |query| query.inputs.len());
        let wants_db =
            inputs > given.len() && annals::q(query_text).is_ok_and(|question| question.wants_db());
        let embedded = self.embedded(query_text, wants_db.then_some(view), &given);
        let remote = self.remote.query(query_text, wants_db.then_some(view), &given);
        match (embedded, remote) {
            (Ok((answer, rows)), Ok(far)) => {
                let ordered = !rows || query_text.contains(":order-by") || query_text.contains(":limit");
                let set = |edn: &Edn| {
                    let mut rows = edn.as_seq().unwrap_or_default().to_vec();
                    rows.sort();
                    Edn::Vector(rows)
                };
                let agree = if ordered { answer == far } else { set(&answer) == set(&far) };
                match (agree, ordered) {
                    (true, true) => Ok(Answered::Ordered(answer)),
                    (true, false) => Ok(Answered::Unordered(set(&answer))),
                    _ => Err(format!("the library answers {answer}\n but HTTP {far}")),
                }
            }
            (Err(error), Err(far)) if error.keyword() == far.keyword => Ok(Answered::refused(&error)),
            (embedded, far) => Err(format!("the library answers {embedded:?}\n but HTTP {far:?}")),
        }
    }

    /// The answer, and whether it is rows or values.
    fn embedded(&self, query: &str, view: Option<&View>, given: &[Given]) -> annals::Result<(Edn, bool)> {
        let mut question = annals::q(query)?;
        if let Some(view) = view {
            question = question.over(&viewed(&self.conn.db(), view));
        }
        for one in given {
            question = match one {
                Given::Db(view) => question.arg(viewed(&self.conn.db(), view)),
                Given::Value(edn) => question.arg(edn.clone()),
            };
        }
        let answer = question.run()?;
        let rows = matches!(answer, annals::Answer::Relation(_) | annals::Answer::Collection(_));
        Ok((answer.into_edn(), rows))
    }
}

fn viewed(db: &Db, view: &View) -> Db {
    let point = |moment: Moment| match moment {
        Moment::T(t) => TimePoint::T(t),
        Moment::Instant(micros) => TimePoint::Instant(micros),
    };
    let mut db = db.clone();
    if let Some(moment) = view.as_of {
        db = db.as_of(point(moment));
    }
    if let Some(moment) = view.since {
        db = db.since(point(moment));
    }
    if view.history { db.history() } else { db }
}
