//! Questions: a query, its inputs, the moment it is about.

use annals::edn::{Form, FormKind};
use annals::{Answer, Cursor, Edn};

use super::inputs::Inputs;
use crate::ask::Ask;
use crate::fields::{Body, Field, Fields};
use crate::params;
use crate::problem::{Problem, Written};
use crate::quick;
use crate::reply::{Content, Doc, Reply};
use crate::table::Table;
use crate::view::Lens;

const FIELDS: &[&str] = &[
    "query", "args", "rules", "as-of", "since", "history", "limit", "cursor", "page", "timeout", "explain",
    "verify",
];

/// A query in the body: itself, or a map of fields.
pub(crate) fn query(ask: &Ask) -> Result<Reply, Problem> {
    let body = ask.body()?;
    let (written, fields) = if is_bare_query(&body) {
        let field = body.into_field().ok_or_else(no_query)?;
        (field.written("query")?, Fields::default())
    } else {
        let mut fields = Fields::of(body)?;
        let query = fields.take("query").ok_or_else(no_query)?;
        (query.written("query")?, fields)
    };
    answer(ask, written, fields, None)
}

/// A query in the address.
pub(crate) fn query_by_address(ask: &Ask) -> Result<Reply, Problem> {
    let text = ask.params.get("query").ok_or_else(no_query)?;
    let args = ask.params.get("args").map(|text| Written::whole("args", text).read()).transpose()?;
    let args = match args.as_ref().map(Form::to_edn) {
        None => Vec::new(),
        Some(Edn::Vector(args) | Edn::List(args)) => args,
        Some(other) => return Err(params::bad("args", &other.to_string(), "a vector of inputs")),
    };
    answer(ask, Written::whole("query", text), Fields::default(), Some(args))
}

fn no_query() -> Problem {
    Problem::incorrect("db.error/missing-field", "there is no query")
        .hint("send [:find …], or a map with :query")
}

/// True unless the body is a map of fields: a query as a vector, as text, or as a map with `:find`.
fn is_bare_query(body: &Body) -> bool {
    match body {
        Body::Edn(Form { kind: FormKind::Map(pairs), .. }, _) => {
            pairs.iter().any(|(key, _)| key.as_atom() == Some(&Edn::keyword("find")))
        }
        Body::Json(serde_json::Value::Object(object), _) => object.contains_key(":find"),
        Body::Empty => false,
        _ => true,
    }
}

fn answer(ask: &Ask, query: Written, mut fields: Fields, args: Option<Vec<Edn>>) -> Result<Reply, Problem> {
    if let Some(field) = fields.take("timeout") {
        if ask.on_the_spot {
            return Err(quick::elsewhere());
        }
        ask.limit_time(field.count("timeout")?);
    }
    let limit = match fields.take("limit") {
        Some(field) => Some(field.count("limit")?),
        None => ask.params.count("limit")?,
    };
    let mut flag = |name: &'static str| match fields.take(name) {
        Some(field) => field.flag(name),
        None => ask.params.flag(name),
    };
    let (explain, verify, page) = (flag("explain")?, flag("verify")?, flag("page")?);
    let cursor = match fields.take("cursor") {
        Some(field) => Some(text_of(&field)?),
        None => ask.params.get("cursor").map(str::to_owned),
    };
    let args = match (args, fields.take("args")) {
        (Some(args), _) => args,
        (None, Some(field)) => field.elements("args")?,
        (None, None) => Vec::new(),
    };
    let rules = fields.take("rules").map(|field| field.written("rules")?.read());
    let rules = rules.transpose()?.map(|rules| rules.to_edn());
    let mut lens = ask.lens(&mut fields)?;
    fields.finish(FIELDS)?;

    if !(explain || verify || cursor.is_some()) {
        ask.allow_question(query.text())?;
    } else if ask.on_the_spot {
        return Err(quick::elsewhere());
    }
    let about = |error| ask.failed(error, &query);
    let mut question = ask.shared.store.q(query.text()).map_err(about)?;
    let inputs = Inputs::of(&question, args, rules)?;
    if let Some(cursor) = &cursor {
        question = question.after(cursor);
        if let Some(t) = Cursor::decode(cursor).map_err(annals::Error::from)?.basis {
            lens = lens.fixed_to(t)?;
        }
    }
    // A limit of the query is left as it is, and its page cut.
    let cut = if question.has_limit() { limit } else { None };
    if let Some(limit) = limit {
        question = question.limit(limit);
    }
    if verify {
        question = question.verify(true);
    }
    let (question, lenses) = inputs.bind(ask, question, lens)?;
    let stamp = ask.stamp(&lenses.iter().collect::<Vec<_>>())?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    if explain {
        let told = question.explain().map_err(about)?;
        let plan = ("plan", Doc::text(told.to_string()));
        return Ok(Reply::doc(Doc::Map(vec![plan, ("explain", Doc::Told(told.to_edn()))])).stamped(stamp));
    }
    let answer = question.run().map_err(about)?;
    let cut = cut.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let end = lenses.first().map(Lens::end);
    let cursor = cursor_of(&answer, end, cut);
    let content =
        if page { paged(answer, cut, &cursor, end)? } else { content(answer, cut, ask.media.is_rows()) };
    Ok(Reply { cursor, ..Reply::new(content).stamped(stamp) })
}

fn text_of(field: &Field) -> Result<String, Problem> {
    match field.edn()? {
        Edn::String(text) => Ok(text.to_string()),
        other => Err(params::bad("cursor", &other.to_string(), "the text of a cursor")),
    }
}

/// The cursor of the last row, with the basis of the first database; none if rows were cut off after it.
fn cursor_of(answer: &Answer, basis: Option<u64>, cut: usize) -> Option<String> {
    match answer {
        Answer::Relation(rows) if rows.len() <= cut => match basis {
            Some(t) => rows.cursor_at(t),
            None => rows.cursor(),
        },
        _ => None,
    }
}

/// Rows with what belongs to them.
fn paged(
    answer: Answer,
    limit: usize,
    cursor: &Option<String>,
    end: Option<u64>,
) -> Result<Content, Problem> {
    let Answer::Relation(rows) = &answer else {
        return Err(Problem::incorrect("db.error/bad-field", "a page is of rows, but :find asks for values")
            .hint("ask for rows: :find ?a ?b"));
    };
    let nil = || Doc::Data(Edn::Nil);
    let columns = Doc::List(rows.columns().iter().map(|column| Doc::text(column.as_str())).collect());
    let Content::Doc(rows) = content(answer, limit, false) else { unreachable!("no rows were asked for") };
    Ok(Content::Doc(Doc::Map(vec![
        ("columns", columns),
        ("rows", rows),
        ("cursor", cursor.as_ref().map_or_else(nil, |cursor| Doc::text(cursor.as_str()))),
        ("basis-t", end.map_or_else(nil, Doc::from)),
    ])))
}

fn content(answer: Answer, limit: usize, rows: bool) -> Content {
    if rows {
        return Content::Table(Table::of_answer(answer, limit));
    }
    let many = matches!(answer, Answer::Relation(_) | Answer::Collection(_));
    let edn = match answer.into_edn() {
        Edn::Vector(mut rows) if many => {
            rows.truncate(limit);
            Edn::Vector(rows)
        }
        other => other,
    };
    Content::Doc(edn.into())
}
