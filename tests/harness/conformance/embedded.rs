//! The way in as a library.

use annals::{Arg, Connection, Db, Edn, EntityName, Error, TimePoint};

use super::{Done, Given, Moment, Refused, View, Way};
use crate::request;

/// A fresh database in this process.
pub struct Embedded {
    conn: Connection,
}

impl Embedded {
    /// Over an empty database.
    pub fn new(conn: Connection) -> Embedded {
        Embedded { conn }
    }

    fn db(&self, view: &View) -> Db {
        let point = |moment: Moment| match moment {
            Moment::T(t) => TimePoint::T(t),
            Moment::Instant(micros) => TimePoint::Instant(micros),
        };
        let mut db = self.conn.db();
        if let Some(moment) = view.as_of {
            db = db.as_of(point(moment));
        }
        if let Some(moment) = view.since {
            db = db.since(point(moment));
        }
        if view.history { db.history() } else { db }
    }
}

fn refused(error: Error) -> Refused {
    Refused { keyword: error.keyword().to_owned(), message: error.to_string() }
}

impl Way for Embedded {
    fn transact(&mut self, tx: &str) -> Result<Done, Refused> {
        let report = request::read(tx).and_then(|request| self.conn.transact(request)).map_err(refused)?;
        let tempids = report.tempids.into_iter().map(|(tempid, e)| (tempid, e.0)).collect();
        Ok(Done { t: report.t, tx: report.tx.0, tempids })
    }

    fn query(&mut self, query: &str, view: Option<&View>, args: &[Given]) -> Result<Edn, Refused> {
        let mut question = annals::q(query).map_err(refused)?;
        if let Some(view) = view {
            question = question.over(&self.db(view));
        }
        for arg in args {
            question = match arg {
                Given::Db(view) => question.arg(Arg::Db(self.db(view))),
                Given::Value(edn) => question.arg(Arg::Edn(edn.clone())),
            };
        }
        Ok(question.run().map_err(refused)?.into_edn())
    }

    fn pull(&mut self, pattern: &str, entity: &str, view: &View) -> Result<Edn, Refused> {
        let entity = self.read(entity)?;
        self.db(view).pull(pattern, EntityName::from(entity)).map_err(refused)
    }

    fn read(&mut self, text: &str) -> Result<Edn, Refused> {
        annals::edn::read_one(text).map(|form| form.to_edn()).map_err(|error| refused(error.into()))
    }
}
