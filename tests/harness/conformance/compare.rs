//! Whether an answer is what a case expects.

use annals::Edn;

use super::case::case_tag;

/// True if `actual` is what `expected` says, by the rules of the cases' README.
pub fn same(expected: &Edn, actual: &Edn) -> bool {
    if let Some((tag, value)) = case_tag(expected) {
        return match tag {
            "any" => true,
            "one-of" => parts(value).iter().any(|one| same(one, actual)),
            "bag" => elements(actual).is_some_and(|actual| same_bag(parts(value), &actual)),
            "count" => elements(actual).is_some_and(|actual| number(value) == Some(actual.len() as f64)),
            "range" => elements(actual).is_some_and(|actual| same_bag(&range(value), &actual)),
            other => panic!("#case/{other} cannot stand in an expected value"),
        };
    }
    match (expected, actual) {
        (Edn::Set(expected), _) => {
            let expected: Vec<Edn> = expected.iter().cloned().collect();
            elements(actual).is_some_and(|actual| same_bag(&expected, &actual))
        }
        (Edn::Vector(expected) | Edn::List(expected), Edn::Vector(actual) | Edn::List(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| same(e, a))
        }
        (Edn::Map(expected), Edn::Map(actual)) => {
            expected.len() == actual.len()
                && expected.iter().all(|(key, value)| {
                    actual.iter().any(|(other, found)| same(key, other) && same(value, found))
                })
        }
        _ => match (number(expected), number(actual)) {
            (Some(e), Some(a)) => {
                e == a || (e - a).abs() <= 1e-9 * e.abs().max(a.abs()) || (e.is_nan() && a.is_nan())
            }
            _ => expected == actual,
        },
    }
}

fn parts(edn: &Edn) -> &[Edn] {
    edn.as_seq().expect("a case's list of values")
}

/// The integers of a `#case/range`.
pub fn range(value: &Edn) -> Vec<Edn> {
    match parts(value) {
        [Edn::Int(from), Edn::Int(to)] => (*from..*to).map(Edn::Int).collect(),
        other => panic!("not a range: {other:?}"),
    }
}

fn elements(edn: &Edn) -> Option<Vec<Edn>> {
    match edn {
        Edn::Vector(edns) | Edn::List(edns) => Some(edns.clone()),
        Edn::Set(edns) => Some(edns.iter().cloned().collect()),
        _ => None,
    }
}

fn number(edn: &Edn) -> Option<f64> {
    match edn {
        Edn::Int(n) => Some(*n as f64),
        Edn::Float(x) | Edn::Double(x) => Some(x.0),
        Edn::BigInt(n) => n.to_string().parse().ok(),
        Edn::BigDec(d) => d.0.to_string().parse().ok(),
        _ => None,
    }
}

/// The same elements as often, in any order. Equal elements are paired off first, the few that need rules after.
fn same_bag(expected: &[Edn], actual: &[Edn]) -> bool {
    if expected.len() != actual.len() {
        return false;
    }
    let mut left: Vec<&Edn> = actual.iter().collect();
    left.sort();
    let mut unpaired = Vec::new();
    for one in expected {
        match left.binary_search(&one) {
            Ok(at) => {
                left.remove(at);
            }
            Err(_) => unpaired.push(one),
        }
    }
    unpaired.iter().all(|one| {
        let at = left.iter().position(|other| same(one, other));
        at.map(|at| left.remove(at)).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::same;
    use annals::Edn;

    fn check(expected: &str, actual: &str, want: bool) {
        let read = |text: &str| -> Edn { annals_query::edn::read_one(text).expect("EDN").to_edn() };
        assert_eq!(same(&read(expected), &read(actual)), want, "{expected} against {actual}");
    }

    #[test]
    fn the_rules_of_the_readme() {
        check("#{1 2}", "[2 1]", true);
        check("#{1 2}", "[2 1 1]", false);
        check("[1 2]", "[2 1]", false);
        check("650", "650.0", true);
        check("{:a 1}", "{:a 1 :b 2}", false);
        check("#{{:a #{1 2}}}", "[{:a [2 1]}]", true);
        check("#case/bag [1 1 2]", "[1 2 1]", true);
        check("#case/bag [1 1 2]", "[1 2 2]", false);
        check("#case/count 2", "#{:a :b}", true);
        check("#case/one-of [1 2]", "2", true);
        check("#case/range [0 3]", "[2 0 1]", true);
        check("nil", "[]", false);
        check("0.1", "0.10000000000000001", true);
    }
}
