//! Random databases and random questions about them, from one seed.
//!
//! Everything is small, so that joins find something and the naive evaluator stays quick. Variables are of three
//! sorts by name: `?e` for entities, `?l` for integers, `?k` for anything; comparisons are made of integers only,
//! so that no question fails on the type of a row that another order would have dropped before.

use annals_query::edn::Edn;
use annals_query::facts::Facts;
use annals_query::source::{Attribute, Unique};
use annals_storage::datom::{AttrId, Datom, EntityId, Keyword, Partition, Tag, Value};

/// Numbers from a seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as usize % end
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, V: ?Sized>(&mut self, all: &[&'a V]) -> &'a V {
        all[self.below(all.len())]
    }
}

const ATTRIBUTES: [(&str, Tag, bool); 9] = [
    ("x/num", Tag::Long, false),
    ("x/nums", Tag::Long, true),
    ("x/next", Tag::Ref, false),
    ("x/refs", Tag::Ref, true),
    ("x/tags", Tag::Keyword, true),
    ("x/text", Tag::String, false),
    ("x/real", Tag::Double, false),
    ("x/flag", Tag::Boolean, false),
    ("x/pair", Tag::Tuple, false),
];

const ENTITIES: u64 = 5;

fn user(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

/// An attribute's name, the type of its values, whether it may have many.
type Kind = (&'static str, Tag, bool);

/// A schema: the attributes of the usual types, one of them or several with the other cardinality.
fn schema(chance: &mut Chance) -> Vec<Kind> {
    // Names and tuples belong to one entity, and `get-else` refuses an attribute of many, if a row reaches it.
    let stays = |(name, tag, _): Kind| matches!(tag, Tag::String | Tag::Tuple) || name == "x/num";
    let turned = |kind: Kind, chance: &mut Chance| {
        let (name, tag, many) = kind;
        (name, tag, many != (!stays(kind) && chance.one_in(4)))
    };
    ATTRIBUTES.into_iter().map(|kind| turned(kind, chance)).collect()
}

fn attributes(schema: &[Kind], indexed: bool) -> Vec<Attribute> {
    let attribute = |(at, (name, value_type, many)): (usize, &Kind)| Attribute {
        id: AttrId(100 + at as u32),
        ident: Keyword::new(name),
        value_type: *value_type,
        many: *many,
        unique: (*value_type == Tag::String).then_some(Unique::Identity),
        component: false,
        indexed,
    };
    schema.iter().enumerate().map(attribute).collect()
}

fn value(chance: &mut Chance, tag: Tag, e: u64, t: u64) -> Value {
    let small = chance.below(5) as i64;
    match tag {
        Tag::Long => Value::Long(small),
        Tag::Ref => Value::Ref(user(chance.below(ENTITIES as usize) as u64)),
        Tag::Keyword => Value::keyword(chance.pick(&["a", "b", "n/c"])),
        Tag::String => Value::string(format!("t{e}{}", if t.is_multiple_of(2) { "" } else { "'" })),
        Tag::Double => Value::Double(small as f64 / 2.0),
        Tag::Boolean => Value::Boolean(small > 2),
        _ => Value::Tuple([Some(Value::Long(small)), Some(Value::Ref(user(2))), None].into()),
    }
}

/// A log of a few transactions that keeps its schema.
fn log(chance: &mut Chance, schema: &[Kind]) -> Vec<Datom> {
    let mut log: Vec<Datom> = Vec::new();
    let mut holding: Vec<(EntityId, AttrId, Value)> = Vec::new();
    for t in 1..=4 {
        let tx = EntityId::of_t(t);
        let mut touched = Vec::new();
        for _ in 0..6 + chance.below(10) {
            let (number, at) = (chance.below(ENTITIES as usize) as u64, chance.below(ATTRIBUTES.len()));
            let (_, tag, many) = schema[at];
            let (e, a) = (user(number), AttrId(100 + at as u32));
            if touched.contains(&(e, a)) {
                continue;
            }
            touched.push((e, a));
            let v = value(chance, tag, number, t);
            if chance.one_in(5) || (!many && !holding.iter().any(|h| *h == (e, a, v.clone()))) {
                let gone: Vec<_> = holding.extract_if(.., |h| h.0 == e && h.1 == a).collect();
                log.extend(gone.into_iter().map(|(e, a, v)| Datom { e, a, v, tx, added: false }));
            }
            let fact = (e, a, v);
            if !holding.contains(&fact) && !log.iter().any(|d| d.tx == tx && (d.e, d.a, d.v.clone()) == fact)
            {
                holding.push(fact.clone());
                log.push(Datom { e, a, v: fact.2, tx, added: true });
            }
        }
    }
    log
}

/// A database under some view of time.
pub(crate) fn facts(chance: &mut Chance) -> Facts {
    let schema = schema(chance);
    let log = log(chance, &schema);
    let attributes = attributes(&schema, !chance.one_in(8));
    let as_of = chance.one_in(3).then(|| 1 + chance.below(4) as u64);
    let since = chance.one_in(4).then(|| chance.below(3) as u64);
    let facts = match chance.below(4) {
        0 => Facts::history(&log, attributes, as_of, since),
        1 => Facts::window(&log, attributes, as_of, since),
        _ => Facts::window(&log, attributes, None, None),
    };
    facts.naming(Keyword::new("the/first"), user(1))
}

/// A random question.
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) args: Vec<Edn>,
    pub(crate) rules: String,
}

const RULES: &str = "
  [(path ?a ?b) [?a REF ?b]]
  [(path ?a ?b) [?a REF ?m] (path ?m ?b)]
  [(back ?a ?b) [?a REF ?b]]
  [(back ?a ?b) (back ?a ?m) [?m REF ?b]]
  [(both ?a ?b) [?a REF ?b]]
  [(both ?a ?b) (both ?a ?m) (both ?m ?b)]
  [(odd ?a ?b) [?a REF ?b]]
  [(odd ?a ?b) [?a REF ?m] (even ?m ?b)]
  [(even ?a ?b) [?a REF ?m] (odd ?m ?b)]
  [(kin ?a ?b) [?p REF ?a] [?p REF ?b]]
  [(kin ?a ?b) [?p REF ?a] [?q REF ?b] (kin ?p ?q)]
  [(rise ?a ?b) [?a REF ?b] [?a :x/num ?n] [?b :x/num ?m] [(< ?n ?m)]]
  [(rise ?a ?b) (rise ?a ?m) [?m REF ?b] (not [?b :x/flag true])]
  [(mark ?a ?b) [?a :x/tags ?b]]
  [(mark ?a ?b) [?a REF ?m] (mark ?m ?b)]
  [(mark ?a ?b) (path ?a ?m) [?m :x/num ?b]]
  [(near ?a ?b) [?a REF ?b]]
  [(near ?a ?b) (or-join [?a ?b] [?b REF ?a] (and [?a REF ?m] [?m :x/num] (near ?m ?b)))]
  [(lone ?a ?b) [?a :x/num ?b] (not-join [?a] (path ?a ?a))]
  [(self ?a ?b) (path ?a ?b) (path ?b ?a)]
  [(steps ?a ?b) [?a REF ?m] [(ground 1) ?b] [?m]]
  [(steps ?a ?b) [?a REF ?m] (steps ?m ?n) [(< ?n 4)] [(+ ?n 1) ?b]]
  [(far ?a (min ?b)) [?a REF ?m] [?m :x/num ?b]]
  [(far ?a (min ?b)) (far ?m ?n) [?a REF ?m] [(+ ?n 1) ?b]]
  [(high ?a (max ?b)) [?a :x/num ?b]]
  [(high ?a (max ?b)) [?a REF ?m] (high ?m ?b)]
  [(hops ?a ?c (min ?b)) [?a REF ?c] [(ground 1) ?b]]
  [(hops ?a ?c (min ?b)) (hops ?a ?m ?n) [?m REF ?c] [(+ ?n 1) ?b]]
  [(twice ?a ?c (min ?b)) [?a REF ?c] [(ground 1) ?b]]
  [(twice ?a ?c (min ?b)) (twice ?a ?m ?n) (twice ?m ?c ?o) [(+ ?n ?o) ?b]]
  [(ring ?a ?b) (hops ?a ?a ?b)]
  [(ring ?a ?b) [?a REF ?m] (twice ?m ?c ?b) (not (high ?c 4))]
  [(given [?a] ?b) [?a REF ?b]]
  [(given [?a] ?b) [?a :x/num ?n] [?b :x/nums ?n]]
  [(named ?a ?b) [(ground :the/first) ?a] [?a REF ?b]]
  [(named ?a ?b) [(ground [:the/first :no/one]) [?m ...]] [?a REF ?m] (named ?m ?b)]
  [(holds ?a ?b) [(ground :x/num) ?n] [?a ?n ?b]]";

const RULE_NAMES: [&str; 22] = [
    "path", "back", "both", "odd", "even", "kin", "rise", "mark", "near", "lone", "self", "steps", "given",
    "path", "both", "back", "far", "high", "ring", "far", "named", "holds",
];

struct Writer<'c> {
    chance: &'c mut Chance,
    args: Vec<Edn>,
    names: Vec<String>,
    /// Variables that some clause so far binds.
    bound: Vec<String>,
    depth: usize,
    local: usize,
}

