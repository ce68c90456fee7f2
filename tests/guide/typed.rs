//! What is typed in a guide: a question behind commands that set its view, a transaction, or a request.

use annals::edn::{self, Edn, Form, FormKind};
use annals::{TimePoint, TxRequest};
use annals_tests::conformance::{Given, Moment, View};
use annals_tests::request;

/// What a block of a guide asks for.
pub(crate) enum Typed<'t> {
    /// A query and its inputs, of a view.
    Question(View, &'t str),
    /// A transaction, with what goes with it.
    Request(TxRequest),
}

/// Reads a block.
pub(crate) fn read(body: &str) -> Result<Typed<'_>, String> {
    let forms = edn::read_all(body).unwrap_or_default();
    if let [form] = forms.as_slice() {
        let is_part = |form: &Form| {
            let first = form.as_seq().and_then(<[_]>::first).and_then(Form::as_atom);
            matches!(form.kind, FormKind::Map(_)) || matches!(first, Some(Edn::Keyword(_) | Edn::Symbol(_)))
        };
        let is_data = form.as_seq().is_some_and(|parts| parts.iter().all(is_part));
        if is_data || request::part(form, "tx").is_some() {
            return request::read(body).map(Typed::Request).map_err(|error| error.to_string());
        }
    }
    view(body).map(|(view, question)| Typed::Question(view, question))
}

/// The view that commands in front of a question set, and the question.
fn view(typed: &str) -> Result<(View, &str), String> {
    let mut view = View::default();
    let mut rest = typed;
    while let Some((line, after)) = rest.split_once('\n').filter(|(line, _)| line.starts_with('.')) {
        match line.split_once(' ') {
            Some((".as-of", moment)) => view.as_of = Some(point(moment)?),
            Some((".since", moment)) => view.since = Some(point(moment)?),
            Some((".history", "on")) => view.history = true,
            _ => return Err(format!("`{line}` sets no view")),
        }
        rest = after;
    }
    Ok((view, rest))
}

fn point(text: &str) -> Result<Moment, String> {
    match TimePoint::parse(text).map_err(|error| error.to_string())? {
        TimePoint::T(t) => Ok(Moment::T(t)),
        TimePoint::Instant(micros) => Ok(Moment::Instant(micros)),
    }
}

/// An input: `#annals/db {…}` is another view, as it is over HTTP.
pub(crate) fn given(edn: Edn) -> Given {
    let Edn::Tagged(tag, map) = &edn else { return Given::Value(edn) };
    let (Edn::Map(map), "annals/db") = (&**map, tag.as_str()) else { return Given::Value(edn) };
    let moment = |key: &str| match map.get(&Edn::keyword(key)) {
        Some(Edn::Int(t)) => Some(Moment::T(t.unsigned_abs())),
        Some(Edn::Inst(micros)) => Some(Moment::Instant(*micros)),
        _ => None,
    };
    let history = map.get(&Edn::keyword("history")) == Some(&Edn::Bool(true));
    Given::Db(View { as_of: moment("as-of"), since: moment("since"), history })
}
