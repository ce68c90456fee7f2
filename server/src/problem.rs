//! What went wrong, as the asker sees it: an RFC 9457 problem document, in JSON or as the same map in EDN.
//!
//! Every failure becomes a [`Problem`]: errors of the library keep category, keyword, message, hint, facts and place;
//! what only exists at the door (paths, methods, media types, sizes) has its makers here. The status follows from the
//! category, but where HTTP has a more exact one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use annals::{Category, Edn, Form, Span};
use axum::http::StatusCode;

use crate::reply::Doc;

/// A failed request. Boxed: failures are rare, and results small.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Parts>);

/// What is known of a failure.
#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    allow: Option<String>,
    category: Category,
    keyword: Cow<'static, str>,
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    data: BTreeMap<Edn, Edn>,
}

/// Where in a text of the request.
#[derive(Clone, Debug)]
struct Place {
    of: &'static str,
    span: Span,
    line: usize,
    column: usize,
}

/// A piece of the request that was written as text, and the text it is part of, so that errors can point.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// What the text is: `body`, `query`, `pattern` …
    pub(crate) of: &'static str,
    /// The text that places are counted in.
    pub(crate) whole: Arc<str>,
    /// Where the piece begins in it, bytes.
    pub(crate) base: u32,
    /// Where the piece ends in it, bytes.
    pub(crate) end: u32,
}

impl Written {
    /// A text that stands for itself.
    pub(crate) fn whole(of: &'static str, text: impl Into<Arc<str>>) -> Written {
        let whole = text.into();
        let end = whole.len() as u32;
        Written { of, whole, base: 0, end }
    }

    /// The piece.
    pub(crate) fn text(&self) -> &str {
        &self.whole[self.base as usize..self.end as usize]
    }

    /// The piece as a form; its places are counted from the beginning of the piece.
    pub(crate) fn read(&self) -> Result<Form, Problem> {
        annals::edn::read_one(self.text()).map_err(|error| {
            let mut problem = Problem::new(error.category, error.keyword, error.message);
            problem.0.hint = error.hint;
            problem.at(error.span, self)
        })
    }

