//! A history on both sides: the database and the model must say the same at every step.
//!
//! The two number new entities differently, so facts are compared by way of a pairing that grows with the history: what a
//! tempid became on one side is what it became on the other, and nothing is paired twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use annals::{
    Clock, Connection, Datom, Db, Edn, EntityId, Error, Limits, Options, Order, Store, TxReport, Value,
};

use crate::generate::{NOBODY, Step};
use crate::judge::{self, Done};
use crate::read::Reasons;
use crate::requests::{Keys, MARKS, Moments, Sent};
use crate::tempids::Lies;
use crate::world::{FIRST, Fact, Id, Val, World};
use crate::{extras, requests};

/// How long work in the background may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An id is a partition, then a counter of so many bits. Partition 0 is that of the schema, 3 of transactions.
const COUNTER_BITS: u32 = 42;
/// Where entities lie if nobody says otherwise.
const USER: u64 = 4;

/// A clock that stands where it is put.
#[derive(Default)]
pub(crate) struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// How histories are run on the database.
pub(crate) enum Subject {
    /// Speculatively, each transaction on the value the last one gave.
    With(Db),
    /// Durably.
    Transact(Connection, Arc<Hand>),
}

impl Subject {
    fn apply(&mut self, sent: &Sent, key: Option<&str>, now: i64) -> Result<TxReport, Error> {
        match self {
            Subject::With(db) => {
                let report = db.with_at(sent.forms.clone(), now)?;
                *db = report.db_after.clone();
                Ok(report)
            }
            Subject::Transact(conn, hand) => {
                hand.0.store(now, Ordering::SeqCst);
                conn.transact(sent.with_key(key))
            }
        }
    }

    fn db(&self) -> Db {
        match self {
            Subject::With(db) => db.clone(),
            Subject::Transact(conn, _) => conn.db(),
        }
    }
}

/// Databases in memory for histories to run on.
pub(crate) struct Ground {
    store: Store,
    hand: Arc<Hand>,
    empty: Db,
    born: World,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        let hand = Arc::new(Hand::default());
        // What is refused for its time depends on the machine.
        let limits = Limits { time: PATIENCE, ..Limits::default() };
        let code = extras::code().within(PATIENCE).scripts_within(limits);
        let options = Options { clock: Arc::<Hand>::clone(&hand), code, ..Options::default() };
        let store = annals::connect_with("mem:", options).expect("a storage in memory");
        let empty = store.database("empty").expect("a database").db();
        let facts = empty.datoms(Order::Eavt, &[], None).expect("facts");
        let numbers = Pairs::default();
        let born =
            World::born(facts.iter().filter(|datom| datom.e.0 < FIRST as u64).map(|d| numbers.fact(d)));
        Ground { store, hand, empty, born }
    }

    /// What histories start from.
    pub(crate) fn born(&self) -> &World {
        &self.born
    }

    pub(crate) fn with(&self) -> Subject {
        Subject::With(self.empty.clone())
    }

    /// A database of its own, in place of an older one.
    pub(crate) fn transact(&self) -> Subject {
        self.hand.0.store(0, Ordering::SeqCst);
        self.store.drop_database("main").expect("a database less");
        Subject::Transact(self.store.database("main").expect("a database"), Arc::clone(&self.hand))
    }
}

/// What became of the transactions of some histories.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    /// Transactions by what they did, see [`Tally::accepts`].
    pub(crate) did: BTreeMap<&'static str, usize>,
    /// Refusals for one reason, by reason.
    pub(crate) refused: BTreeMap<String, usize>,
}

impl Tally {
    fn accepts(&mut self, before: &World, step: &Step, done: &Done) {
        self.accepted += 1;
        let became: Vec<Id> =
            done.tempids.iter().filter(|(name, _)| *name != "datomic.tx").map(|(_, e)| *e).collect();
        let attr = |a: &Id| before.attr(*a);
        let moved = |(e, a, v): &Fact| {
            attr(a).is_some_and(|attr| attr.unique)
                && done.removed.iter().any(|(other, b, w)| (e, a, v) != (other, b, w) && (a, v) == (b, w))
        };
        let changed = || done.added.iter().chain(&done.removed);
        let did = [
            ("found an entity by a tempid", became.iter().any(|e| before.ids.contains(e))),
            ("two tempids were one", became.iter().collect::<BTreeSet<_>>().len() < became.len()),
            ("a unique value moved", done.added.iter().any(moved)),
            ("a composite changed", changed().any(|fact| before.members.contains_key(&fact.1))),
            ("an attribute was altered", changed().any(|fact| attr(&fact.0).is_some())),
            (
                "a name was given to another",
                before.names.iter().any(|(name, e)| done.world.names.get(name).is_some_and(|new| new != e)),
            ),
            ("all was said already", !step.forms.is_empty() && done.added.len() + done.removed.len() == 1),
            ("three facts or more were retracted", done.removed.len() > 2),
            (
                "a command was carried out",
                done.added.iter().any(|fact| fact.1 == before.own("db.tx/command")),
            ),
            ("an entity lies where it was wished", !done.places.is_empty()),
        ];
        did.into_iter().filter(|(_, did)| *did).for_each(|(what, _)| self.note(what));
    }

