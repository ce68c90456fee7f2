//! What the operators cost, over sorted columns in memory: people and their attributes, a long chain, a wide tree.
//!
//! `cargo bench -p annals-query` prints for each question its rows, microseconds and nanoseconds a row, the best of
//! several runs. The source does nothing but binary search and slices, so that what is measured is the engine.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use annals_query::edn::{Edn, read::read_one};
use annals_query::error::Result;
use annals_query::source::{Attribute, Flow, Source};
use annals_query::{Budget, Prepared, QueryArg};
use annals_storage::datom::columns::{heap_word, value_at};
use annals_storage::datom::{
    AttrId, Batch, Col, EntityId, Keyword, Partition, Pattern, Tag, Value, ValueBound, ValueCol, ValueRef,
    code,
};

/// One order of one attribute.
#[derive(Default)]
struct Order {
    e: Vec<u64>,
    words: Vec<i64>,
}

struct Column {
    attribute: Attribute,
    heap: Vec<u8>,
    by_entity: Order,
    by_value: Order,
}

impl Column {
    fn new(id: u32, name: &str, value_type: Tag, facts: &[(u64, Value)]) -> Column {
        let attribute = Attribute {
            id: AttrId(id),
            ident: Keyword::new(name),
            value_type,
            many: false,
            unique: None,
            component: false,
            indexed: true,
        };
        let mut heap = Vec::new();
        let mut rows: Vec<(u64, i64, Value)> = Vec::new();
        for (e, v) in facts {
            let word = code::fixed(v).unwrap_or_else(|| {
                let start = heap.len();
                code::variable(v, &mut heap);
                heap_word(start, heap.len() - start)
            });
            rows.push((*e, word, v.clone()));
        }
        let order = |rows: &[(u64, i64, Value)]| Order {
            e: rows.iter().map(|row| row.0).collect(),
            words: rows.iter().map(|row| row.1).collect(),
        };
        rows.sort_by(|x, y| x.0.cmp(&y.0).then_with(|| x.2.cmp(&y.2)));
        let by_entity = order(&rows);
        rows.sort_by(|x, y| x.2.cmp(&y.2).then_with(|| x.0.cmp(&y.0)));
        let by_value = order(&rows);
        Column { attribute, heap, by_entity, by_value }
    }

    /// The order to read, from where to where.
    fn range(&self, pattern: &Pattern<'_>) -> (&Order, usize, usize) {
        if let Some(e) = pattern.e {
            let (start, end) = (
                self.by_entity.e.partition_point(|other| *other < e.0),
                self.by_entity.e.partition_point(|other| *other <= e.0),
            );
            return (&self.by_entity, start, end);
        }
        let value = |word: &i64| value_at(self.attribute.value_type, *word, &self.heap);
        let words = &self.by_value.words;
        let before = |v: ValueRef<'_>| words.partition_point(|word| value(word).compare(v).is_lt());
        let through = |v: ValueRef<'_>| words.partition_point(|word| value(word).compare(v).is_le());
        match pattern.v {
            ValueBound::Any => (&self.by_entity, 0, words.len()),
            ValueBound::Is(v) => (&self.by_value, before(v), through(v)),
            ValueBound::Range(_, low, high) => {
                let start = low.map_or(0, |(v, included)| if included { before(v) } else { through(v) });
                let end =
                    high.map_or(words.len(), |(v, included)| if included { through(v) } else { before(v) });
                (&self.by_value, start, end.max(start))
            }
        }
    }

    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Flow {
        let (order, mut start, end) = self.range(pattern);
        while start < end {
            let stop = end.min(start + Batch::MAX_ROWS);
            let tags = Col::Const(self.attribute.value_type);
            let batch = Batch {
                len: stop - start,
                e: Col::Each(&order.e[start..stop]),
                a: Col::Const(self.attribute.id.0),
                v: ValueCol { tags, words: Col::Each(&order.words[start..stop]), heap: &self.heap },
                t: Col::Const(1),
                added: Col::Const(true),
            };
            let both = pattern.e.is_some() && pattern.v != ValueBound::Any;
            if (!both || pattern.v.admits(batch.v.get(0))) && sink(&batch).is_break() {
                return Flow::Break(());
            }
            start = stop;
        }
        Flow::Continue(())
    }
}

struct Columns(BTreeMap<AttrId, Column>);

impl Source for Columns {
    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()> {
        match pattern.a {
            Some(a) => {
                let _ = self.0.get(&a).map(|column| column.scan(pattern, sink));
            }
            None => {
                let _ = self.0.values().try_for_each(|column| column.scan(pattern, sink));
            }
        }
        Ok(())
    }

    fn count(&self, pattern: &Pattern<'_>) -> Result<u64> {
        let length = |column: &Column| {
            let (_, start, end) = column.range(pattern);
            (end - start) as u64
        };
        Ok(match pattern.a {
            Some(a) => self.0.get(&a).map_or(0, length),
            None => self.0.values().map(length).sum(),
        })
    }

    fn attribute(&self, id: AttrId) -> Option<&Attribute> {
        self.0.get(&id).map(|column| &column.attribute)
    }

    fn attributes(&self) -> Vec<&Attribute> {
        self.0.values().map(|column| &column.attribute).collect()
    }

    fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        let column = self.0.values().find(|column| column.attribute.ident == *ident)?;
        Some(column.attribute.id.entity())
    }

    fn ident(&self, e: EntityId) -> Option<Keyword> {
        Some(self.0.get(&AttrId::of_entity(e)?)?.attribute.ident.clone())
    }
}

