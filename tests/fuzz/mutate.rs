//! How cases are made: an example is changed as a tree some times, printed, and sometimes changed as text.
//!
//! Everything comes from [`Random`], so a seed is a run.

use std::collections::{BTreeMap, BTreeSet};

use annals::{Edn, Symbol};
use annals_tests::Random;

use crate::corpus::Corpus;

/// What is read and asked: a text, and inputs as texts.
pub(crate) struct Case {
    /// A query, rules, a pattern, or nothing of the kind.
    pub(crate) text: String,
    /// The inputs after the database.
    pub(crate) args: Vec<String>,
}

/// Atoms that have broken programs.
const ATOMS: [&str; 58] = [
    "nil",
    "true",
    "?x",
    "?e",
    "$",
    "$x",
    "%",
    "_",
    ".",
    "...",
    "?",
    "*",
    "&",
    "=",
    "not",
    "or",
    "and",
    "not-join",
    "or-join",
    "count",
    "sum",
    "max",
    "q",
    "quote",
    "pull",
    "ground",
    "desc",
    "range",
    "str",
    "Math/pow",
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1N",
    "1e308",
    "-0.0",
    "##NaN",
    "##Inf",
    "1e999M",
    "1e-999M",
    "0.1M",
    "\"\"",
    "\"(\"",
    "\"a*\"",
    ":find",
    ":in",
    ":where",
    ":with",
    ":keys",
    ":limit",
    ":db/id",
    ":film/_cast",
    ":a/_",
    "#inst \"9999-12-31T23:59:59.999-00:00\"",
    "\\a",
];

/// Pieces of text.
const TOKENS: [&str; 24] = [
    "(", ")", "[", "]", "{", "}", "#{", "#_", "\"", "\\", ";", "#", ":", "/", "?", "'", "\u{feff}", "ä", "𝄞",
    "\u{0}", "#inst \"", "##", "\n", "N",
];

impl Case {
    /// The next case.
    pub(crate) fn draw(corpus: &Corpus, random: &mut Random) -> Case {
        let example = random.of(&corpus.examples);
        let (mut edn, mut args) = (example.edn.clone(), example.args.clone());
        for _ in 0..random.below(4) {
            change(&mut edn, corpus, random);
        }
        if let Some(at) = args.len().checked_sub(1).map(|last| random.below(last + 1))
            && random.one_in(3)
        {
            change(&mut args[at], corpus, random);
        }
        if random.one_in(40) {
            args.push(random.of(&corpus.parts).clone());
        }
        let mut text = edn.to_string();
        // Deep nesting is made as text: a deep tree is not what is under test.
        if random.one_in(50) {
            text = nested(&text, random);
        }
        if random.one_in(3) {
            for _ in 0..=random.below(3) {
                text = scratched(&text, random);
            }
        }
        Case { text, args: args.iter().map(ToString::to_string).collect() }
    }
}

/// Changes one place of a tree.
fn change(edn: &mut Edn, corpus: &Corpus, random: &mut Random) {
    // Go down, but not always to the leaves.
    if !random.one_in(4) {
        match edn {
            Edn::List(edns) | Edn::Vector(edns) if !edns.is_empty() => {
                let at = random.below(edns.len());
                return change(&mut edns[at], corpus, random);
            }
            Edn::Map(map) if !map.is_empty() => {
                let at = random.below(map.len());
                let value = map.values_mut().nth(at).expect("a map has as many values as it says");
                return change(value, corpus, random);
            }
            _ => {}
        }
    }
    match random.below(10) {
        0 | 1 => *edn = random.of(&corpus.parts).clone(),
        2 | 3 => *edn = atom(random),
        4 => {
            let inner = std::mem::replace(edn, Edn::Nil);
            *edn = wrapped(inner, random);
        }
        5 => {
            if let Some(children) = children(edn) {
                let at = random.below(children.len() + 1);
                children.insert(at, random.of(&corpus.parts).clone());
            }
        }
        6 => {
            if let Some(children) = children(edn).filter(|children| !children.is_empty()) {
                children.remove(random.below(children.len()));
            }
        }
        7 => {
            if let Some(children) = children(edn).filter(|children| !children.is_empty()) {
                let one = random.of(children).clone();
                let (at, times) = (random.below(children.len()), 1 + random.up_to(6));
                children.splice(at..at, std::iter::repeat_n(one, times));
            }
        }
        8 => {
            if let Some(children) = children(edn).filter(|children| !children.is_empty()) {
                let (one, other) = (random.below(children.len()), random.below(children.len()));
                children.swap(one, other);
            }
        }
        _ => *edn = recast(edn),
    }
}

