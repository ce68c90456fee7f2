//! The bundled samples: real data, part of the binary, and what to ask it first.
//!
//! Each sample lies in `samples/` with its licence and source beside it.

use annals::Connection;

use crate::import::{self, Part, Watch};
use crate::problem::{Problem, Result};
use annals::suggest::did_you_mean;

/// Names that `--sample` takes.
pub const NAMES: [&str; 2] = ["git", "git-small"];

/// A bundled data set.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The name that is typed.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Three questions to begin with, each with what it asks; the last is about the past.
    pub questions: [(&'static str, &'static str); 3],
    schema: &'static [u8],
    transactions: &'static [u8],
}

const SAMPLES: [Sample; 2] = [
    Sample {
        name: "git",
        about: "eleven years of a git repository, one transaction for each commit (tonsky/datascript)",
        questions: [
            (
                "the largest files there are now",
                "[:find ?path ?size :where [?f :file/exists true] [?f :file/size ?size] [(> ?size 30000)] \
                 [?f :file/path ?path]]",
            ),
            (
                "how many commits somebody made; an input stands behind its query",
                "[:find (count ?c) . :in $ ?who :where [?a :author/id ?who] [?c :commit/author ?a]] \"author-001\"",
            ),
            (
                "how many files and lines there were at the end of 2014",
                ".as-of 2015-01-01\n[:find (count ?f) (sum ?n) :where [?f :file/exists true] [?f :file/lines ?n]]",
            ),
        ],
        schema: include_bytes!("../samples/git-datascript/schema.edn"),
        transactions: include_bytes!("../samples/git-datascript/transactions.edn.gz"),
    },
    Sample {
        name: "git-small",
        about: "a small git repository, one transaction for each commit (rust-lang/datafrog)",
        questions: [
            (
                "the files there are now, with their sizes",
                "[:find ?path ?size :where [?f :file/exists true] [?f :file/path ?path] [?f :file/size ?size]]",
            ),
            (
                "who wrote how many commits",
                "[:find ?who (count ?c) :where [?c :commit/author ?a] [?a :author/id ?who]]",
            ),
            (
                "which files there were after the tenth commit",
                ".as-of 11\n[:find ?path :where [?f :file/exists true] [?f :file/path ?path]]",
            ),
        ],
        schema: include_bytes!("../samples/git-datafrog/schema.edn"),
        transactions: include_bytes!("../samples/git-datafrog/transactions.edn.gz"),
    },
];

/// The sample with this name.
pub fn named(name: &str) -> Result<Sample> {
    SAMPLES.into_iter().find(|sample| sample.name == name).ok_or_else(|| {
        let hint =
            did_you_mean(name, NAMES).unwrap_or_else(|| format!("the samples are {}", NAMES.join(", ")));
        Problem::usage(format!("no sample is named `{name}`")).hint(hint)
    })
}

impl Sample {
    /// Loads the sample into a database that is empty, or goes on where an earlier load was stopped. False if
    /// something else is in the database.
    pub fn load(&self, conn: &Connection, watch: &mut dyn Watch) -> Result<bool> {
        let parts = [
            Part::bundled("schema", self.schema),
            Part::bundled(&format!("sample {}", self.name), self.transactions),
        ];
        let foreign = conn.db().basis_t() > 0 && import::already_in(conn, &parts[0])? == 0;
        if !foreign {
            import::load(conn, &parts, None, watch)?;
        }
        Ok(!foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_samples_agree() {
        assert_eq!(SAMPLES.map(|sample| sample.name), NAMES);
        let problem = named("git-smal").expect_err("no such sample");
        assert_eq!(problem.hint_text(), Some("did you mean `git-small`?"));
        assert_eq!(problem.exit_status(), 2);
    }

    #[test]
    fn every_question_can_be_typed_and_the_last_is_about_the_past() {
        for sample in SAMPLES {
            for (_, question) in sample.questions {
                for line in question.lines() {
                    crate::session::entry::read(line).expect("it is an entry");
                }
            }
            assert!(sample.questions[2].1.starts_with(".as-of"));
        }
    }
}
