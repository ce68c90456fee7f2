//! Small databases for tests: the films, the garden and the tracks of the conformance cases, as plain facts.

use std::sync::Arc;

use annals_storage::datom::{AttrId, Datom, EntityId, Keyword, Partition, Tag, Value};

use crate::edn::{Edn, read_one};
use crate::error::Result;
use crate::facts::Facts;
use crate::source::{Attribute, Unique};
use crate::{Answer, Budget, QueryArg, naive, parse};

/// Facts while they are written down.
#[derive(Default)]
pub(crate) struct Build {
    attributes: Vec<Attribute>,
    log: Vec<Datom>,
    t: u64,
}

/// The n-th entity of a fixture.
pub(crate) fn e(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

impl Build {
    /// With one more attribute; `marks` are among `many`, `unique`, `component`.
    pub(crate) fn attr(mut self, ident: &str, value_type: Tag, marks: &str) -> Build {
        self.attributes.push(Attribute {
            id: AttrId(100 + self.attributes.len() as u32),
            ident: Keyword::new(ident),
            value_type,
            many: marks.contains("many"),
            unique: marks.contains("unique").then_some(Unique::Identity),
            component: marks.contains("component"),
            indexed: true,
        });
        self
    }

    /// From here on, the facts of the next transaction.
    pub(crate) fn tx(mut self) -> Build {
        self.t += 1;
        self
    }

    /// With these values of an attribute of the n-th entity.
    pub(crate) fn add(self, n: u64, ident: &str, values: impl IntoIterator<Item = Value>) -> Build {
        self.say(n, ident, values, true)
    }

    /// Without these values.
    pub(crate) fn retract(self, n: u64, ident: &str, values: impl IntoIterator<Item = Value>) -> Build {
        self.say(n, ident, values, false)
    }

    fn say(mut self, n: u64, ident: &str, values: impl IntoIterator<Item = Value>, added: bool) -> Build {
        let a = self
            .attributes
            .iter()
            .find(|a| a.ident.as_str() == ident)
            .expect("an attribute of the fixture")
            .id;
        let tx = EntityId::of_t(self.t.max(1));
        self.log.extend(values.into_iter().map(|v| Datom { e: e(n), a, v, tx, added }));
        self
    }

    /// What holds at the end.
    pub(crate) fn now(&self) -> Facts {
        Facts::window(&self.log, self.attributes.clone(), None, None)
    }

    /// What held as of a transaction.
    pub(crate) fn as_of(&self, t: u64) -> Facts {
        Facts::window(&self.log, self.attributes.clone(), Some(t), None)
    }

    /// All that was ever said.
    pub(crate) fn history(&self) -> Facts {
        Facts::history(&self.log, self.attributes.clone(), None, None)
    }
}

/// References to these entities.
pub(crate) fn refs<const N: usize>(ns: [u64; N]) -> [Value; N] {
    ns.map(|n| Value::Ref(e(n)))
}

/// A text.
pub(crate) fn s(text: &str) -> [Value; 1] {
    [Value::string(text)]
}

/// A long.
pub(crate) fn n(n: i64) -> [Value; 1] {
    [Value::Long(n)]
}

/// Keywords.
pub(crate) fn k<const N: usize>(names: [&str; N]) -> [Value; N] {
    names.map(Value::keyword)
}

/// Ann (1), Cal (2), Eda (3); Harbour (11), Night Train (12), Laughing Gas (13).
pub(crate) fn films() -> Build {
    Build::default()
        .attr("film/title", Tag::String, "unique")
        .attr("film/year", Tag::Long, "")
        .attr("film/cast", Tag::Ref, "many")
        .attr("film/director", Tag::Ref, "")
        .attr("film/genres", Tag::Keyword, "many")
        .attr("film/score", Tag::Double, "")
        .attr("person/name", Tag::String, "unique")
        .attr("person/born", Tag::Long, "")
        .tx()
        .add(1, "person/name", s("Ann Berg"))
        .add(1, "person/born", n(1950))
        .add(2, "person/name", s("Cal Dorn"))
        .add(2, "person/born", n(1962))
        .add(3, "person/name", s("Eda Falk"))
        .add(11, "film/title", s("Harbour"))
        .add(11, "film/year", n(1980))
        .add(11, "film/director", refs([1]))
        .add(11, "film/cast", refs([2, 3]))
        .add(11, "film/genres", k(["drama"]))
        .add(11, "film/score", [Value::Double(7.5)])
        .add(12, "film/title", s("Night Train"))
        .add(12, "film/year", n(1985))
        .add(12, "film/director", refs([1]))
        .add(12, "film/cast", refs([2]))
        .add(12, "film/genres", k(["crime", "drama"]))
        .add(12, "film/score", [Value::Double(8.0)])
        .add(13, "film/title", s("Laughing Gas"))
        .add(13, "film/year", n(1985))
        .add(13, "film/director", refs([2]))
        .add(13, "film/cast", refs([2, 1]))
        .add(13, "film/genres", k(["comedy"]))
}

/// Nodes p (1), q (2), r (3), s (4) that lead on to each other in a loop with a way out; p has parts 5 and 6.
pub(crate) fn tracks() -> Build {
    Build::default()
        .attr("node/id", Tag::Keyword, "unique")
        .attr("node/next", Tag::Ref, "many")
        .attr("node/parts", Tag::Ref, "many component")
        .attr("part/label", Tag::String, "")
        .tx()
        .add(1, "node/id", k(["p"]))
        .add(2, "node/id", k(["q"]))
        .add(3, "node/id", k(["r"]))
        .add(4, "node/id", k(["s"]))
        .add(1, "node/next", refs([2]))
        .add(2, "node/next", refs([3, 4]))
        .add(3, "node/next", refs([1]))
        .add(1, "node/parts", refs([5, 6]))
        .add(5, "part/label", s("rail"))
        .add(6, "part/label", s("sign"))
}

/// EDN from its text.
pub(crate) fn edn(text: &str) -> Edn {
    read_one(text).expect("EDN in a test").to_edn()
}

/// The naive answer to a query over facts and further arguments as EDN.
pub(crate) fn ask(facts: Facts, query: &str, args: &[&str]) -> Result<Answer> {
    let query = parse::query_text(query)?;
    let mut given = vec![QueryArg::Source(Arc::new(facts))];
    given.extend(args.iter().map(|arg| QueryArg::Value(edn(arg))));
    naive::q(&query, &given, &Budget::default())
}

/// As [`ask`], the answer as EDN; rows and collections as a set where none repeats.
pub(crate) fn ask_edn(facts: Facts, query: &str, args: &[&str]) -> Result<Edn> {
    Ok(match ask(facts, query, args)? {
        answer @ (Answer::Relation(_) | Answer::Collection(_)) => match answer.into_edn() {
            Edn::Vector(rows) => {
                let count = rows.len();
                let set: std::collections::BTreeSet<Edn> = rows.iter().cloned().collect();
                if set.len() == count { Edn::Set(set) } else { Edn::Vector(rows) }
            }
            other => other,
        },
        answer => answer.into_edn(),
    })
}