    fn note(&mut self, what: &'static str) {
        *self.did.entry(what).or_default() += 1;
    }

    /// Takes over what another run counted.
    pub(crate) fn add(&mut self, other: Tally) {
        self.accepted += other.accepted;
        other.did.into_iter().for_each(|(what, n)| *self.did.entry(what).or_default() += n);
        other.refused.into_iter().for_each(|(why, n)| *self.refused.entry(why).or_default() += n);
    }
}

/// The two sides of a history.
struct Course<'t> {
    subject: Subject,
    world: World,
    pairs: Pairs,
    keys: Keys,
    moments: Moments,
    tally: &'t mut Tally,
}

/// Runs a history; each step may depend on what holds before it. Says where the two sides part.
pub(crate) fn run(
    ground: &Ground,
    subject: Subject,
    next: &mut dyn FnMut(&World, usize) -> Option<Step>,
    tally: &mut Tally,
) -> Result<(), String> {
    let (world, pairs, keys) = (ground.born().clone(), Pairs::default(), Keys::default());
    let mut course = Course { subject, world, pairs, keys, moments: Moments::new(), tally };
    let mut at = 0;
    while let Some(step) = next(&course.world, at) {
        let said = course.step(&step, at);
        said.map_err(|why| {
            let (forms, expect) = (course.written(&step.forms, false), course.written(&step.expect, false));
            let shown = |forms| Edn::Vector(forms).to_string();
            format!("transaction {}: {} {:?} {}\n{why}", at + 1, shown(forms), step.key, shown(expect))
        })?;
        course.moments.push((course.subject.db().basis_t(), course.world.clone()));
        at += 1;
    }
    let db = course.subject.db();
    if let Some((t, world)) = course.moments.get(course.moments.len() / 2) {
        course.pairs.same_facts(&db.as_of(*t), world).map_err(|why| format!("as of {t}: {why}"))?;
    }
    course.pairs.same_facts(&db, &course.world)?;
    course.pairs.same_schema(&db, &course.world)
}

