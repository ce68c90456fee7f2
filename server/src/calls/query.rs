//! Questions: a query, its inputs, the moment it is about.

use annals::edn::{Form, FormKind};
use annals::{Answer, Edn};

use super::inputs::Inputs;
use crate::ask::Ask;
use crate::fields::{Body, Fields};
use crate::params;
use crate::problem::{Problem, Written};
use crate::reply::{Content, Doc, Reply};
use crate::table::Table;

const FIELDS: &[&str] =
    &["query", "args", "rules", "as-of", "since", "history", "limit", "timeout", "explain"];

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
        ask.limit_time(field.count("timeout")?);
    }
    let limit = match fields.take("limit") {
        Some(field) => Some(field.count("limit")?),
        None => ask.params.count("limit")?,
    };
    let explain = match fields.take("explain") {
        Some(field) => field.flag("explain")?,
        None => ask.params.flag("explain")?,
    };
    let args = match (args, fields.take("args")) {
        (Some(args), _) => args,
        (None, Some(field)) => field.elements("args")?,
        (None, None) => Vec::new(),
    };
    let rules = fields.take("rules").map(|field| field.written("rules")?.read());
    let rules = rules.transpose()?.map(|rules| rules.to_edn());
    let lens = ask.lens(&mut fields)?;
    fields.finish(FIELDS)?;

    let question = annals::q(query.text()).map_err(|error| Problem::about(error, &query))?;
    let inputs = Inputs::of(&query.read()?, question.wants_db(), args, rules)?;
    let (question, lenses) = inputs.bind(ask, question, lens)?;
    let stamp = ask.stamp(&lenses.iter().collect::<Vec<_>>())?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    let about = |error| Problem::about(error, &query);
    if explain {
        let plan = question.explain().map_err(about)?;
        return Ok(Reply::doc(Doc::Map(vec![("plan", Doc::text(plan))])).stamped(stamp));
    }
    let answer = question.run().map_err(about)?;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Reply::new(content(answer, limit, ask.media.is_rows())).stamped(stamp))
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