fn children(edn: &mut Edn) -> Option<&mut Vec<Edn>> {
    match edn {
        Edn::List(edns) | Edn::Vector(edns) => Some(edns),
        _ => None,
    }
}

fn atom(random: &mut Random) -> Edn {
    let text = *random.of(&ATOMS);
    annals::edn::read_one(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_edn()
}

/// The same in another kind of brackets.
fn recast(edn: &Edn) -> Edn {
    match edn {
        Edn::List(edns) => Edn::Vector(edns.clone()),
        Edn::Vector(edns) => Edn::List(edns.clone()),
        Edn::Map(map) => {
            Edn::Vector(map.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect())
        }
        Edn::Set(edns) => Edn::List(edns.iter().cloned().collect()),
        Edn::Keyword(keyword) => Edn::symbol(keyword.as_str()),
        Edn::Symbol(symbol) => Edn::string(symbol.as_str()),
        Edn::Int(n) => Edn::double(*n as f64),
        other => Edn::Vector(vec![other.clone()]),
    }
}

fn wrapped(inner: Edn, random: &mut Random) -> Edn {
    let headed = |name: &str, inner: Edn| Edn::List(vec![Edn::symbol(name), inner]);
    match random.below(9) {
        0 => headed("not", inner),
        1 => headed("or", inner),
        2 => headed("and", inner),
        3 => Edn::Vector(vec![inner]),
        4 => Edn::List(vec![inner]),
        5 => Edn::Set(BTreeSet::from([inner])),
        6 => Edn::Map(BTreeMap::from([(Edn::keyword("film/cast"), inner)])),
        7 => Edn::Tagged(Symbol::new("a/b"), Box::new(inner)),
        _ => Edn::List(vec![Edn::symbol("not-join"), Edn::Vector(vec![Edn::symbol("?e")]), inner]),
    }
}

/// A text inside of many brackets, somewhere.
fn nested(text: &str, random: &mut Random) -> String {
    const PAIRS: [(&str, &str); 7] = [
        ("[", "]"),
        ("(not ", ")"),
        ("(or ", ")"),
        ("(and ", ")"),
        ("{:film/cast ", "}"),
        ("#a ", ""),
        ("(+ 1 ", ")"),
    ];
    let (open, close) = random.of(&PAIRS);
    let times = 1 << random.below(13);
    let opening: Vec<usize> = text.match_indices(['[', '(']).map(|(at, _)| at).collect();
    let Some(&from) = opening.get(random.below(opening.len())) else { return text.to_owned() };
    let Ok(Some((_, to))) = annals::edn::read_next(text, from) else { return text.to_owned() };
    let (opened, closed) = (open.repeat(times), close.repeat(times));
    format!("{}{opened}{}{closed}{}", &text[..from], &text[from..to], &text[to..])
}

/// A text with one place changed.
fn scratched(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = random.below(bytes.len() + 1);
    let end = (at + 1 + random.up_to(8)).min(bytes.len());
    match random.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.splice(at..at, random.of(&ATOMS).bytes())),
        _ => drop(bytes.splice(at..at, random.of(&TOKENS).bytes())),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
