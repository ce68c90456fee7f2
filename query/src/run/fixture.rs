//! For the tests of the operators: a few facts, and a question's rows by every way or by one.

use std::sync::Arc;

use annals_storage::datom::{AttrId, Datom, EntityId, Keyword, Partition, Tag, Value};

use crate::edn::{Edn, read::read_one};
use crate::error::Result;
use crate::facts::Facts;
use crate::plan::{Access, PlanOptions};
use crate::source::Attribute;
use crate::{Budget, QueryArg, parse, q_with};

fn attribute(id: u32, name: &str, value_type: Tag, many: bool) -> Attribute {
    Attribute {
        id: AttrId(id),
        ident: Keyword::new(name),
        value_type,
        many,
        unique: None,
        component: false,
        indexed: true,
    }
}

/// The entity with this number.
pub(crate) fn user(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

/// Entities 1 to 4: `:n` their number modulo 3, `:to` the next entity (many), `:s` a text, the same for 1 and 3,
/// `:pair` a tuple of a number and an entity.
pub(crate) fn facts() -> Facts {
    let attributes = vec![
        attribute(100, "n", Tag::Long, false),
        attribute(101, "to", Tag::Ref, true),
        attribute(102, "s", Tag::String, false),
        attribute(103, "pair", Tag::Tuple, false),
    ];
    let mut log = Vec::new();
    for n in 1..=4u64 {
        let mut add = |a: u32, v: Value| {
            log.push(Datom { e: user(n), a: AttrId(a), v, tx: EntityId::of_t(n), added: true });
        };
        add(100, Value::Long((n % 3) as i64));
        add(101, Value::Ref(user(n % 4 + 1)));
        add(102, Value::string(if n % 2 == 1 { "odd" } else { "even" }));
        add(103, Value::Tuple([Some(Value::Long(n as i64)), Some(Value::Ref(user(1)))].into()));
    }
    Facts::window(&log, attributes, None, None)
}

/// The rows of a question, in order, facts joined in this way.
pub(crate) fn ask(
    text: &str,
    args: &[&str],
    force: Option<Access>,
    budget: &Budget,
) -> Result<Vec<Vec<Edn>>> {
    let mut inputs = vec![QueryArg::Source(Arc::new(facts()))];
    for arg in args {
        inputs.push(QueryArg::Value(read_one(arg)?.to_edn()));
    }
    let options = PlanOptions { force, part: Some(2), shard: Some(2), ..PlanOptions::default() };
    let answer = q_with(&parse::query_text(text)?, &inputs, budget, options)?.into_edn();
    let row = |row: &Edn| row.as_seq().map_or_else(|| vec![row.clone()], <[Edn]>::to_vec);
    let mut rows: Vec<Vec<Edn>> = answer.as_seq().unwrap_or_default().iter().map(row).collect();
    rows.sort();
    Ok(rows)
}

/// Asserts that a question has these rows (as EDN text), whichever way facts are joined.
pub(crate) fn check(text: &str, args: &[&str], rows: &str) {
    let want = read_one(rows).expect("test text").to_edn();
    let want: Vec<Vec<Edn>> =
        want.as_seq().expect("rows").iter().map(|row| row.as_seq().expect("a row").to_vec()).collect();
    for force in [None, Some(Access::Probe), Some(Access::Each), Some(Access::Stream), Some(Access::Load)] {
        let got =
            ask(text, args, force, &Budget::default()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(got, want, "{text} {force:?}");
    }
}