    fn place(&self, span: Span) -> Place {
        let floor = |at: u32| {
            let mut at = ((self.base + at) as usize).min(self.whole.len());
            while !self.whole.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(span.start), floor(span.end));
        let before = &self.whole[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            of: self.of,
            span: Span { start: start as u32, end: end as u32 },
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The status that a category has of itself.
fn status_of(category: Category) -> StatusCode {
    match category {
        Category::Incorrect => StatusCode::BAD_REQUEST,
        Category::Forbidden => StatusCode::FORBIDDEN,
        Category::NotFound => StatusCode::NOT_FOUND,
        Category::Conflict => StatusCode::CONFLICT,
        Category::Busy => StatusCode::TOO_MANY_REQUESTS,
        Category::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Category::Interrupted => StatusCode::GATEWAY_TIMEOUT,
        Category::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Category::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status of what the library refused: that of its category, but where HTTP has a more exact one.
fn status_of_error(error: &annals::Error) -> StatusCode {
    match error.keyword() {
        // No state of the database would help: the key is another request's for ever.
        "db.error/idempotency-key-reused" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => status_of(error.category()),
    }
}

impl From<annals::Error> for Problem {
    fn from(error: annals::Error) -> Problem {
        Problem(Box::new(Parts {
            status: status_of_error(&error),
            allow: None,
            category: error.category(),
            keyword: Cow::Owned(error.keyword().to_owned()),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
            place: None,
            data: error.data().clone(),
        }))
    }
}

impl Problem {
    /// A failure of this category.
    pub(crate) fn new(category: Category, keyword: &'static str, message: impl Into<String>) -> Problem {
        Problem(Box::new(Parts {
            status: status_of(category),
            allow: None,
            category,
            keyword: Cow::Borrowed(keyword),
            message: message.into(),
            hint: None,
            place: None,
            data: BTreeMap::new(),
        }))
    }

    /// The request is wrong.
    pub(crate) fn incorrect(keyword: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Category::Incorrect, keyword, message)
    }

    /// An error of the library about a text of the request.
    pub(crate) fn about(error: annals::Error, written: &Written) -> Problem {
        let span = error.span();
        Problem::from(error).at(span, written)
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.0.hint = Some(hint.into());
        self
    }

    /// With another status than its category's.
    pub(crate) fn status(mut self, status: StatusCode) -> Problem {
        self.0.status = status;
        self
    }

    /// With the place in a text.
    pub(crate) fn at(mut self, span: Option<Span>, written: &Written) -> Problem {
        self.0.place = span.map(|span| written.place(span));
        self
    }

    /// The answer's status.
    pub(crate) fn http_status(&self) -> StatusCode {
        self.0.status
    }

    /// The value of Allow, for a method that is not there.
    pub(crate) fn allow(&self) -> Option<&str> {
        self.0.allow.as_deref()
    }

    /// True if the same request was refused before, and this is what it was told then.
    pub(crate) fn is_replayed(&self) -> bool {
        self.0.data.get(&Edn::keyword("db.error/replayed")) == Some(&Edn::Bool(true))
    }

    /// The category.
    pub(crate) fn category(&self) -> Category {
        self.0.category
    }

    /// The keyword, without colon.
    pub(crate) fn keyword(&self) -> &str {
        &self.0.keyword
    }

    /// The document. Category and keyword are keywords in EDN and bare words in JSON.
    pub(crate) fn into_doc(self) -> Doc {
        let parts = *self.0;
        let name = parts.keyword.rsplit('/').next().unwrap_or_default();
        let mut fields = vec![
            ("type", Doc::text(format!("urn:annals:error:{name}"))),
            ("title", Doc::text(title(parts.category))),
            ("status", Doc::from(i64::from(parts.status.as_u16()))),
            ("detail", Doc::text(parts.message)),
            ("category", Doc::Word(parts.category.name().to_owned())),
            ("keyword", Doc::Word(parts.keyword.into_owned())),
        ];
        fields.extend(parts.hint.map(|hint| ("hint", Doc::text(hint))));
        fields.extend(parts.place.map(|place| ("span", place.into_doc())));
        if !parts.data.is_empty() {
            fields.push(("data", Doc::Data(Edn::Map(parts.data))));
        }
        Doc::Map(fields)
    }
}

impl Place {
    fn into_doc(self) -> Doc {
        Doc::Map(vec![
            ("of", Doc::text(self.of)),
            ("start", Doc::from(i64::from(self.span.start))),
            ("end", Doc::from(i64::from(self.span.end))),
            ("line", Doc::from(self.line as i64)),
            ("column", Doc::from(self.column as i64)),
        ])
    }
}

fn title(category: Category) -> &'static str {
    match category {
        Category::Incorrect => "The request is wrong",
        Category::Conflict => "The state forbids it",
        Category::NotFound => "Not found",
        Category::Unavailable => "Not available now",
        Category::Interrupted => "Stopped before its end",
        Category::Busy => "Too much at once",
        Category::Forbidden => "Not allowed",
        Category::Unsupported => "Not offered here",
        Category::Fault => "A fault of the server",
    }
}

/// What only exists at the door.
impl Problem {
    pub(crate) fn unknown_path(path: &str) -> Problem {
        Problem::new(Category::NotFound, "db.error/unknown-path", format!("there is nothing at {path}"))
            .hint("GET / lists the calls")
    }

    pub(crate) fn unknown_method(method: &str, path: &str, allow: String) -> Problem {
        let message = format!("{path} does not answer {method}");
        let mut problem = Problem::new(Category::Unsupported, "db.error/unknown-method", message)
            .hint(format!("it answers {allow}"))
            .status(StatusCode::METHOD_NOT_ALLOWED);
        problem.0.allow = Some(allow);
        problem
    }

    pub(crate) fn unsupported_media(name: &str) -> Problem {
        let message = format!("bodies of type {name:?} are not read");
        Problem::new(Category::Unsupported, "db.error/unsupported-media-type", message)
            .hint("send Content-Type: application/edn or application/json")
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    pub(crate) fn unsupported_encoding(name: &str) -> Problem {
        let message = format!("bodies that are packed by {name:?} are not read");
        Problem::new(Category::Unsupported, "db.error/unsupported-encoding", message)
            .hint("send Content-Encoding: gzip, or none")
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    pub(crate) fn not_acceptable(offered: impl Iterator<Item = &'static str>) -> Problem {
        let offered: Vec<_> = offered.collect();
        let message = "no form that Accept allows is offered here";
        Problem::new(Category::Unsupported, "db.error/not-acceptable", message)
            .hint(format!("offered are {}", offered.join(", ")))
            .status(StatusCode::NOT_ACCEPTABLE)
    }

    pub(crate) fn body_too_large(limit: usize) -> Problem {
        Problem::incorrect("db.error/body-too-large", format!("the body is larger than {limit} bytes"))
            .hint("split the transaction, or raise the server's limit")
            .status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    pub(crate) fn busy(what: &str, limit: usize) -> Problem {
        Problem::new(
            Category::Busy,
            "db.error/busy",
            format!("{limit} {what} are under way, which is the limit"),
        )
        .hint("try again after the time that Retry-After gives")
    }

    pub(crate) fn stopping() -> Problem {
        Problem::new(
            Category::Unavailable,
            "db.error/stopping",
            "the server is about to stop; nothing was done",
        )
        .hint("ask another server, or this one when it is there again")
    }

    pub(crate) fn not_read() -> Problem {
        let message = "the live log was not read for too long, and is told no more";
        Problem::new(Category::Interrupted, "db.error/not-read", message).hint(
            "ask again for what comes after the last id; read faster, or ask for less by attr and entity",
        )
    }

    pub(crate) fn timed_out(millis: u128) -> Problem {
        let message = format!("the request was stopped after {millis} ms");
        Problem::new(Category::Interrupted, "db.error/timeout", message)
            .hint("ask for less, or give a longer timeout, up to the server's limit")
    }

    pub(crate) fn outcome_unknown(millis: u128) -> Problem {
        let message = format!("no outcome within {millis} ms: the transaction may still be done, or not");
        Problem::new(Category::Unavailable, "db.error/transaction-timeout", message).hint(
            "send it again if it had an Idempotency-Key: it is done once; else look at a later basis first",
        )
    }

    pub(crate) fn basis_not_reached(wanted: u64, basis: u64) -> Problem {
        let message = format!("the newest basis here is {basis}, not yet {wanted}");
        Problem::new(Category::Unavailable, "db.error/basis-not-reached", message)
            .hint("try again, or give a longer wait")
    }

    pub(crate) fn panicked() -> Problem {
        let message = "the server met a fault of its own; the request was not answered";
        Problem::new(Category::Fault, "db.error/internal", message).hint("the server's log says where")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(whole: &str, base: u32, span: (u32, u32), want: (u32, u32, usize, usize)) {
        let written = Written { of: "body", whole: whole.into(), base, end: whole.len() as u32 };
        let place = written.place(Span { start: span.0, end: span.1 });
        assert_eq!((place.span.start, place.span.end, place.line, place.column), want);
    }

    #[test]
    fn places_are_counted_in_the_whole_text() {
        check("[:find ?x]", 0, (7, 9), (7, 9, 1, 8));
        check("{:query\n [:find ?x]}", 9, (7, 9), (16, 18, 2, 9));
        check("{\"ä\" ?x}", 0, (6, 8), (6, 8, 1, 6));
        check("ä", 0, (1, 99), (0, 2, 1, 1));
    }

    #[test]
    fn every_category_has_its_status() {
        let status = |category| status_of(category).as_u16();
        assert_eq!(status(Category::Incorrect), 400);
        assert_eq!(status(Category::Forbidden), 403);
        assert_eq!(status(Category::NotFound), 404);
        assert_eq!(status(Category::Conflict), 409);
        assert_eq!(status(Category::Busy), 429);
        assert_eq!(status(Category::Fault), 500);
        assert_eq!(status(Category::Unsupported), 501);
        assert_eq!(status(Category::Unavailable), 503);
        assert_eq!(status(Category::Interrupted), 504);
    }
}
