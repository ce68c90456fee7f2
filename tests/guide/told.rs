//! What is answered, as a guide writes it, and whether that is what is written.

use annals::edn::{self, Edn};
use annals_tests::conformance::compare::same;

use crate::pages::Block;

/// How wide answers are printed.
const WIDTH: usize = 100;

/// What is answered, by all ways.
pub(crate) enum Answered {
    /// Rows or values in no order.
    Unordered(Edn),
    /// Anything else.
    Ordered(Edn),
    /// An error, as it is told.
    Refused(String),
}

impl Answered {
    pub(crate) fn refused(error: &annals::Error) -> Answered {
        let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        let fact = |(name, fact): (&Edn, &Edn)| format!("{name} {}\n", edn::pretty(fact, WIDTH));
        let facts: String = error.data().iter().map(fact).collect();
        Answered::Refused(format!(":{}\n{}\n{hint}{facts}", error.keyword(), error.message()))
    }

    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Answered::Refused(_))
    }
}

/// Holds an answer against what is written, or writes it if that is asked for.
pub(crate) fn judge(answer: &Answered, written: &mut Block) -> Result<(), String> {
    let bless = std::env::var_os("ANNALS_BLESS").is_some();
    let kind = if answer.is_refusal() { "text" } else { "edn" };
    if written.kind != kind {
        return Err(format!(
            "a block of kind {:?} stands where the answer ({kind}) should\n{}",
            written.kind,
            printed(answer)
        ));
    }
    if bless {
        written.body = printed(answer);
        return Ok(());
    }
    let differs = || format!("the answer is\n{}", printed(answer));
    if let Answered::Refused(told) = answer {
        return if *told == written.body { Ok(()) } else { Err(differs()) };
    }
    let expected = edn::read_one(&written.body).map_err(|error| error.to_string())?.to_edn();
    let right = match answer {
        Answered::Unordered(actual) => matches!(expected, Edn::Set(_)) && same(&expected, actual),
        Answered::Ordered(actual) => !matches!(expected, Edn::Set(_)) && same(&expected, actual),
        Answered::Refused(_) => false,
    };
    if right { Ok(()) } else { Err(differs()) }
}

/// The answer as it is written.
pub(crate) fn printed(answer: &Answered) -> String {
    match answer {
        Answered::Unordered(rows) => {
            let rows = rows.as_seq().unwrap_or_default().iter().cloned().collect();
            edn::pretty(&Edn::Set(rows), WIDTH) + "\n"
        }
        Answered::Ordered(edn) => edn::pretty(edn, WIDTH) + "\n",
        Answered::Refused(told) => told.clone(),
    }
}
