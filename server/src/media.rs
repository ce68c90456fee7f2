//! Forms of bodies and answers, and which one is wanted.
//!
//! A body without Content-Type is EDN. An answer takes the form that Accept likes best; where Accept leaves it open,
//! the form of the body, and EDN if there is none. Only the safe types are read as a body: what a browser sends from
//! a foreign page without asking first (`text/plain`, forms) is refused.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};

use crate::problem::Problem;

/// A form of bodies or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/edn`
    Edn,
    /// `application/json`
    Json,
    /// `text/csv`: a head line and one line a row
    Csv,
    /// `application/x-ndjson`: one JSON value a row
    Ndjson,
}

impl Media {
    /// The name in headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Media::Edn => "application/edn",
            Media::Json => "application/json",
            Media::Csv => "text/csv",
            Media::Ndjson => "application/x-ndjson",
        }
    }

    /// The value of Content-Type.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Media::Edn => "application/edn; charset=utf-8",
            Media::Json => "application/json",
            Media::Csv => "text/csv; charset=utf-8; header=present",
            Media::Ndjson => "application/x-ndjson",
        })
    }

    /// True for the forms that hold rows only.
    pub(crate) fn is_rows(self) -> bool {
        matches!(self, Media::Csv | Media::Ndjson)
    }

    /// The form that errors take when answers take this one.
    pub(crate) fn of_problem(self) -> Media {
        if self == Media::Edn { Media::Edn } else { Media::Json }
    }
}

/// The form of the body.
pub(crate) fn of_body(headers: &HeaderMap) -> Result<Media, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Media::Edn) };
    let text = value.to_str().unwrap_or_default();
    match essence(text).as_str() {
        "application/edn" => Ok(Media::Edn),
        "application/json" => Ok(Media::Json),
        other => Err(Problem::unsupported_media(other)),
    }
}

/// The form of the answer. `rows`: the call can answer in rows.
pub(crate) fn of_answer(headers: &HeaderMap, rows: bool) -> Result<Media, Problem> {
    let offered: &[Media] =
        if rows { &[Media::Edn, Media::Json, Media::Csv, Media::Ndjson] } else { &[Media::Edn, Media::Json] };
    pick(headers, offered).ok_or_else(|| Problem::not_acceptable(offered.iter().map(|media| media.name())))
}

/// The type of a stream of events.
pub(crate) const EVENTS: &str = "text/event-stream";

/// True if Accept names streams of events.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    accepted(headers).iter().any(|range| range.name == EVENTS && range.quality > 0.0)
}

/// The form of the data in events: what else Accept likes best, EDN if it names nothing else.
pub(crate) fn of_events(headers: &HeaderMap) -> Media {
    pick(headers, &[Media::Edn, Media::Json]).unwrap_or(Media::Edn)
}

/// The form of an error: never refused, JSON if Accept likes neither.
pub(crate) fn of_problem(headers: &HeaderMap) -> Media {
    let offered = [Media::Edn, Media::Json, Media::Csv, Media::Ndjson];
    pick(headers, &offered).unwrap_or(Media::Json).of_problem()
}

fn pick(headers: &HeaderMap, offered: &[Media]) -> Option<Media> {
    let usual = of_body(headers).unwrap_or(Media::Edn);
    let ranges = accepted(headers);
    if ranges.is_empty() {
        return Some(usual);
    }
    let mut best: Option<(f32, Media)> = None;
    for media in std::iter::once(usual).chain(offered.iter().copied()) {
        let quality = quality(&ranges, media.name());
        if quality > 0.0 && best.is_none_or(|(most, _)| quality > most) {
            best = Some((quality, media));
        }
    }
    best.map(|(_, media)| media)
}

fn accepted(headers: &HeaderMap) -> Vec<Range> {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(ranges).collect()
}

/// One entry of Accept.
struct Range {
    name: String,
    quality: f32,
}

fn ranges(accept: &str) -> impl Iterator<Item = Range> + '_ {
    accept.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(|entry| {
        let quality = entry
            .split(';')
            .skip(1)
            .find_map(|parameter| parameter.trim().strip_prefix("q="))
            .and_then(|number| number.trim().parse().ok())
            .unwrap_or(1.0);
        Range { name: essence(entry), quality }
    })
}

/// How much a type is wanted: by the most exact entry that covers it.
fn quality(ranges: &[Range], name: &str) -> f32 {
    let group = name.split('/').next().unwrap_or_default();
    let exactness = |range: &Range| match range.name.as_str() {
        exact if exact == name => 3,
        "*/*" => 1,
        other if other.strip_suffix("/*") == Some(group) => 2,
        _ => 0,
    };
    ranges
        .iter()
        .filter(|range| exactness(range) > 0)
        .max_by_key(|range| exactness(range))
        .map_or(0.0, |r| r.quality)
}

/// A media type without its parameters.
fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: Option<&'static str>, accept: Option<&'static str>, rows: bool, want: Option<Media>) {
        let mut headers = HeaderMap::new();
        if let Some(content) = content {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
        }
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        assert_eq!(of_answer(&headers, rows).ok(), want, "{content:?} {accept:?}");
    }

    #[test]
    fn the_answer_takes_the_bodys_form_unless_told() {
        check(None, None, false, Some(Media::Edn));
        check(None, Some("*/*"), false, Some(Media::Edn));
        check(Some("application/json"), None, false, Some(Media::Json));
        check(Some("application/json; charset=utf-8"), Some("*/*"), false, Some(Media::Json));
        check(Some("application/json"), Some("application/edn"), false, Some(Media::Edn));
        check(None, Some("application/json"), false, Some(Media::Json));
    }

    #[test]
    fn accept_is_weighed() {
        check(None, Some("application/edn;q=0.5, application/json"), false, Some(Media::Json));
        check(None, Some("application/json;q=0, */*"), false, Some(Media::Edn));
        check(Some("application/json"), Some("application/json;q=0, */*"), false, Some(Media::Edn));
        check(
            None,
            Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            true,
            Some(Media::Edn),
        );
        check(None, Some("text/*"), true, Some(Media::Csv));
    }

    #[test]
    fn rows_only_where_there_are_rows() {
        check(None, Some("text/csv"), true, Some(Media::Csv));
        check(None, Some("text/csv"), false, None);
        check(None, Some("application/x-ndjson"), true, Some(Media::Ndjson));
        check(None, Some("image/png"), true, None);
    }

    #[test]
    fn a_body_that_a_foreign_page_could_send_is_refused() {
        for content in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
        {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
            assert!(of_body(&headers).is_err(), "{content}");
        }
    }
}