fn user(n: u64) -> u64 {
    EntityId::new(Partition::USER, n).0
}

fn people(count: u64) -> Columns {
    let mut state = 42u64;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let names = ["Ana", "Boris", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana"];
    let lasts = ["Hill", "Ives", "Jung", "Kerr", "Lund", "Moss"];
    let mut columns: Vec<Vec<(u64, Value)>> = vec![Vec::new(); 5];
    for n in 0..count {
        let e = user(n);
        columns[0].push((e, Value::string(names[below(8) as usize])));
        columns[1].push((e, Value::string(lasts[below(6) as usize])));
        columns[2].push((e, Value::keyword(if below(2) == 0 { "male" } else { "female" })));
        columns[3].push((e, Value::Long(below(100) as i64)));
        columns[4].push((e, Value::Long(below(100_000) as i64)));
    }
    let chain: Vec<(u64, Value)> =
        (0..100_000).map(|n| (user(n), Value::Ref(EntityId(user(n + 1))))).collect();
    let tree: Vec<(u64, Value)> =
        (1..20_000).map(|n| (user(n), Value::Ref(EntityId(user((n - 1) / 7))))).collect();
    let columns = [
        Column::new(100, "name", Tag::String, &columns[0]),
        Column::new(101, "last-name", Tag::String, &columns[1]),
        Column::new(102, "sex", Tag::Keyword, &columns[2]),
        Column::new(103, "age", Tag::Long, &columns[3]),
        Column::new(104, "salary", Tag::Long, &columns[4]),
        Column::new(105, "next", Tag::Ref, &chain),
        Column::new(106, "parent", Tag::Ref, &tree),
    ];
    Columns(columns.into_iter().map(|column| (column.attribute.id, column)).collect())
}

const RULES: &str = "[[(up ?a ?b) [?a :parent ?b]] [(up ?a ?b) [?a :parent ?m] (up ?m ?b)]
                      [(reach ?a ?b) [?a :next ?b]] [(reach ?a ?b) [?a :next ?m] (reach ?m ?b)]]";

fn main() {
    let filter: Option<String> = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let source: Arc<dyn Source> = Arc::new(people(20_000));
    let (first, leaf) = (user(0), user(19_999));
    let work: Vec<(&str, String)> = [
        ("q1", "[:find ?e :where [?e :name \"Ana\"]]"),
        ("q2", "[:find ?e ?a :where [?e :name \"Ana\"] [?e :age ?a]]"),
        ("q2-switch", "[:find ?e ?a :where [?e :age ?a] [?e :name \"Ana\"]]"),
        ("q3", "[:find ?e ?a :where [?e :name \"Ana\"] [?e :age ?a] [?e :sex :male]]"),
        ("q4", "[:find ?e ?l ?a :where [?e :name \"Ana\"] [?e :last-name ?l] [?e :age ?a] [?e :sex :male]]"),
        ("q5", "[:find ?e ?l :where [?e :name \"Ana\"] [?e :age 33] [?e :last-name ?l]]"),
        (
            "join-age",
            "[:find ?x ?y :where [?x :name \"Ana\"] [?y :name \"Boris\"] [?x :age ?a] [?y :age ?a]]",
        ),
        ("qrange", "[:find ?e ?n :where [?e :salary ?s] [(<= 50000 ?s)] [(< ?s 50500)] [?e :name ?n]]"),
        ("qpred", "[:find ?e ?s :where [?e :salary ?s] [(> ?s 50000)]]"),
        ("agg", "[:find ?l (count ?e) (max ?s) (avg ?s) :where [?e :last-name ?l] [?e :salary ?s]]"),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.to_owned()))
    .chain([
        ("lookup", format!("[:find ?a . :where [{first} :age ?a]]")),
        ("not", "[:find ?e :where [?e :name \"Ana\"] (not [?e :sex :male])]".to_owned()),
        ("or", "[:find ?e :where (or [?e :age 33] [?e :age 34])]".to_owned()),
        ("up-leaf", format!("[:find ?b :in $ % :where (up {leaf} ?b)]")),
        ("down-root", format!("[:find ?a :in $ % :where (up ?a {first})]")),
        ("up-all", "[:find ?a ?b :in $ % :where (up ?a ?b)]".to_owned()),
        ("chain-100000", format!("[:find ?b :in $ % :where (reach {first} ?b)]")),
    ])
    .collect();
    println!("{:14} {:>8} {:>12} {:>8}", "question", "rows", "us", "ns/row");
    for (name, text) in work {
        if filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let prepared = Prepared::new(&text).expect("a sound question");
        let mut args = vec![QueryArg::Source(Arc::clone(&source))];
        if text.contains('%') {
            args.push(QueryArg::Value(read_one(RULES).expect("sound rules").to_edn()));
        }
        let mut best = f64::INFINITY;
        let mut rows = 0;
        let started = Instant::now();
        while started.elapsed().as_millis() < 400 || best == f64::INFINITY {
            let start = Instant::now();
            let answer = black_box(prepared.q(&args, &Budget::default()).expect("an answer"));
            best = best.min(start.elapsed().as_secs_f64());
            rows = match answer.into_edn() {
                Edn::Vector(rows) => rows.len(),
                _ => 1,
            };
        }
        println!("{name:14} {rows:>8} {:>12.1} {:>8.1}", best * 1e6, best * 1e9 / rows.max(1) as f64);
    }
}
