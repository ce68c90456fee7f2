//! Facts in, report out: for good (`transact`) or for the sake of argument (`with`).

use std::time::Duration;

use annals::edn::FormKind;
use annals::{Edn, TxData, TxReport, TxRequest};
use axum::http::StatusCode;

use super::attribute_names;
use super::expect::expectations;
use super::requests::{status_doc, unknown};
use crate::ask::Ask;
use crate::fields::{Body, Field, Fields};
use crate::params;
use crate::problem::{Problem, Written};
use crate::reply::{Doc, Reply};
use crate::table::datom_row;

/// Transacts: durable when it answers. Where the asker does not wait, durably taken in, and carried out afterwards.
pub(crate) fn transact(ask: &Ask) -> Result<Reply, Problem> {
    let (tx, mut fields, written) = tx_of(ask)?;
    let request = request(ask, tx, &mut fields)?;
    fields.finish(&["tx-data", "key", "expect"])?;
    let refused = |error| Problem::about(error, &written);
    if ask.is_async {
        return accepted(ask, request, &refused);
    }
    let report = outcome(ask, request, &refused)?;
    reply(ask, &report, report_doc(&report))
}

/// The transaction with its key (header, or field) and what it expects.
pub(super) fn request(
    ask: &Ask,
    tx: impl Into<TxRequest>,
    fields: &mut Fields,
) -> Result<TxRequest, Problem> {
    let mut request: TxRequest = tx.into();
    if ask.is_handed_over {
        request = request.direct();
    }
    if let Some(key) = key(ask, fields)? {
        request = request.key(key);
    }
    if let Some(field) = fields.take("expect") {
        for expectation in expectations(&field)? {
            request = request.expect(expectation);
        }
    }
    Ok(request)
}

/// The key that the request has.
fn key(ask: &Ask, fields: &mut Fields) -> Result<Option<String>, Problem> {
    let refused = |message: String| Err(Problem::incorrect("db.error/bad-field", message));
    let field = match fields.take("key").map(|field| field.edn()).transpose()? {
        None => return Ok(ask.key.clone()),
        Some(Edn::String(key)) => key.to_string(),
        Some(other) => return refused(format!("key is {other}, not a text")),
    };
    match &ask.key {
        Some(header) if *header != field => {
            refused(format!("the body has the key {field:?}, and Idempotency-Key is {header:?}"))
        }
        _ => Ok(Some(field)),
    }
}

/// Waits for what comes of a request, as long as the server does.
pub(super) fn outcome(
    ask: &Ask,
    request: TxRequest,
    refused: &dyn Fn(annals::Error) -> Problem,
) -> Result<TxReport, Problem> {
    let pending = ask.connection()?.submit(request).map_err(refused)?;
    let limit = ask.shared.options.transact_timeout;
    match pending.wait_for(limit) {
        None => Err(Problem::outcome_unknown(limit.as_millis())),
        Some(outcome) => outcome.map_err(refused),
    }
}

/// 202, and the address where the outcome is told from now on.
pub(super) fn accepted(
    ask: &Ask,
    request: TxRequest,
    refused: &dyn Fn(annals::Error) -> Problem,
) -> Result<Reply, Problem> {
    let connection = ask.connection()?;
    let key = request.key_text().unwrap_or_default().to_owned();
    let receipt = connection.accept(request).map_err(refused)?;
    let status = connection.request(&key, Duration::ZERO)?.ok_or_else(|| unknown(&key))?;
    let mut reply = Reply::doc(status_doc(&status));
    reply.status = StatusCode::ACCEPTED;
    reply.is_pending = true;
    reply.location = Some(format!("/v1/db/{}/requests/{}", ask.part("db"), params::percent_encoded(&key)));
    reply.replayed = receipt.replayed;
    let _ = ask.known.basis.set(receipt.t);
    Ok(reply)
}

/// What the transaction would do, now or at a moment of the past.
pub(crate) fn with(ask: &Ask) -> Result<Reply, Problem> {
    let (tx, mut fields, written) = tx_of(ask)?;
    let lens = ask.lens(&mut fields)?;
    fields.finish(&["tx-data", "as-of", "since"])?;
    let report = lens.db.with(tx).map_err(|error| Problem::about(error, &written))?;
    Ok(Reply::doc(report_doc(&report)))
}

/// The transaction data: the body itself, or its field `tx-data` (or `tx`); and the other fields.
fn tx_of(ask: &Ask) -> Result<(TxData, Fields, Written), Problem> {
    let nothing = || {
        Problem::incorrect("db.error/missing-field", "there is no transaction data in the body")
            .hint("send a vector of maps and lists, or a map with :tx-data")
    };
    let (field, fields) = match ask.body()? {
        body @ Body::Edn(annals::Form { kind: FormKind::Map(_), .. }, _)
        | body @ Body::Json(serde_json::Value::Object(_), _) => {
            let mut fields = Fields::of(body)?;
            let field = fields.take("tx-data").or_else(|| fields.take("tx"));
            (field, fields)
        }
        body => (body.into_field(), Fields::default()),
    };
    let (tx, written) = match field.ok_or_else(nothing)? {
        Field::Edn(form, written) => match form.as_atom() {
            Some(Edn::String(text)) => text_of(text)?,
            _ => (TxData::from(form), written),
        },
        Field::Json(serde_json::Value::String(text), _) => text_of(&text)?,
        json => (TxData::from(json.edn()?), Written::whole("tx-data", "")),
    };
    Ok((tx, fields, written))
}

fn text_of(text: &str) -> Result<(TxData, Written), Problem> {
    let written = Written::whole("tx-data", text);
    Ok((TxData::from(written.read()?), written))
}

/// The answer about a report.
pub(super) fn reply(ask: &Ask, report: &TxReport, doc: Doc) -> Result<Reply, Problem> {
    let _ = ask.known.basis.set(report.t);
    let mut reply = Reply::doc(doc);
    reply.replayed = report.replayed;
    Ok(reply)
}

pub(super) fn report_doc(report: &TxReport) -> Doc {
    let basis = |t: u64| Doc::Map(vec![("basis-t", t.into())]);
    let mut name = attribute_names(&report.db_after);
    let datoms = report.datoms.iter().map(|datom| Edn::Vector(datom_row(datom, name(datom))));
    let tempids = report.tempids.iter().map(|(tempid, e)| (Edn::string(tempid.as_str()), Edn::from(*e)));
    Doc::Map(vec![
        ("db-before", basis(report.db_before.basis_t())),
        ("db-after", basis(report.db_after.basis_t())),
        ("t", report.t.into()),
        ("tx", Edn::from(report.tx).into()),
        ("instant", Edn::Inst(report.instant).into()),
        ("tempids", Edn::Map(tempids.collect()).into()),
        ("datoms", Edn::Vector(datoms.collect()).into()),
    ])
}
