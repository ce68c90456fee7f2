//! Views of time: what a request says about the moment, the database value that follows, and how long the answer
//! stays true.
//!
//! An answer at a fixed moment of the past never changes; it may be kept for ever. An answer about the present is
//! true for one basis; it may be kept, but must be asked about each time. Both have a tag that says what they depend
//! on, made of the request and of the databases it read, never of the answer: an unchanged answer costs no query.

use annals::{Db, Edn, TimePoint};

use crate::fields::Fields;
use crate::params::Params;
use crate::problem::Problem;

/// The moment a request asks about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    as_of: Option<TimePoint>,
    since: Option<TimePoint>,
    history: bool,
}

impl Moment {
    /// From the address.
    pub(crate) fn of_params(params: &Params) -> Result<Moment, Problem> {
        let point = |name: &'static str| {
            let refused =
                |error| Problem::from(error).hint(format!("{name} is a t, a transaction or an instant"));
            params.get(name).map(|text| TimePoint::parse(text).map_err(refused)).transpose()
        };
        Ok(Moment { as_of: point("as-of")?, since: point("since")?, history: params.flag("history")? })
    }

    /// From the body, and from the address where the body is silent.
    pub(crate) fn of_request(fields: &mut Fields, params: &Params) -> Result<Moment, Problem> {
        let mut moment = Moment::of_params(params)?;
        if let Some(field) = fields.take("as-of") {
            moment.as_of = Some(field.time_point("as-of")?);
        }
        if let Some(field) = fields.take("since") {
            moment.since = Some(field.time_point("since")?);
        }
        if let Some(field) = fields.take("history") {
            moment.history = field.flag("history")?;
        }
        Ok(moment)
    }

    /// From the map of `#annals/db {…}`, with the name of the database if it gives one.
    pub(crate) fn of_argument(edn: &Edn) -> Result<(Option<String>, Moment), Problem> {
        let Edn::Map(pairs) = edn else { return Err(bad_view(edn)) };
        let (mut name, mut moment) = (None, Moment::default());
        for (key, value) in pairs {
            let Edn::Keyword(key) = key else { return Err(bad_view(key)) };
            match (key.as_str(), value) {
                ("as-of", point) => moment.as_of = Some(point_of(point)?),
                ("since", point) => moment.since = Some(point_of(point)?),
                ("history", Edn::Bool(history)) => moment.history = *history,
                ("name", Edn::String(text)) => name = Some(text.to_string()),
                _ => return Err(bad_view(&Edn::Keyword(key.clone()))),
            }
        }
        Ok((name, moment))
    }

    /// The value of a database at this moment.
    pub(crate) fn of(self, now: &Db) -> Lens {
        let mut db = now.clone();
        db = self.as_of.map_or(db.clone(), |point| db.as_of(point));
        db = self.since.map_or(db.clone(), |point| db.since(point));
        if self.history {
            db = db.history();
        }
        Lens { now: now.clone(), db, as_of: self.as_of }
    }
}

fn point_of(edn: &Edn) -> Result<TimePoint, Problem> {
    match edn {
        Edn::String(text) => Ok(TimePoint::parse(text)?),
        other => Ok(TimePoint::from_edn(other)?),
    }
}

fn bad_view(edn: &Edn) -> Problem {
    Problem::incorrect("db.error/bad-view", format!("{edn} does not belong into a view of a database"))
        .hint("#annals/db {:as-of 7, :since 3, :history true, :name \"other\"}, each of them optional")
}

/// A database value that an answer is about.
#[derive(Clone, Debug)]
pub(crate) struct Lens {
    /// The newest value when the request was looked at.
    pub(crate) now: Db,
    /// The view of it that was asked for.
    pub(crate) db: Db,
    as_of: Option<TimePoint>,
}

impl Lens {
    /// The same as of a transaction, unless the request says itself of when.
    pub(crate) fn fixed_to(self, t: u64) -> Result<Lens, Problem> {
        if self.as_of.is_some() {
            return Ok(self);
        }
        if t > self.now.basis_t() {
            return Err(Problem::basis_not_reached(t, self.now.basis_t()));
        }
        Ok(Lens { db: self.db.as_of(t), now: self.now, as_of: Some(TimePoint::T(t)) })
    }

    /// The last transaction that can be seen now.
    pub(crate) fn end(&self) -> u64 {
        let basis = self.now.basis_t();
        self.db.as_of_t().map_or(basis, |t| t.min(basis))
    }

    /// The last transaction that can be seen, if no later one can ever change the view.
    ///
    /// An instant fixes the view only if a later transaction is known: the next one may still carry that instant.
    fn fixed_at(&self) -> Option<u64> {
        let t = self.db.as_of_t()?;
        let basis = self.now.basis_t();
        (t < basis || (t == basis && self.as_of == Some(TimePoint::T(t)))).then_some(t)
    }
}

/// What an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The value of ETag.
    pub(crate) tag: String,
    fixed: bool,
}

impl Stamp {
    /// Of a request (in any text that tells it from others) that reads these views.
    pub(crate) fn new(request: &[u8], lenses: &[&Lens]) -> Result<Stamp, Problem> {
        let mut fixed = true;
        let mut text = request.to_vec();
        for lens in lenses {
            let end = lens.fixed_at();
            fixed &= end.is_some();
            let t = end.unwrap_or(lens.now.basis_t());
            // The instant tells this database from another that had its name before.
            let instant = lens.now.instant_of(t)?;
            let view = (lens.db.name(), end, t, instant, lens.db.since_t(), lens.db.is_history());
            text.extend(format!("{view:?}").as_bytes());
        }
        // Weak: the same rows may come in another order, when they were put to rest meanwhile.
        Ok(Stamp { tag: format!("W/\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(&text)), fixed })
    }

    /// Of an answer that nothing can change, about one database.
    pub(crate) fn fixed(request: &[u8], lens: &Lens, t: u64) -> Result<Stamp, Problem> {
        let fixed = Lens { db: lens.now.as_of(t), now: lens.now.clone(), as_of: Some(TimePoint::T(t)) };
        Stamp::new(request, &[&fixed])
    }

    /// Of something that has this name and never changes.
    pub(crate) fn of_name(name: &str) -> Stamp {
        Stamp { tag: format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(name.as_bytes())), fixed: true }
    }

    /// The value of Cache-Control.
    pub(crate) fn cache_control(&self) -> &'static str {
        if self.fixed { "private, max-age=31536000, immutable" } else { "private, no-cache" }
    }
}
