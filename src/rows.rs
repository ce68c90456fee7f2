//! Answers as Rust values, through serde.
//!
//! A cell is read as what the target asks for, if it can be that without loss; a row is a sequence of its cells, or a map
//! from the names of its columns. Nothing is guessed: text is not read as a number, nor a number as text.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use annals_query::Answer;
use annals_query::edn::{Edn, instant};

use crate::error::{Error, Result};

/// The rows of an answer, each as an `R`; an answer of one column, row or value is read as the rows it has.
pub(crate) fn rows_as<R: DeserializeOwned>(answer: Answer) -> Result<Vec<R>> {
    match &answer {
        Answer::Relation(rows) => {
            let names: Vec<String> = rows.columns().iter().map(|column| field_name(column)).collect();
            read(&names, rows.iter())
        }
        Answer::Collection(values) => read(&[], values.iter().map(std::slice::from_ref)),
        Answer::Tuple(row) => read(&[], row.iter().map(Vec::as_slice)),
        Answer::Scalar(value) => read(&[], value.iter().map(std::slice::from_ref)),
    }
}

/// The rows with these names of their columns.
fn read<'r, R: DeserializeOwned>(names: &[String], rows: impl Iterator<Item = &'r [Edn]>) -> Result<Vec<R>> {
    let read = |(number, cells): (usize, &'r [Edn])| {
        R::deserialize(Row { names, cells }).map_err(|misfit| {
            let message = format!("row {number} cannot be read: {misfit}");
            Error::incorrect("db.error/row-type", message).with_data("db.error/row", cells.to_vec())
        })
    };
    rows.enumerate().map(read).collect()
}

/// The field a column fills: `?first-name` is `first_name`.
fn field_name(column: &str) -> String {
    column.trim_start_matches('?').replace('-', "_")
}

/// Why a value is not what was asked for.
#[derive(Debug)]
struct Misfit(String);

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: std::fmt::Display>(message: T) -> Misfit {
        Misfit(message.to_string())
    }
}

/// One row.
struct Row<'a> {
    names: &'a [String],
    cells: &'a [Edn],
}

impl<'de> Row<'de> {
    fn only(&self) -> Option<Cell<'de>> {
        match self.cells {
            [cell] => Some(Cell(cell)),
            _ => None,
        }
    }

    fn seq<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Misfit> {
        let mut seq = SeqDeserializer::new(self.cells.iter().map(Cell));
        let value = visitor.visit_seq(&mut seq)?;
        seq.end()?;
        Ok(value)
    }
}

/// A row of one column can stand for its only cell.
macro_rules! only_cell {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.only() {
                Some(cell) => cell.$method(visitor),
                None => self.seq(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Row<'de> {
    type Error = Misfit;

    only_cell! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let named = self.names.iter().map(String::as_str).zip(self.cells.iter().map(Cell));
        visitor.visit_map(MapDeserializer::new(named))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if let Some(Cell(Edn::Map(_))) = self.only() {
            return Cell(&self.cells[0]).deserialize_struct(name, fields, visitor);
        }
        if self.names.iter().any(|name| fields.contains(&name.as_str())) {
            return self.deserialize_map(visitor);
        }
        self.seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.only() {
            Some(cell) => cell.deserialize_enum(name, variants, visitor),
            None => Err(de::Error::custom(format!("a row of {} cells is no {name}", self.cells.len()))),
        }
    }

    forward_to_deserialize_any! {
        unit unit_struct seq tuple tuple_struct ignored_any
    }
}

/// One value.
#[derive(Clone, Copy)]
struct Cell<'a>(&'a Edn);

