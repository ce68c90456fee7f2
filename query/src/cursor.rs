//! Cursors: where a page of an answer ended, as a text that any process can go on from.
//!
//! ```text
//!   base64url( checksum:8  [version fingerprint basis repeats [value …]] as EDN text )
//! ```
//!
//! A cursor holds the last row itself (with what orders it, as that is in the row), how many rows equal to it were
//! handed out, and the fingerprint of the question. Damage and cursors of other questions are refused; that is a guard
//! against mistakes, not against forgery: a cursor gives nothing that its question would not. Values that EDN text does
//! not keep apart (floats, keywords and symbols that are no names) are tagged. `basis` is for whoever knows which
//! database value was asked.

use annals_storage::datom::{Keyword, Symbol};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use crate::ast::Query;
use crate::edn::{Edn, Real, read_one};
use crate::error::{Error, Result};

const VERSION: i64 = 1;
const CHECKSUM_BYTES: usize = 8;
const FLOAT: &str = "annals/float";
const KEYWORD: &str = "annals/keyword";
const SYMBOL: &str = "annals/symbol";

/// The place of a row in the answer of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// The fingerprint of the question.
    pub fingerprint: u64,
    /// The basis of the database value that was asked, if it was told.
    pub basis: Option<u64>,
    /// How many rows equal to this one were handed out, this one included.
    pub repeats: u64,
    /// The row, over the find elements, entities by id.
    pub row: Vec<Edn>,
}

impl Cursor {
    /// The cursor as text.
    pub fn encode(&self) -> String {
        // The words of 64 bits are bit patterns here: EDN integers are signed.
        let basis = self.basis.map_or(Edn::Nil, |basis| Edn::Int(basis as i64));
        let row = Edn::Vector(self.row.iter().map(portable).collect());
        let parts =
            [Edn::Int(VERSION), Edn::Int(self.fingerprint as i64), basis, Edn::Int(self.repeats as i64), row];
        let text = Edn::Vector(parts.to_vec()).to_string();
        let mut bytes = xxh3_64(text.as_bytes()).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor of a text.
    pub fn decode(text: &str) -> Result<Cursor> {
        decoded(text).ok_or_else(|| {
            invalid("the text after :after is no cursor, or was changed".to_owned())
                .hint("give the cursor of a page as it came, or nil for the first page")
        })
    }

    /// The cursor, if it is of this question.
    pub fn of(self, query: &Query) -> Result<Cursor> {
        if self.fingerprint == query.fingerprint && self.row.len() == query.find.elements().len() {
            return Ok(self);
        }
        Err(invalid("the cursor is of another question".to_owned())
            .hint("a cursor goes with the :find, :with, :where, :having and :order-by it came from"))
    }
}

fn invalid(message: String) -> Error {
    Error::incorrect("db.error/invalid-cursor", message)
}

fn decoded(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (checksum, body) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
    if xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let edn = read_one(std::str::from_utf8(body).ok()?).ok()?.to_edn();
    let [Edn::Int(VERSION), Edn::Int(fingerprint), basis, Edn::Int(repeats), Edn::Vector(row)] =
        edn.as_seq()?
    else {
        return None;
    };
    let basis = match basis {
        Edn::Nil => None,
        Edn::Int(basis) => Some(*basis as u64),
        _ => return None,
    };
    let row = row.iter().map(restored).collect();
    Some(Cursor { fingerprint: *fingerprint as u64, basis, repeats: *repeats as u64, row })
}

/// The value as one that its text gives back.
fn portable(edn: &Edn) -> Edn {
    let tagged = |tag: &str, inner: Edn| Edn::Tagged(Symbol::new(tag), Box::new(inner));
    match edn {
        Edn::Float(Real(x)) => tagged(FLOAT, Edn::double(*x)),
        Edn::Keyword(name) if !reads_back(edn) => tagged(KEYWORD, Edn::string(name.as_str())),
        Edn::Symbol(name) if !reads_back(edn) => tagged(SYMBOL, Edn::string(name.as_str())),
        _ => in_parts(edn, portable),
    }
}

fn restored(edn: &Edn) -> Edn {
    if let Edn::Tagged(tag, inner) = edn {
        match (tag.as_str(), &**inner) {
            (FLOAT, Edn::Double(x)) => return Edn::Float(*x),
            (KEYWORD, Edn::String(name)) => return Edn::Keyword(Keyword::new(name.as_ref())),
            (SYMBOL, Edn::String(name)) => return Edn::Symbol(Symbol::new(name.as_ref())),
            _ => {}
        }
    }
    in_parts(edn, restored)
}

fn in_parts(edn: &Edn, change: fn(&Edn) -> Edn) -> Edn {
    match edn {
        Edn::List(parts) => Edn::List(parts.iter().map(change).collect()),
        Edn::Vector(parts) => Edn::Vector(parts.iter().map(change).collect()),
        Edn::Set(parts) => Edn::Set(parts.iter().map(change).collect()),
        Edn::Map(pairs) => Edn::Map(pairs.iter().map(|(k, v)| (change(k), change(v))).collect()),
        Edn::Tagged(tag, inner) => Edn::Tagged(tag.clone(), Box::new(change(inner))),
        atom => atom.clone(),
    }
}

fn reads_back(edn: &Edn) -> bool {
    read_one(&edn.to_string()).is_ok_and(|form| form.to_edn() == *edn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::edn;

    fn cursor(row: Vec<Edn>) -> Cursor {
        Cursor { fingerprint: u64::MAX - 3, basis: Some(7), repeats: 2, row }
    }

    #[test]
    fn every_value_comes_back_as_it_was() {
        let read = edn(r#"[nil true 1 2N 1.5 1.50M ##NaN ##-Inf "t\"é" :a/b sym \c #{1 2} {:a (1 2)} [[]]
                           #inst "2020-01-01T00:00:00.000001-00:00" #bytes "aGk=" #uri "x:y"
                           #uuid "6f9619ff-8b86-d011-b42d-00cf4fc964ff" #other/tag [1]]"#);
        let mut row = read.as_seq().unwrap().to_vec();
        row.push(Edn::Float(Real(0.1_f32.into())));
        row.push(Edn::Vector(vec![Edn::Float(Real(2.0)), Edn::keyword("not a name"), Edn::symbol("1)")]));
        let cursor = cursor(row);
        assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
    }

    #[test]
    fn a_changed_text_is_refused_wherever_it_was_changed() {
        let text = cursor(vec![Edn::Int(1), Edn::string("x")]).encode();
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')), "{text}");
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            let refused = Cursor::decode(&changed).unwrap_err();
            assert_eq!(refused.keyword, "db.error/invalid-cursor", "{changed}");
        }
        for text in ["", "x", "not base64!", &text[1..]] {
            assert_eq!(Cursor::decode(text).unwrap_err().keyword, "db.error/invalid-cursor");
        }
    }
}
