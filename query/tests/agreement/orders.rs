//! Orders found by weighing all of them: better than the cheapest step next, and not sought where there is little to win.

use std::sync::Arc;

use annals_query::facts::Facts;
use annals_query::plan::PlanOptions;
use annals_query::plan::explain::Explain;
use annals_query::{Budget, QueryArg, explain_with, parse};
use annals_storage::datom::{AttrId, Datom, EntityId, Tag, Value};

use crate::{attribute, user};

/// Facts of attributes that are numbered from 100 on.
struct Log(Vec<Datom>);

impl Log {
    fn add(&mut self, e: u64, a: u32, v: Value) {
        self.0.push(Datom { e: user(e), a: AttrId(a), v, tx: EntityId::of_t(1), added: true });
    }

    fn facts(&self, attributes: &[(&str, Tag)]) -> Facts {
        let numbered = (100..).zip(attributes);
        let attributes = numbered.map(|(id, (name, tag))| attribute(id, name, *tag, false, false));
        Facts::window(&self.0, attributes.collect(), None, None)
    }
}

fn number(n: u64) -> Value {
    Value::Long(n as i64)
}

fn told(facts: &Facts, clauses: &[&str], search: Option<bool>) -> Explain {
    let query = parse::query_text(&format!("[:find ?p :where {}]", clauses.join(" "))).expect("test text");
    let options = PlanOptions { search, ..PlanOptions::default() };
    let source = QueryArg::Source(Arc::new(facts.clone()));
    explain_with(&query, &[source], &Budget::default(), options).expect("an explanation")
}

fn rows(told: &Explain) -> u64 {
    told.lines.iter().filter_map(|line| line.rows).sum()
}

/// Many people in some cities; a few more medals than there are cities.
fn people() -> Facts {
    let mut log = Log(Vec::new());
    for n in 0..100 {
        log.add(n, 100, number(n));
    }
    for n in 100..9_000 {
        log.add(n, 101, Value::Ref(user(n % 100)));
        if n % 60 == 0 {
            log.add(10_000 + n, 102, Value::Ref(user(n)));
        }
    }
    log.facts(&[("label", Tag::Long), ("city", Tag::Ref), ("winner", Tag::Ref)])
}

#[test]
fn a_cheap_step_that_leads_to_dear_ones_is_not_taken() {
    let facts = people();
    let clauses = ["[?c :label ?l]", "[?p :city ?c]", "[?m :winner ?p]"];
    let greedy = told(&facts, &clauses, Some(false));
    let searched = told(&facts, &clauses, None);
    assert_eq!((greedy.search, searched.search), (Some("greedy"), Some("dynamic-programming")));
    assert_eq!(greedy.rows, searched.rows);
    assert!(greedy.lines[0].text.contains(":label"), "{greedy}");
    assert!(rows(&searched) * 5 < rows(&greedy), "{searched}\n{greedy}");
    let shown = searched.to_string();
    assert!(shown.contains("order of clauses: dynamic programming"), "{shown}");
    let other = told(&facts, &[clauses[2], clauses[0], clauses[1]], None);
    assert_eq!(other.lines, searched.lines, "the order does not depend on the text");
}

#[test]
fn an_order_that_costs_little_is_not_searched_for() {
    let clauses = ["[?c :label 7]", "[?p :city ?c]", "[?m :winner ?p]"];
    assert_eq!(told(&people(), &clauses, None).search, Some("greedy"));
    assert_eq!(told(&people(), &clauses[1..], None).search, None, "two clauses");
}

/// As many shops are large as are small, and nearly all was sold in large ones.
#[test]
fn links_are_tried_where_counts_say_the_same() {
    let mut log = Log(Vec::new());
    for n in 0..40 {
        log.add(n, 100, number(n / 20));
    }
    for n in 100..300 {
        log.add(n, 103, number(n % 4));
    }
    for n in 1_000..5_000 {
        let shop = if n < 1_020 { 20 + n % 20 } else { n % 20 };
        log.add(n, 101, Value::Ref(user(shop)));
        log.add(n, 102, Value::Ref(user(100 + n % 200)));
    }
    let attributes = [("size", Tag::Long), ("shop", Tag::Ref), ("item", Tag::Ref), ("color", Tag::Long)];
    let facts = log.facts(&attributes);
    let first = |size: u8| {
        let size = format!("[?s :size {size}]");
        let clauses = [size.as_str(), "[?p :shop ?s]", "[?p :item ?i]", "[?i :color 1]"];
        told(&facts, &clauses, Some(true)).lines[0].text.clone()
    };
    assert_eq!((first(1), first(0)), ("[?s :size 1]".to_owned(), "[?i :color 1]".to_owned()));
}
