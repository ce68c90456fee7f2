//! The parameters in a request's address: each at most once, but for those that may be repeated, and none unknown.

use crate::problem::Problem;

/// Names and values, in the order of the address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// Parameters that every call understands.
pub(crate) const COMMON: &[&str] = &["types"];

/// Parameters that may be given several times.
pub(crate) const REPEATED: &[&str] = &["attr", "entity"];

impl Params {
    /// The parameters, of which only these are known.
    pub(crate) fn new(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Params, Problem> {
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) && !COMMON.contains(&name.as_str()) {
                let all: Vec<_> = known.iter().chain(COMMON).copied().collect();
                return Err(Problem::incorrect(
                    "db.error/unknown-parameter",
                    format!("no parameter is called {name:?}"),
                )
                .hint(format!("known here are {}", all.join(", "))));
            }
            let again = pairs[..at].iter().any(|(earlier, _)| earlier == name);
            if again && !REPEATED.contains(&name.as_str()) {
                return Err(Problem::incorrect("db.error/bad-parameter", format!("{name} is given twice")));
            }
        }
        Ok(Params(pairs))
    }

    /// A parameter's text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All texts of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    pub(crate) fn count(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        self.get(name).map(|text| whole_number(name, text)).transpose()
    }

    /// True for `true` and for the bare name.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(other) => Err(bad(name, other, "true or false")),
        }
    }

    /// The same parameters with some set anew, as they stand after `?` in an address.
    pub(crate) fn with(&self, set: &[(&str, String)]) -> String {
        let kept = self.0.iter().filter(|(name, _)| set.iter().all(|(other, _)| other != name));
        let all = kept
            .map(|(name, value)| (name.as_str(), value))
            .chain(set.iter().map(|(name, value)| (*name, value)));
        let pairs: Vec<String> =
            all.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        pairs.join("&")
    }

    /// Names and values in one order, whatever the address had.
    pub(crate) fn sorted(&self) -> Vec<&(String, String)> {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort();
        pairs
    }
}

/// A whole number from 0, of a parameter or header.
pub(crate) fn whole_number(name: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| bad(name, text, "a whole number"))
}

pub(crate) fn bad(name: &str, text: &str, want: &str) -> Problem {
    Problem::incorrect("db.error/bad-parameter", format!("{name} is {text:?}, not {want}"))
}

pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Result<Params, Problem> {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Params::new(pairs, &["as-of", "limit", "history"])
    }

    #[test]
    fn unknown_and_double_parameters_are_refused() {
        assert_eq!(params(&[("asof", "1")]).unwrap_err().keyword(), "db.error/unknown-parameter");
        assert_eq!(
            params(&[("limit", "1"), ("limit", "2")]).unwrap_err().keyword(),
            "db.error/bad-parameter"
        );
        assert!(params(&[("types", "tagged"), ("limit", "1")]).is_ok());
    }

    #[test]
    fn a_next_page_keeps_what_it_does_not_set() {
        let params = params(&[("as-of", "2024-01-01T00:00:00+02:00"), ("limit", "5")]).unwrap();
        let next = params.with(&[("limit", "9".into())]);
        assert_eq!(next, "as-of=2024-01-01T00%3A00%3A00%2B02%3A00&limit=9");
    }

    #[test]
    fn flags_and_numbers() {
        let params = params(&[("history", ""), ("limit", "-1")]).unwrap();
        assert!(params.flag("history").unwrap());
        assert!(params.count("limit").is_err());
    }
}
