//! Answers on paper: what was found, in the form that was asked for.
//!
//! [`Shown`] is what there is to show, [`Format`] how; [`Style`] holds the format and the size of the paper. Rows
//! without an order are sorted here, because they are a set and a person wants the same question to look the same
//! twice. Nothing here asks the database anything but the names of what it shows.

pub mod cell;
pub mod commands;
pub mod datoms;
pub mod report;
pub mod requests;
pub mod schema;
pub mod table;
mod words;

use std::io::Write;
use std::time::Duration;

use annals::{Answer, Edn, Explain};
use serde::Deserialize;

use crate::problem::{Problem, Result};
pub use words::{counted, duration, thousands};

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Aligned columns for people
    Table,
    /// EDN that reads back to the same values
    Edn,
    /// One JSON document
    Json,
    /// Comma-separated values under a head line
    Csv,
    /// One JSON value a row
    Jsonl,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [Format::Table, Format::Edn, Format::Json, Format::Csv, Format::Jsonl];

    /// The name that is typed.
    pub fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Edn => "edn",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
        }
    }

    /// The format with this name.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// The paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// How rows are printed.
    pub format: Format,
    /// Columns of the terminal.
    pub width: usize,
    /// The most rows a table shows; 0 for all.
    pub limit: usize,
    /// Whether to say how long things took.
    pub timing: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { format: Format::Table, width: 80, limit: 0, timing: false }
    }
}

/// Rows under named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// What the columns are called where rows are maps, if they are.
    pub keys: Option<Vec<Edn>>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Edn>>,
}

impl Sheet {
    /// Rows that are maps by these names in every format but tables.
    pub fn of_maps(columns: &[&str], rows: Vec<Vec<Edn>>) -> Sheet {
        Sheet {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            keys: Some(columns.iter().map(|name| Edn::keyword(name)).collect()),
            rows,
        }
    }

    /// The same without its last column.
    pub fn drop_last_column(&mut self) {
        self.columns.pop();
        self.keys.as_mut().map(Vec::pop);
        for row in &mut self.rows {
            row.pop();
        }
    }

    /// One column.
    fn of_column(column: &str, values: &[Edn]) -> Sheet {
        let rows = values.iter().map(|value| vec![value.clone()]).collect();
        Sheet { columns: vec![column.to_owned()], keys: None, rows }
    }

    /// One row, if there is one. Columns without a name are numbered.
    fn of_row(columns: &[String], row: Option<&[Edn]>) -> Sheet {
        let name = |i: usize| columns.get(i).cloned().unwrap_or_else(|| format!("#{}", i + 1));
        let columns = (0..row.map_or(columns.len(), <[Edn]>::len)).map(name).collect();
        Sheet { columns, keys: None, rows: row.into_iter().map(<[Edn]>::to_vec).collect() }
    }

    /// A row as one value.
    fn row(&self, row: &[Edn]) -> Edn {
        match &self.keys {
            Some(keys) => Edn::Map(keys.iter().cloned().zip(row.iter().cloned()).collect()),
            None => Edn::Vector(row.to_vec()),
        }
    }
}

/// What there is to show.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Rows.
    Rows(Sheet),
    /// One column's values.
    Values(String, Vec<Edn>),
    /// One row under column names, if there is one.
    Row(Vec<String>, Option<Vec<Edn>>),
    /// One value.
    Value(Edn),
}

impl Shown {
    /// An answer, in its order if it has one; `columns` are the elements of `:find` as they were written.
    pub fn answer(answer: Answer, columns: Vec<String>, is_ordered: bool) -> Shown {
        match answer {
            Answer::Relation(rows) => {
                let mut sheet = Sheet {
                    columns: rows.columns().to_vec(),
                    keys: rows.keys().map(<[Edn]>::to_vec),
                    rows: rows.into_rows(),
                };
                if !is_ordered {
                    sheet.rows.sort();
                }
                Shown::Rows(sheet)
            }
            Answer::Collection(mut values) => {
                if !is_ordered {
                    values.sort();
                }
                Shown::Values(columns.into_iter().next().unwrap_or_else(|| "value".into()), values)
            }
            Answer::Tuple(row) => Shown::Row(columns, row),
            Answer::Scalar(value) => Shown::Value(value.unwrap_or(Edn::Nil)),
        }
    }

