//! Facts in, report out: for good (`transact`) or for the sake of argument (`with`).

use annals::edn::FormKind;
use annals::{Edn, TxData, TxReport};

use super::attribute_names;
use crate::ask::Ask;
use crate::fields::{Body, Field, Fields};
use crate::problem::{Problem, Written};
use crate::reply::{Doc, Reply};
use crate::table::datom_row;

/// Transacts. Durable when it answers.
pub(crate) fn transact(ask: &Ask) -> Result<Reply, Problem> {
    let connection = ask.connection()?;
    let (tx, fields, written) = tx_of(ask)?;
    fields.finish(&["tx-data"])?;
    let refused = |error| Problem::about(error, &written);
    let pending = connection.submit(tx).map_err(refused)?;
    let limit = ask.shared.options.transact_timeout;
    match pending.wait_for(limit) {
        None => Err(Problem::outcome_unknown(limit.as_millis())),
        Some(outcome) => reply(ask, &outcome.map_err(refused)?),
    }
}

/// What the transaction would do, over any view of the past.
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

fn reply(ask: &Ask, report: &TxReport) -> Result<Reply, Problem> {
    let _ = ask.known.basis.set(report.t);
    Ok(Reply::doc(report_doc(report)))
}

fn report_doc(report: &TxReport) -> Doc {
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
