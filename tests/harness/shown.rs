//! Answers as text, for tests that compare them.

use annals::{Answer, Edn};

/// An answer as EDN text; the rows of a relation or collection, which have no order of their own, are sorted.
pub fn shown(answer: Answer) -> String {
    let sorts = matches!(answer, Answer::Relation(_) | Answer::Collection(_));
    match answer.into_edn() {
        Edn::Vector(mut rows) if sorts => {
            rows.sort();
            Edn::Vector(rows).to_string()
        }
        edn => edn.to_string(),
    }
}