    /// The same as one EDN value.
    pub fn to_edn(&self) -> Edn {
        match self {
            Shown::Rows(sheet) => Edn::Vector(sheet.rows.iter().map(|row| sheet.row(row)).collect()),
            Shown::Values(_, values) => Edn::Vector(values.clone()),
            Shown::Row(_, row) => row.clone().map_or(Edn::Nil, Edn::Vector),
            Shown::Value(value) => value.clone(),
        }
    }

    /// Prints it; `took` goes under a table, if the style wants it.
    pub fn print(&self, style: &Style, took: Option<Duration>, out: &mut dyn Write) -> Result<()> {
        match style.format {
            Format::Table => self.print_table(style, took, out),
            Format::Edn => self.print_edn(style, out),
            Format::Json => Ok(writeln!(out, "{}", json(&self.to_edn()))?),
            Format::Jsonl => self.print_lines(out),
            Format::Csv => self.print_csv(out),
        }
    }

    fn print_table(&self, style: &Style, took: Option<Duration>, out: &mut dyn Write) -> Result<()> {
        let took = took.filter(|_| style.timing).map(duration);
        let sheet = match self {
            Shown::Value(value) => {
                writeln!(out, "{}", annals::edn::pretty(value, style.width))?;
                return Ok(took.map_or(Ok(()), |took| writeln!(out, "{took}"))?);
            }
            Shown::Rows(sheet) => sheet,
            Shown::Values(column, values) => &Sheet::of_column(column, values),
            Shown::Row(columns, row) => &Sheet::of_row(columns, row.as_deref()),
        };
        let count = sheet.rows.len();
        let shown = if style.limit == 0 { count } else { style.limit.min(count) };
        if count > 0 {
            out.write_all(table::draw(&sheet.columns, &sheet.rows[..shown], style.width).as_bytes())?;
        }
        if shown < count {
            writeln!(out, "… {} more (limit {})", thousands((count - shown) as u64), style.limit)?;
        }
        let took = took.map_or(String::new(), |took| format!(", {took}"));
        Ok(writeln!(out, "{}{took}", counted(count, "row"))?)
    }

    /// Rows one a line, so that long answers can be read and cut by other tools; anything else pretty.
    fn print_edn(&self, style: &Style, out: &mut dyn Write) -> Result<()> {
        let Shown::Rows(sheet) = self else {
            return Ok(writeln!(out, "{}", annals::edn::pretty(&self.to_edn(), style.width))?);
        };
        for (i, row) in sheet.rows.iter().enumerate() {
            write!(out, "{}{}", if i == 0 { "[" } else { "\n " }, sheet.row(row))?;
        }
        Ok(writeln!(out, "{}", if sheet.rows.is_empty() { "[]" } else { "]" })?)
    }

    fn print_lines(&self, out: &mut dyn Write) -> Result<()> {
        match self {
            Shown::Rows(sheet) => {
                sheet.rows.iter().try_for_each(|row| writeln!(out, "{}", json(&sheet.row(row))))?;
            }
            Shown::Values(_, values) => {
                values.iter().try_for_each(|value| writeln!(out, "{}", json(value)))?;
            }
            Shown::Row(_, None) => {}
            one => writeln!(out, "{}", json(&one.to_edn()))?,
        }
        Ok(())
    }

    fn print_csv(&self, out: &mut dyn Write) -> Result<()> {
        let failed = |error: csv::Error| Problem::from(std::io::Error::from(error));
        let mut csv = csv::Writer::from_writer(out);
        let mut line = |cells: Vec<String>| csv.write_record(cells).map_err(failed);
        let texts = |row: &[Edn]| row.iter().map(cell::bare).collect::<Vec<_>>();
        match self {
            Shown::Rows(sheet) => {
                line(sheet.columns.clone())?;
                sheet.rows.iter().try_for_each(|row| line(texts(row)))?;
            }
            Shown::Values(column, values) => {
                line(vec![column.clone()])?;
                values.iter().try_for_each(|value| line(vec![cell::bare(value)]))?;
            }
            Shown::Row(columns, row) => {
                line(columns.clone())?;
                row.iter().try_for_each(|row| line(texts(row)))?;
            }
            Shown::Value(Edn::Map(pairs)) => {
                line(pairs.keys().map(cell::bare).collect())?;
                line(pairs.values().map(cell::bare).collect())?;
            }
            Shown::Value(value) => {
                line(vec!["value".to_owned()])?;
                line(vec![cell::bare(value)])?;
            }
        }
        Ok(csv.flush()?)
    }
}

