//! What comes back: rows in the shape that `:find` asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::KeyKind;
use crate::cursor::Cursor;
use crate::edn::Edn;

/// The answer of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Rows.
    Relation(Rows),
    /// One column's values.
    Collection(Vec<Edn>),
    /// One row, if there is any.
    Tuple(Option<Vec<Edn>>),
    /// One value, if there is any.
    Scalar(Option<Edn>),
}

/// Rows with named columns: in the order asked for, in no promised one if none was.
///
/// All values lie one after the other in one piece of memory, row by row; there is at least one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    columns: Arc<[String]>,
    keys: Option<Arc<[Edn]>>,
    values: Vec<Edn>,
    cursor: Option<Cursor>,
}

impl Rows {
    /// These rows under these column names; each has a value for each of them.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Edn>>) -> Rows {
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in rows {
            debug_assert_eq!(row.len(), columns.len(), "a row has a value for every column");
            values.extend(row);
        }
        Rows::of_values(columns, values)
    }

    /// Rows whose values come one after the other, row by row.
    pub fn of_values(columns: Vec<String>, values: Vec<Edn>) -> Rows {
        debug_assert!(values.len().is_multiple_of(columns.len().max(1)), "whole rows");
        Rows { columns: columns.into(), keys: None, values, cursor: None }
    }

    /// The same rows, to be handed out as maps with these names as keys.
    #[must_use]
    pub fn keyed(mut self, kind: KeyKind, names: &[annals_storage::datom::Symbol]) -> Rows {
        let key = |name: &annals_storage::datom::Symbol| match kind {
            KeyKind::Keywords => Edn::keyword(name.as_str()),
            KeyKind::Strings => Edn::string(name.as_str()),
            KeyKind::Symbols => Edn::Symbol(name.clone()),
        };
        self.keys = Some(names.iter().map(key).collect());
        self
    }

    /// The same rows, the last of them at this place.
    #[must_use]
    pub fn ending_at(mut self, cursor: Option<Cursor>) -> Rows {
        self.cursor = cursor;
        self
    }

    /// The cursor after which the next page goes on; none if the query has no `:limit`, or there is no row.
    pub fn cursor(&self) -> Option<String> {
        self.cursor.as_ref().map(Cursor::encode)
    }

    /// The same with the basis of the database value that was asked, for whoever goes on at that value.
    pub fn cursor_at(&self, basis: u64) -> Option<String> {
        let cursor = self.cursor.clone()?;
        Some(Cursor { basis: Some(basis), ..cursor }.encode())
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The keys that rows have as maps, if the query asked for maps.
    pub fn keys(&self) -> Option<&[Edn]> {
        self.keys.as_deref()
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[Edn]> {
        self.values.chunks_exact(self.width())
    }

    /// The rows, owned, each by itself.
    pub fn into_rows(self) -> Vec<Vec<Edn>> {
        let (width, count) = (self.width(), self.len());
        let mut values = self.values.into_iter();
        (0..count).map(|_| values.by_ref().take(width).collect()).collect()
    }

    fn width(&self) -> usize {
        self.columns.len().max(1)
    }
}

impl Answer {
    /// True if nothing was found.
    pub fn is_empty(&self) -> bool {
        match self {
            Answer::Relation(rows) => rows.is_empty(),
            Answer::Collection(values) => values.is_empty(),
            Answer::Tuple(row) => row.is_none(),
            Answer::Scalar(value) => value.is_none(),
        }
    }

    /// As one EDN value: a relation becomes a vector of vectors (or of maps), no result becomes nil.
    pub fn into_edn(self) -> Edn {
        match self {
            Answer::Relation(rows) => {
                let keys = rows.keys.clone();
                let row = |row: Vec<Edn>| match &keys {
                    Some(keys) => Edn::Map(keys.iter().cloned().zip(row).collect::<BTreeMap<_, _>>()),
                    None => Edn::Vector(row),
                };
                Edn::Vector(rows.into_rows().into_iter().map(row).collect())
            }
            Answer::Collection(values) => Edn::Vector(values),
            Answer::Tuple(row) => row.map_or(Edn::Nil, Edn::Vector),
            Answer::Scalar(value) => value.unwrap_or(Edn::Nil),
        }
    }
}
