//! Answers: built once, written in the form that is wanted.
//!
//! A [`Doc`] is an answer with named parts. Its names are keywords in EDN and bare words in JSON, as in requests;
//! the values in it follow the rules for values (plain or tagged JSON). A [`Table`] is rows, written line by line.

use annals::Edn;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;

use crate::json::{Json, Types};
use crate::media::Media;
use crate::problem::Problem;
use crate::routes::BYTES;
use crate::table::Table;
use crate::tail::Start;
use crate::view::Stamp;

/// Says after what the next page of a query goes on.
const CURSOR: HeaderName = HeaderName::from_static("annals-cursor");

/// Says that the request was answered before, and this is the same answer.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Says that the asker does not wait, as it preferred (RFC 7240).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// An answer with named parts.
#[derive(Clone, Debug)]
pub(crate) enum Doc {
    /// A value of the database.
    Data(Edn),
    /// One of a few words: a keyword in EDN, text in JSON.
    Word(String),
    /// Parts by name.
    Map(Vec<(&'static str, Doc)>),
    /// Parts as the library names them: keywords are names, at whatever depth.
    Told(Edn),
    /// Parts in a row.
    List(Vec<Doc>),
}

impl Doc {
    /// Text.
    pub(crate) fn text(text: impl Into<String>) -> Doc {
        Doc::Data(Edn::string(text.into()))
    }

    /// As EDN.
    pub(crate) fn into_edn(self) -> Edn {
        match self {
            Doc::Data(edn) | Doc::Told(edn) => edn,
            Doc::Word(word) => Edn::keyword(&word),
            Doc::List(docs) => Edn::Vector(docs.into_iter().map(Doc::into_edn).collect()),
            Doc::Map(fields) => {
                let pairs = fields.into_iter().map(|(name, doc)| (Edn::keyword(name), doc.into_edn()));
                Edn::Map(pairs.collect::<BTreeMap<_, _>>())
            }
        }
    }

    /// As text.
    pub(crate) fn write(self, media: Media, types: Types) -> String {
        match media {
            Media::Edn => self.into_edn().to_string(),
            _ => serde_json::to_string(&Shown(&self, types))
                .expect("values with text keys can be written as JSON"),
        }
    }
}

impl From<i64> for Doc {
    fn from(n: i64) -> Doc {
        Doc::Data(Edn::Int(n))
    }
}

impl From<u64> for Doc {
    fn from(n: u64) -> Doc {
        Doc::Data(Edn::Int(n as i64))
    }
}

impl From<Edn> for Doc {
    fn from(edn: Edn) -> Doc {
        Doc::Data(edn)
    }
}

struct Shown<'a>(&'a Doc, Types);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Doc::Data(edn) => Json(edn, self.1).serialize(out),
            Doc::Told(edn) => Told(edn, self.1).serialize(out),
            Doc::Word(word) => out.serialize_str(word),
            Doc::List(docs) => out.collect_seq(docs.iter().map(|doc| Shown(doc, self.1))),
            Doc::Map(fields) => out.collect_map(fields.iter().map(|(name, doc)| (name, Shown(doc, self.1)))),
        }
    }
}

/// A value whose keywords are names.
struct Told<'a>(&'a Edn, Types);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Edn::Keyword(name) => out.serialize_str(name.as_str()),
            Edn::Vector(parts) => out.collect_seq(parts.iter().map(|part| Told(part, self.1))),
            Edn::Map(pairs) => {
                out.collect_map(pairs.iter().map(|(key, value)| (Told(key, self.1), Told(value, self.1))))
            }
            other => Json(other, self.1).serialize(out),
        }
    }
}

/// What a call answers.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The answer itself.
    pub(crate) content: Content,
    /// 200 unless something was created.
    pub(crate) status: StatusCode,
    /// What the answer depends on, if it can be kept.
    pub(crate) stamp: Option<Stamp>,
    /// Where the next page is.
    pub(crate) next: Option<String>,
    /// After what the next page of a query goes on.
    pub(crate) cursor: Option<String>,
    /// Where the outcome will be told.
    pub(crate) location: Option<String>,
    /// The outcome may be still to come: it can be asked for again in a second.
    pub(crate) is_pending: bool,
    /// The request was carried out before.
    pub(crate) replayed: bool,
}

/// The answer itself.
#[derive(Debug)]
pub(crate) enum Content {
    /// Named parts or a value.
    Doc(Doc),
    /// Rows, for the forms that hold rows only.
    Table(Table),
    /// Text of this type.
    Text(&'static str, String),
    /// What is stored, as it is.
    Bytes(Vec<u8>),
    /// A live log begins.
    Tail(Box<Start>),
    /// The asker has it already.
    Unchanged,
}

impl Reply {
    /// 200.
    pub(crate) fn new(content: Content) -> Reply {
        Reply {
            content,
            status: StatusCode::OK,
            stamp: None,
            next: None,
            cursor: None,
            location: None,
            is_pending: false,
            replayed: false,
        }
    }

    /// 200 and a value.
    pub(crate) fn doc(doc: impl Into<Doc>) -> Reply {
        Reply::new(Content::Doc(doc.into()))
    }

    /// With what it depends on.
    pub(crate) fn stamped(mut self, stamp: Stamp) -> Reply {
        self.stamp = Some(stamp);
        self
    }

    /// The answer as it goes out.
    pub(crate) fn into_response(self, media: Media, types: Types) -> Result<Response, Problem> {
        let (body, kind) = match self.content {
            Content::Doc(_) if media == Media::Csv => {
                return Err(Problem::not_acceptable([Media::Edn.name(), Media::Json.name()].into_iter()));
            }
            Content::Doc(doc) => (Body::from(doc.write(media, types)), media.content_type()),
            Content::Table(table) => (table.into_body(media, types), media.content_type()),
            Content::Text(kind, text) => (Body::from(text), HeaderValue::from_static(kind)),
            Content::Bytes(bytes) => (Body::from(bytes), HeaderValue::from_static(BYTES)),
            // The shell takes it out before.
            Content::Tail(_) => return Err(Problem::panicked()),
            Content::Unchanged => (Body::empty(), media.content_type()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding, content-type"));
        match self.stamp {
            Some(stamp) => {
                put(headers, header::ETAG, &stamp.tag);
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(stamp.cache_control()));
            }
            None => {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
        }
        if let Some(cursor) = self.cursor {
            put(headers, CURSOR, &cursor);
        }
        if let Some(location) = self.location {
            put(headers, header::LOCATION, &location);
            headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
        }
        if self.is_pending {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(next) = self.next {
            put(headers, header::LINK, &format!("<{next}>; rel=\"next\""));
        }
        Ok(response)
    }
}

/// An error as it goes out.
pub(crate) fn problem_response(problem: Problem, media: Media) -> Response {
    let (status, allow) = (problem.http_status(), problem.allow().map(str::to_owned));
    let kind = if media == Media::Edn {
        Media::Edn.content_type()
    } else {
        HeaderValue::from_static("application/problem+json")
    };
    let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let replayed = problem.is_replayed();
    let text = problem.into_doc().write(media, Types::Plain);
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if busy {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(allow) = allow {
        put(headers, header::ALLOW, &allow);
    }
    response
}

/// Sets a header, if the text can stand in one.
pub(crate) fn put(headers: &mut axum::http::HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
