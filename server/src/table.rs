//! Rows, line by line: CSV and newline-delimited JSON.
//!
//! The text is made as it is sent, a few hundred rows at a time, so that a large answer is never held twice.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use annals::{Answer, Datom, Edn};
use axum::body::{Body, Bytes};
use futures_core::Stream;

use crate::json::write::scalar_text;
use crate::json::{Json, Types};
use crate::media::Media;

const ROWS_AT_ONCE: usize = 256;

/// Rows with named columns.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    line: Line,
    rows: Vec<Vec<Edn>>,
}

/// How a row stands in a line of JSON.
#[derive(Debug)]
enum Line {
    /// As an array.
    Row,
    /// As its only value.
    Bare,
    /// As an object with these keys.
    Keyed(Vec<Edn>),
}

impl Table {
    /// The rows of an answer, at most `limit`.
    pub(crate) fn of_answer(answer: Answer, limit: usize) -> Table {
        let bare = |values: Vec<Edn>| Table {
            columns: vec!["value".to_owned()],
            line: Line::Bare,
            rows: values.into_iter().take(limit).map(|value| vec![value]).collect(),
        };
        match answer {
            Answer::Collection(values) => bare(values),
            Answer::Scalar(value) => bare(value.into_iter().collect()),
            Answer::Tuple(row) => {
                let width = row.as_ref().map_or(0, Vec::len);
                let columns = (1..=width).map(|number| number.to_string()).collect();
                Table { columns, line: Line::Row, rows: row.into_iter().collect() }
            }
            Answer::Relation(rows) => {
                let columns = rows.columns().to_vec();
                let line = rows.keys().map_or(Line::Row, |keys| Line::Keyed(keys.to_vec()));
                let mut rows = rows.into_rows();
                rows.truncate(limit);
                Table { columns, line, rows }
            }
        }
    }

    /// Rows whose lines are objects with the columns' names.
    pub(crate) fn named(columns: &[&str], rows: Vec<Vec<Edn>>) -> Table {
        let keys = columns.iter().map(|name| Edn::string(*name)).collect();
        Table {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            line: Line::Keyed(keys),
            rows,
        }
    }

    /// Facts, one a row.
    pub(crate) fn of_datoms(datoms: &[Datom], ident: &mut dyn FnMut(&Datom) -> Edn) -> Table {
        let rows = datoms.iter().map(|datom| datom_row(datom, ident(datom))).collect();
        let columns = ["e", "a", "v", "tx", "added"].map(str::to_owned).to_vec();
        Table { columns, line: Line::Row, rows }
    }

    /// The text, made as it is sent.
    pub(crate) fn into_body(self, media: Media, types: Types) -> Body {
        let Table { columns, line, rows } = self;
        let head = (media == Media::Csv).then(|| csv_lines(std::iter::once(columns)));
        let mut rows = rows.into_iter();
        let chunks = std::iter::from_fn(move || {
            let some: Vec<Vec<Edn>> = rows.by_ref().take(ROWS_AT_ONCE).collect();
            if some.is_empty() {
                return None;
            }
            Some(match media {
                Media::Csv => csv_lines(some.iter().map(|row| row.iter().map(cell).collect())),
                _ => json_lines(&some, &line, types),
            })
        });
        Body::from_stream(Chunks(head.into_iter().chain(chunks)))
    }
}

/// A fact as a row, with its attribute's name.
pub(crate) fn datom_row(datom: &Datom, attribute: Edn) -> Vec<Edn> {
    vec![
        Edn::from(datom.e),
        attribute,
        Edn::from(datom.v.clone()),
        Edn::from(datom.tx),
        Edn::Bool(datom.added),
    ]
}

/// A value in a cell: bare text; nothing for nil.
fn cell(edn: &Edn) -> String {
    if *edn == Edn::Nil { String::new() } else { scalar_text(edn) }
}

fn csv_lines(rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut out =
        csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        out.write_record(&row).expect("a vector takes all bytes");
    }
    out.into_inner().expect("a vector takes all bytes")
}

fn json_lines(rows: &[Vec<Edn>], line: &Line, types: Types) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        let value = match line {
            Line::Row => Edn::Vector(row.clone()),
            Line::Bare => row.first().cloned().unwrap_or(Edn::Nil),
            Line::Keyed(keys) => Edn::Map(keys.iter().cloned().zip(row.iter().cloned()).collect()),
        };
        serde_json::to_writer(&mut out, &Json(&value, types)).expect("a vector takes all bytes");
        out.push(b'\n');
    }
    out
}

/// An iterator as a stream that is always ready.
struct Chunks<I>(I);

impl<I: Iterator<Item = Vec<u8>> + Unpin> Stream for Chunks<I> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Bytes::from(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use annals::Rows;

    fn text(answer: Answer, media: Media) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = Table::of_answer(answer, usize::MAX).into_body(media, Types::Plain);
        let bytes = runtime.block_on(axum::body::to_bytes(body, usize::MAX)).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn rows() -> Rows {
        let row = |name: &str, n| vec![Edn::string(name), n];
        let rows = vec![row("a \"b\", c", Edn::Int(1)), row("", Edn::Nil), row("k", Edn::keyword("x/y"))];
        Rows::new(vec!["?name".into(), "?n".into()], rows)
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let want = "?name,?n\r\n\"a \"\"b\"\", c\",1\r\n,\r\nk,:x/y\r\n";
        assert_eq!(text(Answer::Relation(rows()), Media::Csv), want);
    }

    #[test]
    fn one_json_value_a_line() {
        let want = "[\"a \\\"b\\\", c\",1]\n[\"\",null]\n[\"k\",\":x/y\"]\n";
        assert_eq!(text(Answer::Relation(rows()), Media::Ndjson), want);
        assert_eq!(text(Answer::Collection(vec![Edn::Int(1), Edn::Int(2)]), Media::Ndjson), "1\n2\n");
        assert_eq!(text(Answer::Scalar(None), Media::Ndjson), "");
    }

    #[test]
    fn many_rows_come_in_many_chunks_and_none_is_lost() {
        let values = (0..1000).map(Edn::Int).collect();
        let want: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(text(Answer::Collection(values), Media::Ndjson), want);
    }
}
