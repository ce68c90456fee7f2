//! The HTTP client: one request, one answer, on connections that are kept.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use annals_query::edn::{self, Edn};
use annals_storage::anomaly::Category;
use annals_storage::datom::EntityId;
use ureq::Agent;
use ureq::http::{HeaderMap, Response};

use super::{Lost, Told};
use crate::error::Error;
use crate::input::{Mode, Request};

const CONNECTS_WITHIN: Duration = Duration::from_secs(3);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const EDN: &str = "application/edn";
/// The largest answer that is read.
const MOST_BYTES: u64 = 256 << 20;

/// Asks other processes. One is enough for all of them.
pub(crate) struct Client(Agent);

impl Client {
    pub(crate) fn new() -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECTS_WITHIN))
            .timeout_global(Some(ANSWERS_WITHIN))
            .build();
        Client(config.into())
    }

    /// The bytes at an address; none if nothing is there.
    pub(crate) fn get(&self, url: &str, within: Duration) -> Result<Option<Vec<u8>>, Lost> {
        let call = self.0.get(url).header("accept", EDN).config().timeout_global(Some(within)).build();
        let mut response = call.call().map_err(lost)?;
        match response.status().as_u16() {
            200 => response.body_mut().with_config().limit(MOST_BYTES).read_to_vec().map(Some).map_err(lost),
            404 => Ok(None),
            status => Err(problem(status, &mut response)),
        }
    }

    /// Makes a database; true if it was made now.
    pub(crate) fn create_database(&self, base: &str, name: &str) -> crate::Result<bool> {
        let call = self.0.put(format!("{base}/v1/db/{name}")).header("accept", EDN);
        self.changed(base, call.send_empty(), 201)
    }

    /// Drops a database; true if there was one.
    pub(crate) fn drop_database(&self, base: &str, name: &str) -> crate::Result<bool> {
        self.changed(base, self.0.delete(format!("{base}/v1/db/{name}")).header("accept", EDN).call(), 200)
    }

    fn changed(
        &self,
        base: &str,
        answer: Result<Response<ureq::Body>, ureq::Error>,
        yes: u16,
    ) -> crate::Result<bool> {
        let lost = |lost: Lost| match lost {
            Lost::Refused(error) => error,
            Lost::NotSent(why) | Lost::Unknown(why) => {
                let message = format!("{base} did not answer: {why}");
                Error::new(Category::Unavailable, "db.error/transactor-unavailable", message)
                    .with_hint("try again; making and dropping a database twice does no harm")
            }
        };
        let mut response = answer.map_err(|error| lost(self::lost(error)))?;
        match response.status().as_u16() {
            status if status == yes => Ok(true),
            200 | 404 => Ok(false),
            status => Err(lost(problem(status, &mut response))),
        }
    }

    /// Has a transaction written, or taken in, by the transactor at this address.
    pub(crate) fn transact(
        &self,
        address: &str,
        database: &str,
        request: &Request,
        within: Duration,
    ) -> Result<Told, Lost> {
        let url = format!("{}/v1/db/{database}/transact", address.trim_end_matches('/'));
        let mut call = self.0.post(url).header("content-type", EDN).header("accept", EDN);
        // Who does not write itself says so, instead of handing it on.
        call = call.header("annals-handed-over", "true");
        let is_taken_in = request.mode == Mode::TakeIn;
        if is_taken_in {
            call = call.header("prefer", "respond-async");
        }
        let call = call.config().timeout_global(Some(within)).build();
        let mut response = call.send(body(request)).map_err(lost)?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(MOST_BYTES).read_to_string().map_err(lost)?;
        let answer = edn::read_one(&text).ok().map(|form| form.to_edn());
        let (Some(Edn::Map(parts)), true) = (answer, is_edn(&response)) else {
            return Err(Lost::Unknown(format!("it answered {status}, and not as a transactor does")));
        };
        match status {
            200 | 202 => told(&parts, response.headers(), is_taken_in)
                .ok_or_else(|| Lost::Unknown("it answered without saying what it did".to_owned())),
            _ => Err(refused(status, &parts)),
        }
    }
}

fn body(request: &Request) -> String {
    let mut parts = BTreeMap::from([(Edn::keyword("tx-data"), request.data.to_edn())]);
    if let Some(key) = &request.key {
        parts.insert(Edn::keyword("key"), Edn::string(key.text()));
    }
    if !request.expectations.is_empty() {
        let expectations = request.expectations.iter().map(edn::Form::to_edn).collect();
        parts.insert(Edn::keyword("expect"), Edn::Vector(expectations));
    }
    Edn::Map(parts).to_string()
}

fn is_edn<B>(response: &Response<B>) -> bool {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(EDN))
}

fn told(parts: &BTreeMap<Edn, Edn>, headers: &HeaderMap, is_taken_in: bool) -> Option<Told> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let replayed = header("idempotency-replayed") == Some("true");
    if is_taken_in {
        let t = header("annals-basis-t")?.parse().ok()?;
        return Some(Told { t, tempids: BTreeMap::new(), replayed });
    }
    let (Edn::Int(t), Edn::Map(given)) =
        (parts.get(&Edn::keyword("t"))?, parts.get(&Edn::keyword("tempids"))?)
    else {
        return None;
    };
    let tempid = |(name, e): (&Edn, &Edn)| match (name, e) {
        (Edn::String(name), Edn::Int(e)) => Some((name.to_string(), EntityId(u64::try_from(*e).ok()?))),
        _ => None,
    };
    let tempids = given.iter().map(tempid).collect::<Option<_>>()?;
    Some(Told { t: u64::try_from(*t).ok()?, tempids, replayed })
}

/// The error that an answer tells.
fn problem(status: u16, response: &mut Response<ureq::Body>) -> Lost {
    let text = response.body_mut().with_config().limit(MOST_BYTES).read_to_string();
    let told = text.ok().and_then(|text| Some(edn::read_one(&text).ok()?.to_edn()));
    match told {
        Some(Edn::Map(parts)) => refused(status, &parts),
        _ => Lost::Unknown(format!("it answered {status}, and not as a transactor does")),
    }
}

/// The error that a problem document tells.
fn refused(status: u16, parts: &BTreeMap<Edn, Edn>) -> Lost {
    let part = |key: &str| parts.get(&Edn::keyword(key));
    let word = |key: &str| match part(key) {
        Some(Edn::Keyword(word)) => Some(word.as_str().to_owned()),
        Some(Edn::String(text)) => Some(text.to_string()),
        _ => None,
    };
    let category = word("category").and_then(|name| Category::ALL.into_iter().find(|it| it.name() == name));
    let (Some(category), Some(keyword)) = (category, word("keyword")) else {
        return Lost::Unknown(format!("it answered {status}, and not as a transactor does"));
    };
    let said = word("detail").unwrap_or_default();
    // It was on its way when the other stopped.
    if matches!(keyword.as_str(), "db.error/transactor-unavailable" | "db.error/outcome-unknown") {
        return Lost::Unknown(said);
    }
    let mut error = Error::new(category, keyword, said);
    if let Some(hint) = word("hint") {
        error = error.with_hint(hint);
    }
    if let Some(Edn::Map(data)) = part("data") {
        error = error.with_all_data(data.clone());
    }
    Lost::Refused(error)
}

/// Whether a call that failed on its way can have reached the other.
fn lost(error: ureq::Error) -> Lost {
    let why = error.to_string();
    let is_before = match &error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => true,
        ureq::Error::Timeout(when) => matches!(when, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        _ => false,
    };
    if is_before { Lost::NotSent(why) } else { Lost::Unknown(why) }
}