impl<'de> IntoDeserializer<'de, Misfit> for Cell<'de> {
    type Deserializer = Cell<'de>;

    fn into_deserializer(self) -> Cell<'de> {
        self
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Edn::Nil => visitor.visit_unit(),
            Edn::Bool(b) => visitor.visit_bool(*b),
            Edn::Int(n) => visitor.visit_i64(*n),
            Edn::Float(x) | Edn::Double(x) => visitor.visit_f64(x.0),
            Edn::Char(c) => visitor.visit_char(*c),
            Edn::String(text) | Edn::Uri(text) => visitor.visit_borrowed_str(text),
            Edn::Inst(micros) => visitor.visit_string(instant::format(*micros)),
            Edn::Uuid(uuid) => visitor.visit_string(uuid.to_string()),
            Edn::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Edn::BigInt(n) => match i64::try_from(&**n) {
                Ok(n) => visitor.visit_i64(n),
                Err(_) => visitor.visit_string(n.to_string()),
            },
            Edn::BigDec(d) => visitor.visit_string(d.0.to_string()),
            Edn::Keyword(_) | Edn::Symbol(_) | Edn::Tagged(..) => visitor.visit_string(self.0.to_string()),
            Edn::List(parts) | Edn::Vector(parts) => cells(parts.iter(), visitor),
            Edn::Set(parts) => cells(parts.iter(), visitor),
            Edn::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Edn::Inst(micros) => visitor.visit_i64(*micros),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Edn::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Edn::Map(pairs) = self.0 else {
            return Err(de::Error::custom(format!("{} is no map", self.0)));
        };
        let named = pairs.iter().map(|(key, v)| (text_of(key), Cell(v)));
        visitor.visit_map(MapDeserializer::new(named))
    }

    /// A field is a key's whole text, or its name without the namespace.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Edn::Map(pairs) = self.0 else { return self.deserialize_any(visitor) };
        let field = |key: &Edn| {
            let text = text_of(key);
            let whole = text.trim_start_matches(':').to_owned();
            let name = field_name(whole.rsplit('/').next().unwrap_or_default());
            if fields.contains(&text.as_str()) {
                text
            } else if fields.contains(&whole.as_str()) {
                whole
            } else {
                name
            }
        };
        let named = pairs.iter().map(|(key, v)| (field(key), Cell(v)));
        visitor.visit_map(MapDeserializer::new(named))
    }

    /// A keyword or text names a variant: `:rank/mate` is `mate`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let given = match self.0 {
            Edn::Keyword(keyword) => keyword.name().to_owned(),
            Edn::String(text) => text.to_string(),
            other => return Err(de::Error::custom(format!("{other} is no {name}"))),
        };
        let variant = variants.iter().find(|variant| **variant == given);
        let variant =
            variant.or_else(|| variants.iter().find(|variant| variant.eq_ignore_ascii_case(&given)));
        match variant {
            Some(variant) => visitor.visit_enum(StrDeserializer::<Misfit>::new(variant)),
            None => Err(de::Error::custom(format!("{} is no {name}; there are {variants:?}", self.0))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct identifier ignored_any
    }
}

fn cells<'de, V: Visitor<'de>>(
    parts: impl Iterator<Item = &'de Edn>,
    visitor: V,
) -> Result<V::Value, Misfit> {
    let mut seq = SeqDeserializer::new(parts.map(Cell));
    let value = visitor.visit_seq(&mut seq)?;
    seq.end()?;
    Ok(value)
}

fn text_of(key: &Edn) -> String {
    match key {
        Edn::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use annals_query::Rows;
    use serde::Deserialize;

    use super::*;

    fn relation(columns: &[&str], row: &str) -> Answer {
        let row = annals_query::edn::read_one(row).unwrap().to_edn();
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Answer::Relation(Rows::new(columns, vec![row.as_seq().unwrap().to_vec()]))
    }

    #[test]
    fn tuples_and_single_values() {
        let rows: Vec<(String, i64, Option<f64>)> =
            rows_as(relation(&["?a", "?b", "?c"], "[\"x\" 7 nil]")).unwrap();
        assert_eq!(rows, [("x".to_owned(), 7, None)]);
        let ones: Vec<i64> = rows_as(Answer::Collection(vec![Edn::Int(1), Edn::Int(2)])).unwrap();
        assert_eq!(ones, [1, 2]);
        let moment: Vec<(i64, String)> = rows_as(relation(
            &["?a", "?b"],
            "[#inst \"1970-01-01T00:00:01Z\" #inst \"1970-01-01T00:00:01Z\"]",
        ))
        .unwrap();
        assert_eq!(moment[0].0, 1_000_000);
        assert!(moment[0].1.starts_with("1970-01-01T00:00:01"));
        let json: Vec<serde_json::Value> = rows_as(relation(&["?a", "?b"], "[:k/w {:a 1}]")).unwrap();
        assert_eq!(json[0], serde_json::json!([":k/w", {":a": 1}]));
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Boat {
        name: String,
        fuel_now: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Rank {
        Mate,
        Cook,
    }

    #[test]
    fn structs_by_name_or_position() {
        let boat = Boat { name: "A".to_owned(), fuel_now: 3 };
        assert_eq!(rows_as::<Boat>(relation(&["?fuel-now", "?name"], "[3 \"A\"]")).unwrap(), [boat]);
        let boat = Boat { name: "A".to_owned(), fuel_now: 3 };
        assert_eq!(rows_as::<Boat>(relation(&["?x", "?y"], "[\"A\" 3]")).unwrap(), [boat]);
        let pulled =
            rows_as::<Boat>(relation(&["?x"], "[{:boat/name \"A\" :boat/fuel-now 3 :boat/tags [1]}]"))
                .unwrap();
        assert_eq!(pulled[0].fuel_now, 3);
        assert_eq!(rows_as::<(Rank,)>(relation(&["?x"], "[:rank/mate]")).unwrap(), [(Rank::Mate,)]);
        assert_eq!(rows_as::<Rank>(relation(&["?x"], "[\"cook\"]")).unwrap(), [Rank::Cook]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let error = rows_as::<(String, i64)>(relation(&["?a", "?b"], "[1 2]")).unwrap_err();
        assert_eq!(error.keyword(), "db.error/row-type");
        assert!(error.message().contains("row 0") && error.message().contains("string"), "{error}");
        assert!(rows_as::<(i64,)>(relation(&["?a", "?b"], "[1 2]")).is_err());
        assert!(rows_as::<(i64, i64, i64)>(relation(&["?a", "?b"], "[1 2]")).is_err());
    }
}
