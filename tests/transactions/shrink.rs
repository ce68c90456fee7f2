//! A history cut down to what it takes for the two sides to part.

use annals::Edn;

use crate::generate::Step;

/// Cuts as long as cutting leaves something that still fails.
pub(crate) fn smallest(mut steps: Vec<Step>, fails: &mut dyn FnMut(&[Step]) -> bool) -> Vec<Step> {
    loop {
        let smaller = cuts(&steps).find(|steps| fails(steps));
        match smaller {
            Some(smaller) => steps = smaller,
            None => return steps,
        }
    }
}

/// Every history that is this one less something: an end, the forms of a step, a form, a part of a form.
fn cuts(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> + '_ {
    let shorter = steps.split_last().map(|(_, rest)| rest.to_vec());
    let with = |at: usize, forms: Vec<Edn>| {
        let mut steps = steps.to_vec();
        steps[at].forms = forms;
        steps
    };
    let emptied =
        (0..steps.len()).filter(|at| !steps[*at].forms.is_empty()).map(move |at| with(at, Vec::new()));
    let parts = (0..steps.len()).flat_map(move |at| {
        let forms = Edn::Vector(steps[at].forms.clone());
        less(&forms).into_iter().filter_map(move |forms| Some(with(at, forms.as_seq()?.to_vec())))
    });
    shorter.into_iter().chain(emptied).chain(parts)
}

/// The same without one of its parts, and with one of its parts made less.
fn less(edn: &Edn) -> Vec<Edn> {
    match edn {
        Edn::Vector(parts) => {
            let without = |at: usize| [&parts[..at], &parts[at + 1..]].concat();
            let mut found: Vec<Edn> = (0..parts.len()).map(|at| Edn::Vector(without(at))).collect();
            for (at, part) in parts.iter().enumerate() {
                found.extend(less(part).into_iter().map(|part| {
                    let mut parts = parts.clone();
                    parts[at] = part;
                    Edn::Vector(parts)
                }));
            }
            found
        }
        Edn::Map(pairs) => {
            let mut found = Vec::new();
            for (key, v) in pairs {
                let mut fewer = pairs.clone();
                fewer.remove(key);
                found.push(Edn::Map(fewer));
                found.extend(less(v).into_iter().map(|v| {
                    let mut pairs = pairs.clone();
                    pairs.insert(key.clone(), v);
                    Edn::Map(pairs)
                }));
            }
            found
        }
        Edn::Set(parts) => {
            let without =
                |part: &Edn| Edn::Set(parts.iter().filter(|other| *other != part).cloned().collect());
            parts.iter().map(without).collect()
        }
        _ => Vec::new(),
    }
}
