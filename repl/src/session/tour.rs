//! `.tutorial`: a short guided tour of time travel, step by step, on the bundled sample.
//!
//! Each step says something and shows what to type. Nothing is done for the person, and nothing depends on the
//! steps being followed.

use std::io::Write;

use super::commands::misused;
use super::entry::Argument;
use super::{Flow, Session};
use crate::problem::Result;

/// A step of the tour.
pub struct Step {
    /// What it is about.
    pub title: &'static str,
    /// What to know.
    pub words: &'static str,
    /// What to type, an entry a line.
    pub entries: &'static [&'static str],
}

/// The steps, in order. They suit either sample.
pub const STEPS: [Step; 8] = [
    Step {
        title: "Facts",
        words: "A database is a set of facts: entity, attribute, value, and the transaction that added them.\n\
                The sample holds the history of a git repository. See which attributes there are, and one entity.",
        entries: &[".schema", ".entity [:file/path \"README.md\"]"],
    },
    Step {
        title: "Questions",
        words: "A query says what must hold. Words with a question mark are unknown; a name that stands in two\n\
                places must be the same in both.",
        entries: &[
            "[:find ?path ?size :where [?f :file/exists true] [?f :file/path ?path] [?f :file/size ?size]]",
        ],
    },
    Step {
        title: "Counting, and inputs",
        words: "Aggregates stand in :find. What a query is given stands in :in, and is typed behind the query.",
        entries: &[
            "[:find ?who (count ?c) :where [?c :commit/author ?a] [?a :author/id ?who]]",
            "[:find ?lines . :in $ ?path :where [?f :file/path ?path] [?f :file/lines ?lines]] \"README.md\"",
        ],
    },
    Step {
        title: "The past",
        words: "Nothing is overwritten. Go back to any moment, by t or by date, and ask again; the prompt tells\n\
                where you are.",
        entries: &[".as-of 5", "[:find (count ?f) . :where [?f :file/exists true]]", ".as-of now"],
    },
    Step {
        title: "History",
        words: "In the history view a fact has one row for each time it was added (true) or retracted (false).\n\
                The fourth place of a pattern is the transaction, the fifth tells which of the two it was.",
        entries: &[
            ".history on",
            "[:find ?t ?size ?added :where [?f :file/path \"README.md\"] [?f :file/size ?size ?t ?added]]",
            ".history off",
        ],
    },
    Step {
        title: "Transactions",
        words: "A transaction is an entity too: here it carries the commit. See the last ones, and what one did.",
        entries: &[".log", ".tx 7", ".diff 5 7"],
    },
    Step {
        title: "What if",
        words: "Try a transaction without writing it. Everything you ask then sees it, until you drop it.",
        entries: &[
            ".with [{:file/path \"README.md\" :file/size 1}]",
            "[:find ?size . :where [?f :file/path \"README.md\"] [?f :file/size ?size]]",
            ".drop",
        ],
    },
    Step {
        title: "Trees, and writing",
        words: "Pull follows references and gives a tree; an underscore follows them backwards. A vector of maps is\n\
                a transaction, and is written when you press Enter.",
        entries: &[
            ".pull [:file/path {:file/dir [:dir/path {:dir/parent [:dir/path]}]}] [:file/path \"README.md\"]",
            "[{:author/id \"me\"}]",
        ],
    },
];

/// `.tutorial [STEP | restart]`
pub(super) fn run(session: &mut Session, argument: Argument<'_>, out: &mut dyn Write) -> Result<Flow> {
    match argument.text {
        "" => {}
        "restart" => session.tour = 0,
        number => match number.parse::<usize>() {
            Ok(number) if (1..=STEPS.len()).contains(&number) => session.tour = number - 1,
            _ => return Err(misused("tutorial", argument)),
        },
    }
    let has_sample = session.db().schema().iter().any(|info| info.ident.as_str() == "commit/sha");
    if !has_sample {
        writeln!(
            out,
            "The tour goes through a bundled sample. Load it into this database with\n  .sample git-small"
        )?;
        writeln!(
            out,
            "(or first `.open mem:`, if this database should stay as it is), then type .tutorial again."
        )?;
        return Ok(Flow::Go);
    }
    let Some(step) = STEPS.get(session.tour) else {
        writeln!(out, "That was the tour. `.tutorial restart` begins again; `.help` lists everything.")?;
        session.tour = 0;
        return Ok(Flow::Go);
    };
    session.tour += 1;
    writeln!(out, "{}/{} {}\n{}\n", session.tour, STEPS.len(), step.title, step.words)?;
    for entry in step.entries {
        writeln!(out, "  {entry}")?;
    }
    writeln!(out, "\n.tutorial goes on")?;
    Ok(Flow::Go)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::entry;

    #[test]
    fn every_entry_of_the_tour_can_be_typed() {
        for step in STEPS {
            for text in step.entries {
                assert!(entry::is_finished(text), "{text}");
                let entries = entry::read(text).expect("it is an entry");
                if let [entry::Entry::Command(name, _)] = entries.as_slice() {
                    assert!(crate::session::commands::find(name).is_some(), "{text}");
                }
            }
        }
    }
}