impl Course<'_> {
    /// Durable databases make the tuples of older entities by themselves; here both sides do it before they go on.
    fn fill(&mut self, now: i64) -> Result<(), String> {
        if let (Subject::Transact(conn, _), Some(filled)) = (&self.subject, judge::filled(&self.world, now)) {
            let t = conn.db().basis_t();
            conn.sync_schema(t, PATIENCE).map_err(|error| error.to_string())?;
            self.world = filled;
        }
        Ok(())
    }

    /// Gives a step to both sides. Keys and expectations go with durable requests only.
    fn step(&mut self, step: &Step, at: usize) -> Result<(), String> {
        let is_durable = matches!(self.subject, Subject::Transact(..));
        let key = step.key.as_deref().filter(|_| is_durable);
        let sent = Sent {
            forms: self.written(&step.forms, false),
            expect: if is_durable { self.written(&step.expect, false) } else { Vec::new() },
        };
        if let Some(key) = key
            && let Some(first) = self.keys.sent(key).cloned()
        {
            return self.again(key, if step.again { first } else { sent }, step.now);
        }
        let expected = if is_durable { self.written(&step.expect, true) } else { Vec::new() };
        let unmet = requests::judge(&self.moments, &expected);
        let ours = if unmet.is_empty() {
            judge::transact(&self.world, &self.written(&step.forms, true), at, step.now)
        } else {
            Err(unmet)
        };
        let theirs = self.subject.apply(&sent, key, step.now);
        if let Some(key) = key {
            self.keys.keep(key, sent, theirs.clone());
        }
        match (ours, theirs) {
            (Ok(done), Ok(report)) => {
                self.pairs.report(&done, &report)?;
                self.tally.accepts(&self.world, step, &done);
                if is_durable && !step.expect.is_empty() {
                    self.tally.note("an expectation was met");
                }
                self.world = done.world;
                self.fill(step.now)
            }
            (Err(reasons), Err(error)) => {
                self.refused(&reasons, &error)?;
                if key.is_some() {
                    self.pairs.pair(judge::tx_of(at), EntityId::of_t(self.subject.db().basis_t()))?;
                    self.world = judge::recorded(&self.world, at, step.now);
                }
                Ok(())
            }
            (Ok(_), Err(error)) => Err(format!("refused, and should be accepted: {error}")),
            (Err(reasons), Ok(report)) => {
                Err(format!("accepted, the model says {reasons:?}\n{:?}", report.datoms))
            }
        }
    }

    /// Sends something with a key that was used.
    fn again(&mut self, key: &str, sent: Sent, now: i64) -> Result<(), String> {
        let before = self.subject.db().basis_t();
        let answer = self.subject.apply(&sent, Some(key), now);
        self.keys.again(key, &sent, &answer)?;
        self.tally.note(if self.keys.sent(key) == Some(&sent) {
            "was told again"
        } else {
            "a key was taken"
        });
        let after = self.subject.db().basis_t();
        if before == after { Ok(()) } else { Err(format!("what is known is written again, as {after}")) }
    }

    /// Both sides refuse: for the same reasons, as far as the database tells them, and it says what to do.
    fn refused(&mut self, reasons: &Reasons, error: &Error) -> Result<(), String> {
        if let (Some(only), 1) = (reasons.first(), reasons.len()) {
            *self.tally.refused.entry(only.clone()).or_default() += 1;
        }
        // The model tells all that is wrong, the database at least one of it.
        let told = told(error);
        if told.is_empty() || !told.is_subset(reasons) {
            return Err(format!("refused for {told:?}, the model says {reasons:?}\n{error}"));
        }
        let hintless = || format!("{:?} says not what to do: {error}", error.keyword());
        error.hint().map(drop).ok_or_else(hintless)
    }

    /// Forms as one side writes them.
    fn written(&self, forms: &[Edn], ours: bool) -> Vec<Edn> {
        let moment = |ago: i64| {
            let last = self.moments.len().saturating_sub(1);
            let at = last.saturating_sub(usize::try_from(ago).unwrap_or_default());
            if ours { at as i64 } else { self.moments.get(at).map_or(0, |(t, _)| *t as i64) }
        };
        let entity = |id: i64| self.pairs.number(id, ours);
        let number = |tag: &str, n: i64| if tag == "ago" { moment(n) } else { entity(n) };
        forms.iter().map(|form| numbered(form, &number)).collect()
    }
}

/// The keywords of a refusal.
fn told(error: &Error) -> Reasons {
    let name = |edn: Option<&Edn>| match edn {
        Some(Edn::Keyword(name)) => Some(name.as_str().trim_start_matches("db.error/").to_owned()),
        _ => None,
    };
    let whole =
        |keyword: String, data: &BTreeMap<Edn, Edn>| match name(data.get(&Edn::keyword("db.error/reason"))) {
            Some(reason) => format!("{keyword}/{reason}"),
            None => keyword,
        };
    let keyword = error.keyword().trim_start_matches("db.error/").to_owned();
    let mut told = Reasons::from([whole(keyword, error.data())]);
    let problems = error.data().get(&Edn::keyword("db.error/problems")).and_then(Edn::as_seq);
    for problem in problems.unwrap_or_default() {
        if let Edn::Map(data) = problem {
            told.extend(name(data.get(&Edn::keyword("db/error"))).map(|keyword| whole(keyword, data)));
        }
    }
    told
}

/// Which entity of the model is which of the database. Those of every new database have the same numbers.
#[derive(Default)]
struct Pairs {
    theirs: BTreeMap<Id, EntityId>,
    ours: BTreeMap<EntityId, Id>,
}

impl Pairs {
    fn pair(&mut self, id: Id, e: EntityId) -> Result<(), String> {
        let (theirs, ours) = (self.theirs.insert(id, e), self.ours.insert(e, id));
        if theirs.is_none_or(|old| old == e) && ours.is_none_or(|old| old == id) {
            return Ok(());
        }
        Err(format!("entity {e} is {id}, but {e} was {ours:?} and {id} was {theirs:?}"))
    }

    /// What one side calls an entity.
    fn number(&self, id: Id, ours: bool) -> i64 {
        match self.theirs.get(&id) {
            Some(_) if ours => id,
            Some(e) => e.0 as i64,
            None => NOBODY,
        }
    }

    /// An entity of the database; a negative number if it is new to the pairing.
    fn id(&self, e: EntityId) -> Id {
        let own = (e.0 < FIRST as u64).then_some(e.0 as Id);
        own.or_else(|| self.ours.get(&e).copied()).unwrap_or(-(e.0 as Id))
    }

