//! What goes with a transaction as a request: the key it is recognised by, and what it expects of the state before.
//!
//! The model remembers what was sent under every key and what it was answered, and every world there was.

use std::collections::{BTreeMap, BTreeSet};

use annals::{Edn, Error, T, TxReport, TxRequest};
use annals_tests::Random;

use crate::generate::{made, map, vector};
use crate::read::Reasons;
use crate::world::{Fact, Id, Val, World};

/// Facts of a transaction by which its request is recognised; the model knows requests by themselves.
pub(crate) const MARKS: [&str; 4] = ["db.tx/key", "db.tx/digest", "db.tx/tempids", "db.tx/refusal"];

/// A request as it was sent, in the database's numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) forms: Vec<Edn>,
    pub(crate) expect: Vec<Edn>,
}

impl Sent {
    pub(crate) fn with_key(&self, key: Option<&str>) -> TxRequest {
        let request = TxRequest::from(self.forms.clone());
        let request = self.expect.iter().cloned().fold(request, TxRequest::expect);
        match key {
            Some(key) => request.key(key),
            None => request,
        }
    }
}

/// Requests by their keys, with the first answers.
#[derive(Default)]
pub(crate) struct Keys(BTreeMap<String, (Sent, Result<TxReport, Error>)>);

impl Keys {
    pub(crate) fn sent(&self, key: &str) -> Option<&Sent> {
        self.0.get(key).map(|(sent, _)| sent)
    }

    pub(crate) fn keep(&mut self, key: &str, sent: Sent, answer: Result<TxReport, Error>) {
        self.0.insert(key.to_owned(), (sent, answer));
    }

    /// A key that was used is used again: with the same request it is answered as before, with another it is refused.
    pub(crate) fn again(
        &self,
        key: &str,
        sent: &Sent,
        answer: &Result<TxReport, Error>,
    ) -> Result<(), String> {
        let Some((first, told)) = self.0.get(key) else { return Err(format!("{key} was never used")) };
        let replayed = Edn::keyword("db.error/replayed");
        let is_right = match (told, answer) {
            (_, Err(error)) if first != sent => error.keyword() == "db.error/idempotency-key-reused",
            (Ok(then), Ok(now)) if first == sent => {
                let facts = |report: &TxReport| {
                    let (before, after) = (report.db_before.basis_t(), report.db_after.basis_t());
                    (report.t, report.instant, before, after, report.tempids.clone(), report.datoms.clone())
                };
                now.replayed && facts(now) == facts(then)
            }
            (Err(then), Err(now)) => {
                now.data().get(&replayed) == Some(&Edn::Bool(true))
                    && (now.keyword(), now.message()) == (then.keyword(), then.message())
            }
            _ => false,
        };
        let differs = || {
            format!("the key {key} goes with {first:?}, answered {told:?}; {sent:?} is answered {answer:?}")
        };
        is_right.then_some(()).ok_or_else(differs)
    }
}

/// Every world there was, each with the newest transaction of the database.
pub(crate) type Moments = Vec<(T, World)>;

/// A moment some transactions ago, in an expectation.
pub(crate) fn ago(transactions: usize) -> Edn {
    Edn::Tagged(annals::Symbol::new("ago"), Box::new(Edn::Int(transactions as i64)))
}

/// Draws something to expect: of an entity, and of an attribute (its name, and whether a set of values is given).
pub(crate) fn expectation(
    random: &mut Random,
    entities: &[Id],
    attr: (&str, bool),
    value: Edn,
) -> Option<Edn> {
    let (name, many) = (Edn::keyword(attr.0), attr.1);
    let since = ago(random.up_to(3));
    let e = made(*entities.get(random.below(entities.len().max(1)))?);
    Some(match random.below(6) {
        0 => map([("basis", ago(random.one_in(3).into()))]),
        1 => map([("entity", e), ("unchanged-since", since)]),
        2 => {
            let nothing = random.one_in(3);
            let is = match (nothing, many) {
                (true, _) => Edn::Nil,
                (false, true) => Edn::Set([value].into()),
                (false, false) => value,
            };
            map([("entity", e), ("attribute", name), ("is", is)])
        }
        3 | 4 => {
            let place = if random.one_in(2) { e } else { Edn::Symbol(annals::Symbol::new("_")) };
            map([("patterns", vector([vector([place, name])])), ("unchanged-since", since)])
        }
        _ => {
            let query = format!("[:find ?e :where [?e :x/count {}]]", random.below(4));
            let is = if random.one_in(2) { "empty" } else { "nonempty" };
            map([("query", Edn::string(query)), ("is", Edn::keyword(is))])
        }
    })
}

