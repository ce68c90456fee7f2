//! The plain readings of a value, for other edges that print: JSON and bare text as `docs/http.md` has them.

use annals::Edn;

use crate::json::{Json, Types, write};

/// A value as plain JSON.
pub fn json(edn: &Edn) -> impl serde::Serialize {
    Json(edn, Types::Plain)
}

/// A value as bare text, as in CSV: no quotes, no tags; EDN for what has parts.
pub fn text(edn: &Edn) -> String {
    write::scalar_text(edn)
}
