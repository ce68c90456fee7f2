//! Every state a model can get into, breadth first, and random walks where there are too many.
//!
//! A model is a state, what may happen in it, and what must never be true. States are told apart by all that is in them,
//! not by a hash of it; a violation comes with a shortest way to it. Beside that, [`Explored::stuck`] is a state from
//! which nothing but a fault leads to where everybody has an answer: there is none if the model can always recover.
//! It knows nothing of logs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use annals_tests::Random;

/// Something that has states.
pub(crate) trait Model {
    /// All that is true at a moment.
    type State: Clone + Eq + Hash;
    /// What takes a state to the next.
    type Action: Copy + Display;

    /// Where it begins.
    fn initial(&self) -> Self::State;
    /// What may happen.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;
    /// What is true afterwards.
    fn after(&self, state: &Self::State, action: Self::Action) -> Self::State;
    /// What is true and must not be.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
    /// True if this need not ever happen.
    fn is_fault(&self, action: Self::Action) -> bool;
    /// True if everybody has an answer.
    fn is_settled(&self, state: &Self::State) -> bool;
}

/// What must not be, and how it came to be.
pub(crate) struct Broken<A> {
    pub(crate) what: &'static str,
    pub(crate) trace: Vec<A>,
}

impl<A: Display> Broken<A> {
    /// The trace in words.
    pub(crate) fn told(&self) -> String {
        let steps: Vec<String> = self.trace.iter().map(A::to_string).collect();
        format!("{} after {} steps: {}", self.what, steps.len(), steps.join("; "))
    }
}

/// What was found.
pub(crate) struct Explored<A> {
    /// Different states.
    pub(crate) states: usize,
    /// Ways from one to another.
    pub(crate) steps: usize,
    /// The longest of the shortest ways to a state.
    pub(crate) depth: usize,
    /// The first violation; nothing was looked at after it.
    pub(crate) broken: Option<Broken<A>>,
    /// The way to a state that cannot be left without a fault.
    pub(crate) stuck: Option<Vec<A>>,
}

/// A hash that is quick and good enough: whoever shares one is told apart by what it is.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// What is known of the states so far.
struct Search<M: Model> {
    states: Vec<M::State>,
    /// By hash; of states with the same one the later has the next free number.
    places: HashMap<u64, u32, BuildHasherDefault<Mixer>>,
    /// The state before, and what happened.
    before: Vec<Option<(u32, M::Action)>>,
    depths: Vec<u32>,
    /// Steps that are no faults, from the later state to the earlier.
    back: Vec<(u32, u32)>,
    steps: usize,
}

/// Looks at every state, or at all up to the first violation. Fails if there are more than `most`.
pub(crate) fn explore<M: Model>(model: &M, most: usize) -> Explored<M::Action> {
    let mut search = Search::<M> {
        states: Vec::new(),
        places: HashMap::default(),
        before: Vec::new(),
        depths: Vec::new(),
        back: Vec::new(),
        steps: 0,
    };
    search.place(model.initial(), None);
    let mut at = 0;
    while at < search.states.len() {
        let state = search.states[at].clone();
        if let Some(what) = model.broken(&state) {
            let broken = Broken { what, trace: search.trace(at as u32) };
            return search.explored(Some(broken), None);
        }
        for action in model.actions(&state) {
            let after = model.after(&state, action);
            if after == state {
                continue;
            }
            let place = search.place(after, Some((at as u32, action)));
            search.steps += 1;
            if !model.is_fault(action) {
                search.back.push((place, at as u32));
            }
        }
        assert!(search.states.len() <= most, "more than {most} states");
        at += 1;
    }
    let stuck = search.stuck(model).map(|state| search.trace(state));
    search.explored(None, stuck)
}

impl<M: Model> Search<M> {
    /// The place of a state, a new one if it was never seen.
    fn place(&mut self, state: M::State, before: Option<(u32, M::Action)>) -> u32 {
        let mut hash = BuildHasherDefault::<Mixer>::default().hash_one(&state);
        loop {
            match self.places.entry(hash) {
                Entry::Occupied(place) if self.states[*place.get() as usize] == state => return *place.get(),
                Entry::Occupied(_) => hash = hash.wrapping_add(1),
                Entry::Vacant(free) => {
                    let place = self.states.len() as u32;
                    free.insert(place);
                    self.depths.push(before.map_or(0, |(at, _)| self.depths[at as usize] + 1));
                    self.states.push(state);
                    self.before.push(before);
                    return place;
                }
            }
        }
    }

    fn trace(&self, mut at: u32) -> Vec<M::Action> {
        let mut trace = Vec::new();
        while let Some((before, action)) = self.before[at as usize] {
            trace.push(action);
            at = before;
        }
        trace.reverse();
        trace
    }

    /// A state from which no settled one is reached without a fault: what a flood backwards from those does not wet.
    fn stuck(&self, model: &M) -> Option<u32> {
        let mut wet: Vec<bool> = self.states.iter().map(|state| model.is_settled(state)).collect();
        let mut edge: Vec<u32> = (0..wet.len() as u32).filter(|at| wet[*at as usize]).collect();
        // The earlier states of each, one after the other, and where those of each end.
        let (mut ends, mut earlier) = (vec![0; wet.len() + 1], vec![0; self.back.len()]);
        self.back.iter().for_each(|(to, _)| ends[*to as usize + 1] += 1);
        (1..ends.len()).for_each(|at| ends[at] += ends[at - 1]);
        let firsts = ends.clone();
        for (to, before) in &self.back {
            earlier[ends[*to as usize]] = *before;
            ends[*to as usize] += 1;
        }
        while let Some(at) = edge.pop() {
            for before in &earlier[firsts[at as usize]..ends[at as usize]] {
                if !std::mem::replace(&mut wet[*before as usize], true) {
                    edge.push(*before);
                }
            }
        }
        wet.iter().position(|wet| !wet).map(|at| at as u32)
    }

    fn explored(
        self,
        broken: Option<Broken<M::Action>>,
        stuck: Option<Vec<M::Action>>,
    ) -> Explored<M::Action> {
        let depth = self.depths.last().copied().unwrap_or(0) as usize;
        Explored { states: self.states.len(), steps: self.steps, depth, broken, stuck }
    }
}

/// One way through the states, each step by chance; faults are rarer the higher `calm` is. Gives the violation it met.
pub(crate) fn walk<M: Model>(
    model: &M,
    random: &mut Random,
    steps: usize,
    calm: usize,
) -> Option<Broken<M::Action>> {
    let (mut state, mut trace) = (model.initial(), Vec::new());
    for _ in 0..steps {
        let is_calm = !random.one_in(calm);
        let mut actions = model.actions(&state);
        if is_calm && actions.iter().any(|action| !model.is_fault(*action)) {
            actions.retain(|action| !model.is_fault(*action));
        }
        if actions.is_empty() {
            return None;
        }
        let action = *random.of(&actions);
        state = model.after(&state, action);
        trace.push(action);
        if let Some(what) = model.broken(&state) {
            return Some(Broken { what, trace });
        }
    }
    None
}