/// Prints how a query went: as text where answers are tables, else as a map. Times are told if the style wants them.
pub fn plan(plan: Explain, style: &Style, out: &mut dyn Write) -> Result<()> {
    let plan = if style.timing { plan } else { plan.timeless() };
    match style.format {
        Format::Table => Ok(writeln!(out, "{plan}")?),
        _ => Shown::Value(plan.to_edn()).print(style, None, out),
    }
}

/// A value as plain JSON, as the HTTP interface has it.
fn json(edn: &Edn) -> String {
    serde_json::to_string(&annals_server::plain::json(edn)).expect("every value has a plain JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Shown {
        Shown::Rows(Sheet {
            columns: vec!["?name".into(), "?n".into()],
            keys: None,
            rows: vec![vec!["a,b".into(), 1.into()], vec!["c".into(), 20.into()]],
        })
    }

    #[track_caller]
    fn check(shown: &Shown, format: Format, want: &str) {
        let mut out = Vec::new();
        shown.print(&Style { format, ..Style::default() }, None, &mut out).expect("memory takes all");
        assert_eq!(String::from_utf8(out).expect("it is text"), want, "{format:?}");
    }

    #[test]
    fn rows_in_every_format() {
        check(&sheet(), Format::Table, " ?name │ ?n\n───────┼────\n a,b   │  1\n c     │ 20\n2 rows\n");
        check(&sheet(), Format::Edn, "[[\"a,b\" 1]\n [\"c\" 20]]\n");
        check(&sheet(), Format::Json, "[[\"a,b\",1],[\"c\",20]]\n");
        check(&sheet(), Format::Jsonl, "[\"a,b\",1]\n[\"c\",20]\n");
        check(&sheet(), Format::Csv, "?name,?n\n\"a,b\",1\nc,20\n");
    }

    #[test]
    fn rows_as_maps_keep_their_keys() {
        let shown = Shown::Rows(Sheet::of_maps(&["t", "ok"], vec![vec![7.into(), true.into()]]));
        check(&shown, Format::Edn, "[{:ok true, :t 7}]\n");
        check(&shown, Format::Jsonl, "{\":ok\":true,\":t\":7}\n");
        check(&shown, Format::Csv, "t,ok\n7,true\n");
    }

    #[test]
    fn no_rows_is_an_answer_too() {
        let none = Shown::Rows(Sheet { columns: vec!["?a".into()], ..Sheet::default() });
        check(&none, Format::Table, "0 rows\n");
        check(&none, Format::Edn, "[]\n");
        check(&none, Format::Json, "[]\n");
        check(&none, Format::Jsonl, "");
        check(&none, Format::Csv, "?a\n");
        check(&Shown::Row(vec!["?a".into()], None), Format::Edn, "nil\n");
        check(&Shown::Row(vec!["?a".into()], None), Format::Table, "0 rows\n");
    }

    #[test]
    fn an_answer_is_sorted_unless_it_has_an_order() {
        let answer = || Answer::Collection(vec![3.into(), 1.into(), 2.into()]);
        check(&Shown::answer(answer(), vec!["?n".into()], false), Format::Edn, "[1 2 3]\n");
        check(&Shown::answer(answer(), vec!["?n".into()], true), Format::Edn, "[3 1 2]\n");
    }

    #[test]
    fn a_table_shows_no_more_than_its_limit_and_says_so() {
        let style = Style { limit: 1, timing: true, ..Style::default() };
        let mut out = Vec::new();
        sheet().print(&style, Some(Duration::from_micros(1234)), &mut out).expect("memory takes all");
        let text = String::from_utf8(out).expect("it is text");
        assert!(text.ends_with("… 1 more (limit 1)\n2 rows, 1.2 ms\n"), "{text}");
    }
}
