//! The rules that a query is given: read once, sorted out once, and kept for who gives the same again.
//!
//! Invariant: what is kept was read from data equal to what is given, word by word; numbers of different types are
//! different. Nothing of it speaks of facts.

use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use crate::ast::Rule;
use crate::edn::{Edn, Form};
use crate::error::Result;
use crate::parse;
use crate::plan::recursion::Rules;

/// Rules of more parts than this are not kept: reading them takes less than running them, and queries are many.
const KEPT_PARTS: usize = 4096;

/// Rules that were read, in the order of their text.
#[derive(Debug, Default)]
pub(crate) struct RuleBook {
    all: Vec<Rule>,
    sorted_out: OnceLock<Rules>,
}

static EMPTY: LazyLock<RuleBook> = LazyLock::new(RuleBook::default);

impl RuleBook {
    /// Reads rules from data.
    pub(crate) fn read(rules: &Edn) -> Result<Arc<RuleBook>> {
        let all = parse::rules(&Form::from(rules.clone()))?;
        Ok(Arc::new(RuleBook { all, sorted_out: OnceLock::new() }))
    }

    /// No rules.
    pub(crate) fn empty() -> &'static RuleBook {
        &EMPTY
    }

    /// These rules and others.
    pub(crate) fn and(&self, others: &RuleBook) -> Arc<RuleBook> {
        let all = self.all.iter().chain(&others.all).cloned().collect();
        Arc::new(RuleBook { all, sorted_out: OnceLock::new() })
    }

    /// The rules as they were read.
    pub(crate) fn all(&self) -> &[Rule] {
        &self.all
    }

    /// The rules by name, with which of them call themselves.
    pub(crate) fn sorted_out(&self) -> &Rules {
        self.sorted_out.get_or_init(|| Rules::new(self.all.clone()))
    }
}

/// The rules that a query was given last, as they came.
#[derive(Debug)]
struct Last {
    given: Edn,
    book: Arc<RuleBook>,
    /// Set when the query has been found to make sense with them.
    makes_sense: OnceLock<()>,
}

/// The rules that one query was given last.
#[derive(Debug, Default)]
pub(crate) struct KeptRules(Mutex<Option<Arc<Last>>>);

impl KeptRules {
    /// Reads rules, unless they are those of the last time.
    pub(crate) fn read(&self, given: &Edn) -> Result<Arc<RuleBook>> {
        if let Some(last) = self.last()
            && last.given == *given
        {
            return Ok(Arc::clone(&last.book));
        }
        let book = RuleBook::read(given)?;
        if parts(given, KEPT_PARTS + 1) > KEPT_PARTS {
            return Ok(book);
        }
        let last = Last { given: given.clone(), book: Arc::clone(&book), makes_sense: OnceLock::new() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(last));
        Ok(book)
    }

    /// Checks whether the query makes sense with these rules, unless that is known.
    pub(crate) fn check(&self, rules: &RuleBook, check: impl FnOnce() -> Result<()>) -> Result<()> {
        let last = self.last().filter(|last| std::ptr::eq(&*last.book, rules));
        if last.as_ref().is_some_and(|last| last.makes_sense.get().is_some()) {
            return Ok(());
        }
        check()?;
        last.iter().for_each(|last| {
            last.makes_sense.get_or_init(|| ());
        });
        Ok(())
    }

    fn last(&self) -> Option<Arc<Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How many parts data has, those of parts included; counting ends beyond `most`.
fn parts(edn: &Edn, most: usize) -> usize {
    fn all<'e>(mut edns: impl Iterator<Item = &'e Edn>, most: usize) -> usize {
        let mut count = 1;
        while count < most
            && let Some(part) = edns.next()
        {
            count += parts(part, most - count);
        }
        count
    }
    match edn {
        Edn::List(edns) | Edn::Vector(edns) => all(edns.iter(), most),
        Edn::Set(edns) => all(edns.iter(), most),
        Edn::Map(pairs) => all(pairs.iter().flat_map(|(key, value)| [key, value]), most),
        Edn::Tagged(_, part) => all([&**part].into_iter(), most),
        Edn::String(text) | Edn::Uri(text) => 1 + text.len() / size_of::<Edn>(),
        Edn::Bytes(bytes) => 1 + bytes.len() / size_of::<Edn>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::read::read_one;

    fn edn(text: &str) -> Edn {
        read_one(text).expect("test text").to_edn()
    }

    #[test]
    fn the_same_rules_are_read_once_and_others_anew() {
        let kept = KeptRules::default();
        let (one, other) = (edn("[[(r ?x) [?x :a 1]]]"), edn("[[(r ?x) [?x :a 1.0]]]"));
        let first = kept.read(&one).expect("rules");
        assert!(Arc::ptr_eq(&first, &kept.read(&one.clone()).expect("rules")));
        let second = kept.read(&other).expect("rules");
        assert!(!Arc::ptr_eq(&first, &second));
        assert_ne!(first.all(), second.all());
    }

    #[test]
    fn large_rules_are_not_kept() {
        let kept = KeptRules::default();
        let rule = |n: usize| format!("[(r{n} ?x) [?x :a {n}]]");
        for (count, is_kept) in [(400, true), (600, false)] {
            let rules = edn(&format!("[{}]", (0..count).map(rule).collect::<String>()));
            let first = kept.read(&rules).expect("rules");
            assert_eq!(Arc::ptr_eq(&first, &kept.read(&rules).expect("rules")), is_kept, "{count}");
        }
    }

    #[test]
    fn a_check_that_went_well_is_not_made_again_for_the_same_rules() {
        let kept = KeptRules::default();
        let rules = edn("[[(r ?x) [?x :a 1]]]");
        let book = kept.read(&rules).expect("rules");
        let wrong = || Err(crate::Error::incorrect("db.error/invalid-query", "wrong"));
        assert!(kept.check(&book, wrong).is_err());
        assert!(kept.check(&book, wrong).is_err(), "what went wrong is said again");
        kept.check(&book, || Ok(())).expect("no objection");
        kept.check(&book, wrong).expect("known to make sense");
        let others = kept.read(&edn("[[(r ?x) [?x :b 1]]]")).expect("rules");
        assert!(kept.check(&others, wrong).is_err(), "other rules are checked");
        kept.check(&others, || Ok(())).expect("no objection");
        assert!(kept.check(&book, wrong).is_err(), "as are those of before the last");
    }
}