pub(crate) fn question(chance: &mut Chance) -> Question {
    let rules = RULES.replace("REF", chance.pick(&[":x/next", ":x/refs"]));
    let mut writer =
        Writer { chance, args: Vec::new(), names: Vec::new(), bound: Vec::new(), depth: 0, local: 0 };
    let mut clauses: Vec<String> = Vec::new();
    for _ in 0..writer.chance.below(3) {
        writer.input();
    }
    for _ in 0..1 + writer.chance.below(3) {
        clauses.push(writer.pattern());
    }
    for _ in 0..writer.chance.below(4) {
        clauses.push(writer.clause());
    }
    if writer.chance.one_in(12) {
        clauses.extend(writer.cycle());
    }
    // The clauses stand in any order; the text is not the plan.
    for at in (1..clauses.len()).rev() {
        let other = writer.chance.below(at + 1);
        clauses.swap(at, other);
    }
    let clauses = clauses.join(" ");
    let vars = variables(&clauses, &writer.names);
    let find = writer.find(&vars);
    let page = writer.page();
    let names = writer.names.join(" ");
    let text = format!("[:find {find} :in $ % {names} :where {clauses}{page}]");
    Question { text, args: writer.args, rules: format!("[{rules}]") }
}

/// The variables of the outermost clauses, roughly: those that are not local to a negation.
fn variables(clauses: &str, names: &[String]) -> Vec<String> {
    let mut vars: Vec<String> = Vec::new();
    let words = clauses.split(|c: char| !(c.is_alphanumeric() || c == '?'));
    let of_inputs = names.iter().flat_map(|name| name.split(|c: char| !(c.is_alphanumeric() || c == '?')));
    for word in words.chain(of_inputs).filter(|word| word.starts_with('?') && !word.starts_with("?z")) {
        if !vars.iter().any(|var| var == word) {
            vars.push(word.to_owned());
        }
    }
    vars
}

