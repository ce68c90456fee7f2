//! The way in over HTTP: EDN both ways, one database a case.

use annals::Edn;

use super::{Done, Given, Moment, Refused, View, Way};
use crate::http::{Client, Reply};

/// A fresh database of a running server.
pub struct Remote {
    client: Client,
    db: String,
}

impl Remote {
    /// Creates the database `db`.
    pub fn new(client: Client, db: &str) -> Remote {
        let made = client.put(&format!("/v1/db/{db}"));
        assert_eq!(made.status, 201, "database {db}: {}", made.body);
        Remote::at(client, db)
    }

    /// The database `db`, which is there.
    pub fn at(client: Client, db: &str) -> Remote {
        Remote { client, db: db.to_owned() }
    }

    fn post(&self, call: &str, body: String) -> Result<Edn, Refused> {
        edn_of(self.client.post_edn(&format!("/v1/db/{}/{call}", self.db), &body))
    }
}

/// The body of an answer, or the problem it reports.
fn edn_of(reply: Reply) -> Result<Edn, Refused> {
    let read = annals::edn::read_one(&reply.body).map(|form| form.to_edn());
    let edn =
        read.unwrap_or_else(|e| panic!("an answer that is no EDN ({e}): {} {}", reply.status, reply.body));
    if reply.status < 300 {
        return Ok(edn);
    }
    assert!(
        reply.status < 500 || reply.status == 501 || reply.status == 504,
        "a fault: {} {edn}",
        reply.status
    );
    let keyword = match under(&edn, "keyword") {
        Some(Edn::Keyword(keyword)) => keyword.as_str().to_owned(),
        other => panic!("a problem without keyword: {other:?} in {edn}"),
    };
    Err(Refused { keyword, message: edn.to_string() })
}

fn under<'a>(edn: &'a Edn, key: &str) -> Option<&'a Edn> {
    match edn {
        Edn::Map(map) => map.get(&Edn::keyword(key)),
        _ => None,
    }
}

fn id(edn: Option<&Edn>) -> u64 {
    match edn {
        Some(Edn::Int(n)) => *n as u64,
        other => panic!("an id was expected, not {other:?}"),
    }
}

/// The view as entries of a request's map.
fn entries(view: &View) -> String {
    let moment = |key: &str, moment: Option<Moment>| match moment {
        Some(Moment::T(t)) => format!(" :{key} {t}"),
        Some(Moment::Instant(micros)) => format!(" :{key} {}", Edn::Inst(micros)),
        None => String::new(),
    };
    let history = if view.history { " :history true" } else { "" };
    moment("as-of", view.as_of) + &moment("since", view.since) + history
}

impl Way for Remote {
    fn transact(&mut self, tx: &str) -> Result<Done, Refused> {
        let report = self.post("transact", tx.to_owned())?;
        let tempids = match under(&report, "tempids") {
            Some(Edn::Map(map)) => map
                .iter()
                .filter_map(|(tempid, e)| match tempid {
                    Edn::String(tempid) => Some((tempid.to_string(), id(Some(e)))),
                    _ => None,
                })
                .collect(),
            other => panic!("a report without tempids: {other:?}"),
        };
        Ok(Done { t: id(under(&report, "t")), tx: id(under(&report, "tx")), tempids })
    }

    fn query(&mut self, query: &str, view: Option<&View>, args: &[Given]) -> Result<Edn, Refused> {
        let arg = |arg: &Given| match arg {
            Given::Db(view) => format!("#annals/db {{{}}}", entries(view)),
            Given::Value(edn) => edn.to_string(),
        };
        let args: Vec<String> = args.iter().map(arg).collect();
        let view = view.map(entries).unwrap_or_default();
        self.post("query", format!("{{:query {query}\n :args [{}\n]{view}}}", args.join(" ")))
    }

    fn pull(&mut self, pattern: &str, entity: &str, view: &View) -> Result<Edn, Refused> {
        self.post("pull", format!("{{:pattern {pattern}\n :entity {entity}\n{}}}", entries(view)))
    }

    /// Text is read by the server as the input of a query that gives it back.
    fn read(&mut self, text: &str) -> Result<Edn, Refused> {
        let body = format!("{{:query [:find ?x . :in ?x] :args [[{text}\n]]}}");
        match self.post("query", body)? {
            Edn::Vector(mut edns) if edns.len() == 1 => Ok(edns.remove(0)),
            other => {
                Err(Refused { keyword: "db.error/syntax".into(), message: format!("not one form: {other}") })
            }
        }
    }
}