    fn fact(&self, datom: &Datom) -> Fact {
        (self.id(datom.e), self.id(datom.a.entity()), self.value(&datom.v))
    }

    fn value(&self, v: &Value) -> Val {
        match v {
            Value::Ref(e) => Val::Ref(self.id(*e)),
            Value::Tuple(slots) => {
                Val::Tuple(slots.iter().map(|slot| slot.as_ref().map(|v| self.value(v))).collect())
            }
            v => Val::Is(Edn::from(v.clone())),
        }
    }

    /// A transaction did the same on both sides.
    fn report(&mut self, done: &Done, report: &TxReport) -> Result<(), String> {
        if report.instant != done.world.instant {
            return Err(format!("the instant is {}, the model says {}", report.instant, done.world.instant));
        }
        if !report.tempids.keys().eq(done.tempids.keys()) {
            return Err(format!("tempids {:?}, the model says {:?}", report.tempids, done.tempids));
        }
        for (name, e) in &report.tempids {
            self.pair(done.tempids[name], *e).map_err(|why| format!("tempid {name:?}: {why}"))?;
        }
        let said: Vec<&Datom> = report.datoms.iter().filter(|datom| !is_mark(&done.world, datom)).collect();
        let of = |added: bool| said.iter().filter(move |datom| datom.added == added);
        let theirs =
            [true, false].map(|added| of(added).map(|datom| self.fact(datom)).collect::<BTreeSet<_>>());
        if theirs[0].len() + theirs[1].len() != said.len() {
            return Err(format!("a datom stands twice in {:?}", report.datoms));
        }
        let ours = [&done.added, &done.removed];
        let nameless = self.nameless(&theirs, ours);
        let matched = nameless
            .iter()
            .find(|pairing| theirs.iter().zip(ours).all(|(theirs, ours)| renamed(theirs, pairing) == *ours));
        let Some(pairing) = matched else {
            return Err(format!("datoms {theirs:?}\nthe model says {ours:?}"));
        };
        pairing.iter().try_for_each(|(unknown, id)| self.pair(*id, EntityId(unknown.unsigned_abs())))?;
        done.places.iter().try_for_each(|(e, place)| self.lies(*e, *place))
    }

    /// A new entity lies where it was wished. Among schema and transactions nothing is put.
    fn lies(&self, e: Id, place: Lies) -> Result<(), String> {
        let of = |e: Id| self.theirs.get(&e).map_or(e as u64, |e| e.0);
        let wanted = match place {
            Lies::In(partition) => of(partition),
            Lies::With(other) => match of(other) >> COUNTER_BITS {
                0 | 3 => USER,
                partition => partition,
            },
        };
        let found = of(e) >> COUNTER_BITS;
        if found == wanted { Ok(()) } else { Err(format!("{e} lies in {found}, not in {wanted}")) }
    }

    /// Every way to pair the new entities that no tempid names: each with one about which the same is said.
    fn nameless(&self, theirs: &[BTreeSet<Fact>; 2], ours: [&BTreeSet<Fact>; 2]) -> Vec<BTreeMap<Id, Id>> {
        let is_new = |id: &Id| *id >= FIRST && !self.theirs.contains_key(id);
        let unknown = looks(&theirs[0], &|id| *id < 0);
        let new = looks(ours[0], &is_new);
        let mut pairings = vec![BTreeMap::new()];
        for (unknown, look) in &unknown {
            let alike = |pairing: &BTreeMap<Id, Id>| -> Vec<Id> {
                let alike = new.iter().filter(|(_, other)| *other == *look).map(|(id, _)| *id);
                alike.filter(|id| pairing.values().all(|used| used != id)).collect()
            };
            let longer = |pairing: &BTreeMap<Id, Id>| {
                let with = |id| pairing.iter().map(|(x, y)| (*x, *y)).chain([(*unknown, id)]).collect();
                alike(pairing).into_iter().map(with).collect::<Vec<BTreeMap<Id, Id>>>()
            };
            pairings = pairings.iter().flat_map(longer).collect();
        }
        pairings
    }

    /// The same facts hold on both sides.
    fn same_facts(&self, db: &Db, world: &World) -> Result<(), String> {
        let datoms = db.datoms(Order::Eavt, &[], None).map_err(|error| error.to_string())?;
        // Transaction 0 is as old as the database; others that the model knows nothing of made tuples.
        let theirs: BTreeSet<Fact> = datoms
            .iter()
            .filter(|datom| datom.e.t().is_none() || self.ours.contains_key(&datom.e))
            .filter(|datom| !is_mark(world, datom))
            .map(|datom| self.fact(datom))
            .collect();
        let ours: BTreeSet<Fact> = world.all().map(|(e, a, v)| (e, a, v.clone())).collect();
        if theirs == ours {
            return Ok(());
        }
        let (more, less): (Vec<_>, Vec<_>) =
            (theirs.difference(&ours).collect(), ours.difference(&theirs).collect());
        Err(format!("the database has also {more:?}, and lacks {less:?}"))
    }