impl Writer<'_> {
    /// References that lead back to where they began, some of them backwards, sometimes with one across.
    fn cycle(&mut self) -> Vec<String> {
        let length = 3 + self.chance.below(2);
        let mut pairs: Vec<(usize, usize)> = (0..length).map(|at| (at, (at + 1) % length)).collect();
        if self.chance.one_in(3) {
            pairs.push((0, 2));
        }
        let mut edge = |(one, other)| {
            let (one, other) = (self.binding(format!("?e{one}")), self.binding(format!("?e{other}")));
            let attribute = self.chance.pick(&[":x/next", ":x/refs", ":x/refs"]);
            if self.chance.one_in(3) {
                format!("[{other} {attribute} {one}]")
            } else {
                format!("[{one} {attribute} {other}]")
            }
        };
        pairs.into_iter().map(&mut edge).collect()
    }

    fn entity(&mut self) -> String {
        match self.chance.below(24) {
            0 => format!("{}", user(self.chance.below(ENTITIES as usize) as u64)),
            1 => ":the/first".to_owned(),
            n if n < 12 => self.bound_or_new('e', 4),
            n => self.binding(format!("?e{}", n % 4)),
        }
    }

    fn integer(&mut self) -> String {
        if self.chance.one_in(6) { self.chance.below(5).to_string() } else { self.bound_or_new('l', 3) }
    }

    fn any(&mut self) -> String {
        let name = format!("?k{}", self.chance.below(3));
        self.binding(name)
    }

    fn binding(&mut self, var: String) -> String {
        if self.depth == 0 && !self.bound.contains(&var) {
            self.bound.push(var.clone());
        }
        var
    }

    /// A variable that has a value, if there is one of this sort; under a negation only such.
    fn bound_or_new(&mut self, sort: char, names: usize) -> String {
        let known: Vec<String> =
            self.bound.iter().filter(|var| var[1..].starts_with(sort)).cloned().collect();
        if !known.is_empty() && (self.depth > 0 || self.chance.one_in(2)) {
            return known[self.chance.below(known.len())].clone();
        }
        let name = format!("?{sort}{}", self.chance.below(names));
        self.binding(name)
    }

    /// A variable that has a value, or an integer.
    fn known(&mut self, sort: char) -> String {
        let known: Vec<String> =
            self.bound.iter().filter(|var| var[1..].starts_with(sort)).cloned().collect();
        if known.is_empty() || self.chance.one_in(5) {
            return self.chance.below(5).to_string();
        }
        known[self.chance.below(known.len())].clone()
    }

    fn input(&mut self) {
        let at = self.args.len();
        let entity = |chance: &mut Chance| match chance.below(4) {
            0 => Edn::keyword("the/first"),
            _ => Edn::from(user(chance.below(ENTITIES as usize) as u64)),
        };
        let (name, arg) = match self.chance.below(4) {
            0 => (format!("?e{at}"), entity(self.chance)),
            1 => (
                format!("[?l{at} ...]"),
                (0..3).map(|_| Edn::Int(self.chance.below(6) as i64)).collect::<Vec<_>>().into(),
            ),
            2 => {
                let row =
                    |chance: &mut Chance| Edn::Vector(vec![entity(chance), Edn::Int(chance.below(5) as i64)]);
                (format!("[[?e{at} ?l{at}]]"), (0..3).map(|_| row(self.chance)).collect::<Vec<_>>().into())
            }
            _ => (format!("?l{at}"), Edn::Int(self.chance.below(5) as i64)),
        };
        let words = name.split(|c: char| !(c.is_alphanumeric() || c == '?'));
        words.filter(|word| word.starts_with('?')).for_each(|word| self.bound.push(word.to_owned()));
        self.names.push(name);
        self.args.push(arg);
    }

    fn pattern(&mut self) -> String {
        let e = if self.chance.one_in(8) { "_".to_owned() } else { self.entity() };
        let kind = self.chance.below(12);
        let (attribute, v) = match kind {
            0..=2 => (self.chance.pick(&[":x/num", ":x/nums"]).to_owned(), self.integer()),
            3..=6 => (self.chance.pick(&[":x/next", ":x/refs"]).to_owned(), self.entity()),
            7 => {
                (":x/tags".to_owned(), self.chance.pick(&[":a", ":b", ":n/c", "?k0", "?k1", "_"]).to_owned())
            }
            8 => (":x/text".to_owned(), self.chance.pick(&["\"t1\"", "\"t2'\"", "?k0", "_"]).to_owned()),
            9 => (":x/real".to_owned(), self.chance.pick(&["0.5", "1", "?k0", "?k1"]).to_owned()),
            10 => (
                self.chance.pick(&[":x/flag", ":x/pair"]).to_owned(),
                self.chance.pick(&["?k0", "?k1", "_"]).to_owned(),
            ),
            _ => (self.chance.pick(&["_", "?a0"]).to_owned(), self.any()),
        };
        match self.chance.below(10) {
            0 => format!("[{e} {attribute}]"),
            1 => format!("[{e} {attribute} {v} ?k1]"),
            2 => format!("[{e} {attribute} {v} ?e0]"),
            3 => format!("[{e} {attribute} {v} _ true]"),
            4 => format!("[{e} {attribute} {v} ?k1 ?k0]"),
            _ => format!("[{e} {attribute} {v}]"),
        }
    }

    fn clause(&mut self) -> String {
        match self.chance.below(if self.depth < 2 { 17 } else { 9 }) {
            0 | 1 => self.pattern(),
            2 => {
                let compare = self.chance.pick(&["<", "<=", ">", ">=", "=", "!="]);
                format!("[({compare} {} {})]", self.known('l'), self.known('l'))
            }
            3 => {
                let (x, y) = (self.known('e'), self.known('k'));
                format!("[({} {x} {y})]", self.chance.pick(&["=", "!="]))
            }
            4 => {
                let name = self.chance.pick(&["+", "+'", "bit-xor", "bit-and", "max", "min", "quot", "mod"]);
                format!("[({name} {} 1) {}]", self.known('l'), self.integer_var())
            }
            5 => match self.chance.below(6) {
                0 => format!("[(ground [1 2 3]) [{} ...]]", self.integer_var()),
                1 => format!("[(get-else $ {} :x/num 0) {}]", self.known('e'), self.integer_var()),
                2 => format!("[(missing? $ {} :x/num)]", self.known('e')),
                3 => {
                    let name = format!("?e{}", self.chance.below(4));
                    format!("[(ground [:the/first 7]) [{} ...]]", self.binding(name))
                }
                4 => "[(ground [:x/num :x/tags :no/such]) [?a0 ...]]".to_owned(),
                _ => format!("[(tuple {} {}) {}]", self.known('e'), self.known('l'), self.any()),
            },
            6..=8 => {
                let name = self.chance.pick(&RULE_NAMES);
                let (a, b) = (self.entity(), self.rule_argument(name));
                format!("({name} {a} {b})")
            }
            9 | 10 => self.nested("not", 1),
            11 => {
                self.local += 1;
                let local = format!("?z{}", self.local);
                let e = self.known_entity();
                format!("(not-join [{e}] [{e} :x/refs {local}] {})", self.rename(&local, &e))
            }
            12 | 13 => {
                let (x, y) =
                    (self.chance.pick(&[":x/num", ":x/nums"]), self.chance.pick(&[":x/num", ":x/nums"]));
                let (e, l) = (self.known_entity(), self.integer_var());
                format!("(or [{e} {x} {l}] [{e} {y} {l}])")
            }
            14 => {
                let e = self.known_entity();
                let (one, other) = (self.clause_of(&e), self.clause_of(&e));
                format!("(or-join [{e}] {one} (and {other} [{e} _ _]))")
            }
            15 => {
                let (e, l) = (self.known_entity(), self.integer_var());
                let spec = self.chance.pick(&["(min ?n) .", "(count ?n) .", "[?n ...]"]);
                let binding = if spec.starts_with('[') { format!("[{l} ...]") } else { l };
                format!("[(q [:find {spec} :in $ ?e :where [?e :x/nums ?n]] $ {e}) {binding}]")
            }
            _ => {
                let (e, l) = (self.known_entity(), self.integer_var());
                format!(
                    "(or-join [{e} {l}] (and [{e} :x/refs ?z9] [?z9 :x/num {l}]) (and [_ :x/nums {l}] [{e} :x/num {l}]))"
                )
            }
        }
    }

    /// A second argument of the sort that the rule has there.
    fn rule_argument(&mut self, rule: &str) -> String {
        match (self.chance.below(6), rule) {
            (0, _) => "_".to_owned(),
            (1, _) | (_, "mark" | "holds") => self.any(),
            (_, "steps" | "lone" | "far" | "high" | "ring") => self.integer(),
            _ => self.entity(),
        }
    }

    fn integer_var(&mut self) -> String {
        let name = format!("?l{}", self.chance.below(3));
        self.binding(name)
    }

    fn known_entity(&mut self) -> String {
        let known = self.known('e');
        if known.starts_with('?') { known } else { self.binding("?e0".to_owned()) }
    }

    fn rename(&mut self, local: &str, e: &str) -> String {
        match self.chance.below(3) {
            0 => format!("[{local} :x/num]"),
            1 => format!("(path {local} {e})"),
            _ => format!("(not [{local} :x/tags :a])"),
        }
    }

    fn clause_of(&mut self, e: &str) -> String {
        match self.chance.below(4) {
            0 => format!("[{e} :x/tags :a]"),
            1 => format!("(path {e} ?z8)"),
            2 => format!("[?z7 :x/refs {e}]"),
            _ => format!("[{e} :x/num 2]"),
        }
    }

    fn nested(&mut self, head: &str, most: usize) -> String {
        self.depth += 1;
        let clauses: Vec<String> = (0..1 + self.chance.below(most + 1)).map(|_| self.clause()).collect();
        self.depth -= 1;
        format!("({head} {})", clauses.join(" "))
    }

    /// The elements of `:find`, with what `:with`, `:having` and `:order-by` make of them.
    fn find(&mut self, vars: &[String]) -> String {
        let Some(first) = vars.first() else { return "(count ?e0)".to_owned() };
        let some: Vec<&str> = vars.iter().take(1 + self.chance.below(3)).map(String::as_str).collect();
        let last = vars.last().unwrap_or(first);
        let mut elements: Vec<String> = match self.chance.below(10) {
            0 => vec![format!("(count {first})")],
            1 | 2 if vars.len() > 1 => {
                vec![vars[1].clone(), format!("(count-distinct {first})"), format!("(min {first})")]
            }
            3 => vec![format!("(- (count {last}) (* 2 (count-distinct {first})))")],
            4 => vec![last.clone(), format!("(max (count {first}) 3)")],
            5 => vec![format!("(tuple {last} (min {first}))"), format!("(compare {first} 1)")],
            6 => vec![format!("(= {first} {last})"), (*last).clone()],
            _ => some.iter().map(|var| (*var).to_owned()).collect(),
        };
        elements.dedup();
        let with = match vars.get(2) {
            Some(var) if self.chance.one_in(3) => format!(" :with {var}"),
            _ => String::new(),
        };
        let having = match self.chance.below(8) {
            0 => format!(" :having (> (count {last}) 1)"),
            1 if vars.contains(&elements[0]) => {
                format!(" :having [(!= {} 2) (< 0 (count {first}))]", elements[0])
            }
            _ => String::new(),
        };
        let order = self.order(&elements);
        let shape = match self.chance.below(8) {
            0 => format!("{} .", elements[0]),
            1 => format!("[{} ...]", elements[0]),
            2 => format!("[{}]", elements.join(" ")),
            _ => elements.join(" "),
        };
        format!("{shape}{with}{having}{order}")
    }

    fn order(&mut self, elements: &[String]) -> String {
        if !self.chance.one_in(3) {
            return String::new();
        }
        // The first element is in every shape.
        let last = if self.chance.one_in(2) { elements.last() } else { None };
        let keys: Vec<String> = last
            .into_iter()
            .chain(elements.first())
            .map(|key| match self.chance.below(3) {
                0 => format!("(desc {key})"),
                1 => format!("[{key} :desc]"),
                _ => key.clone(),
            })
            .collect();
        format!(" :order-by {}", keys.join(" "))
    }

    fn page(&mut self) -> String {
        if !self.chance.one_in(3) {
            return String::new();
        }
        let offset =
            if self.chance.one_in(2) { format!(" :offset {}", self.chance.below(3)) } else { String::new() };
        if self.chance.one_in(3) {
            self.names.push("?limit".to_owned());
            self.args.push(Edn::Int(self.chance.below(6) as i64));
            return format!(" :limit ?limit{offset}");
        }
        format!(" :limit {}{offset}", self.chance.below(6))
    }
}