/// Why what is expected makes no sense, or is not so. Moments in it are places in the list of all, whose last is now.
pub(crate) fn judge(moments: &[(T, World)], expected: &[Edn]) -> Reasons {
    let mut wrong = Reasons::new();
    let mut failed = Reasons::new();
    for expected in expected {
        match is_met(moments, expected) {
            Ok(true) => {}
            Ok(false) => drop(failed.insert("expectation-failed".to_owned())),
            Err(reason) => drop(wrong.insert(reason.to_owned())),
        }
    }
    if wrong.is_empty() { failed } else { wrong }
}

fn is_met(moments: &[(T, World)], expected: &Edn) -> Result<bool, &'static str> {
    const SENSELESS: &str = "invalid-expectation";
    let (Edn::Map(parts), Some((t, now))) = (expected, moments.last()) else { return Err(SENSELESS) };
    let part = |name: &str| parts.get(&Edn::keyword(name));
    let since = |moment: &Edn| match moment {
        Edn::Int(at) => &moments[*at as usize..],
        _ => moments,
    };
    let entity = |edn: &Edn| if let Edn::Int(e) = edn { Some(*e) } else { None };
    let attribute = |edn: &Edn| {
        let Edn::Keyword(name) = edn else { return Err(SENSELESS) };
        let id = *now.names.get(name.as_str()).ok_or("not-an-entity")?;
        now.attr(id).map(|attr| attr.id).ok_or("not-an-attribute")
    };
    if let Some(moment) = part("basis") {
        return Ok(since(moment)[0].0 == *t);
    }
    if let (Some(e), Some(a), Some(is)) = (part("entity").and_then(entity), part("attribute"), part("is")) {
        let held: BTreeSet<&Val> = now.values(e, attribute(a)?).collect();
        let wanted: Vec<Edn> = match is {
            Edn::Nil => Vec::new(),
            Edn::Set(values) => values.iter().cloned().collect(),
            value => vec![value.clone()],
        };
        let wanted: Vec<Val> = wanted.into_iter().map(Val::Is).collect();
        return Ok(held == wanted.iter().collect());
    }
    if let (Some(Edn::String(query)), Some(is)) = (part("query"), part("is")) {
        let asked = query.split_whitespace().last().and_then(|last| last.trim_end_matches(']').parse().ok());
        let n = Val::Is(Edn::Int(asked.ok_or(SENSELESS)?));
        let a = attribute(&Edn::keyword("x/count"))?;
        let found = now.all().any(|(_, attr, v)| attr == a && *v == n);
        return Ok(*is == Edn::keyword(if found { "nonempty" } else { "empty" }));
    }
    let moment = part("unchanged-since").ok_or(SENSELESS)?;
    let (mut e, mut a) = (part("entity").and_then(entity), None);
    if let Some([pattern]) = part("patterns").and_then(Edn::as_seq)
        && let Some([place, name]) = pattern.as_seq()
    {
        (e, a) = (entity(place), Some(attribute(name)?));
    }
    let looked_at = |world: &World| -> BTreeSet<Fact> {
        let facts =
            world.all().filter(|(of, attr, _)| e.is_none_or(|e| e == *of) && a.is_none_or(|a| a == *attr));
        facts.map(|(e, a, v)| (e, a, v.clone())).collect()
    };
    Ok(since(moment).windows(2).all(|pair| looked_at(&pair[0].1) == looked_at(&pair[1].1)))
}