    /// The same names and attributes are known on both sides.
    fn same_schema(&self, db: &Db, world: &World) -> Result<(), String> {
        let theirs: BTreeMap<String, Id> =
            db.idents().into_iter().map(|(name, e)| (name.as_str().to_owned(), self.id(e))).collect();
        if theirs != *world.names {
            return Err(format!("names {theirs:?}, the model says {:?}", world.names));
        }
        for theirs in db.schema().into_iter().filter(|attr| !attr.system) {
            let ours = world.attr(self.id(theirs.id.entity())).ok_or("an attribute more")?;
            let theirs = (theirs.value_type.name(), theirs.many, theirs.unique.is_some(), theirs.component);
            if theirs != (ours.ty.as_str(), ours.many, ours.unique, ours.component) {
                return Err(format!("{theirs:?}, the model says {ours:?}"));
            }
        }
        Ok(())
    }
}

/// True for a fact by which a request is recognised.
fn is_mark(world: &World, datom: &Datom) -> bool {
    MARKS.iter().any(|name| world.own(name) == datom.a.0 as Id)
}

/// What is said about each entity that is new: its facts, with all new entities alike.
fn looks(facts: &BTreeSet<Fact>, is_new: &dyn Fn(&Id) -> bool) -> Vec<(Id, BTreeSet<Fact>)> {
    const ITSELF: Id = Id::MAX;
    const ANOTHER: Id = Id::MIN;
    let new: Vec<Id> = mentioned(facts).into_iter().filter(is_new).collect();
    let look = |id: Id| {
        let own = facts.iter().filter(|fact| mentioned(&BTreeSet::from([(*fact).clone()])).contains(&id));
        let alike = new.iter().map(|other| (*other, if *other == id { ITSELF } else { ANOTHER })).collect();
        (id, renamed(&own.cloned().collect(), &alike))
    };
    new.iter().map(|id| look(*id)).collect()
}

/// Every entity that facts mention.
fn mentioned(facts: &BTreeSet<Fact>) -> BTreeSet<Id> {
    fn of(v: &Val, ids: &mut BTreeSet<Id>) {
        match v {
            Val::Ref(e) => drop(ids.insert(*e)),
            Val::Tuple(slots) => slots.iter().flatten().for_each(|v| of(v, ids)),
            Val::Is(_) => {}
        }
    }
    let mut ids = BTreeSet::new();
    for (e, _, v) in facts {
        ids.insert(*e);
        of(v, &mut ids);
    }
    ids
}

fn renamed(facts: &BTreeSet<Fact>, pairing: &BTreeMap<Id, Id>) -> BTreeSet<Fact> {
    fn id(e: Id, pairing: &BTreeMap<Id, Id>) -> Id {
        pairing.get(&e).copied().unwrap_or(e)
    }
    fn value(v: &Val, pairing: &BTreeMap<Id, Id>) -> Val {
        match v {
            Val::Ref(e) => Val::Ref(id(*e, pairing)),
            Val::Tuple(slots) => {
                Val::Tuple(slots.iter().map(|slot| slot.as_ref().map(|v| value(v, pairing))).collect())
            }
            Val::Is(edn) => Val::Is(edn.clone()),
        }
    }
    facts.iter().map(|(e, a, v)| (id(*e, pairing), id(*a, pairing), value(v, pairing))).collect()
}

/// A form with entities, `#e`, and moments, `#ago`, put in.
fn numbered(form: &Edn, number: &dyn Fn(&str, i64) -> i64) -> Edn {
    let all = |parts: &[Edn]| parts.iter().map(|part| numbered(part, number)).collect();
    match form {
        Edn::Tagged(tag, id) => match **id {
            Edn::Int(id) => Edn::Int(number(tag.as_str(), id)),
            _ => form.clone(),
        },
        Edn::Vector(parts) => Edn::Vector(all(parts)),
        Edn::List(parts) => Edn::List(all(parts)),
        Edn::Set(parts) => Edn::Set(parts.iter().map(|part| numbered(part, number)).collect()),
        Edn::Map(pairs) => {
            Edn::Map(pairs.iter().map(|(key, v)| (key.clone(), numbered(v, number))).collect())
        }
        other => other.clone(),
    }
}
