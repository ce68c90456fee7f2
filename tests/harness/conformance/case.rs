//! Cases as they stand in their files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use annals::{Edn, Keyword};
use annals_query::edn;

/// One case: its map, with the fixture's transactions put before its own.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// 1 for core, 2 for later.
    pub tier: i64,
    /// Schema transactions, in order.
    pub schemas: Vec<Edn>,
    /// Transactions, in order.
    pub txs: Vec<Edn>,
    /// Everything else it says.
    pub map: BTreeMap<Edn, Edn>,
}

impl Case {
    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<&Edn> {
        self.map.get(&Edn::keyword(key))
    }

    /// True if the key is there with a value that is neither nil nor false.
    pub fn is(&self, key: &str) -> bool {
        !matches!(self.get(key), None | Some(Edn::Nil | Edn::Bool(false)))
    }

    /// The keyword that stands under a key, without colon.
    pub fn keyword(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Edn::Keyword(keyword)) => Some(keyword.as_str()),
            _ => None,
        }
    }
}

/// The files of a directory, by name, each with its cases.
///
/// # Panics
/// If a file cannot be read or does not have the form of the README: a case that is not understood must not be skipped.
pub fn read_directory(directory: &Path) -> Vec<(String, Vec<Case>)> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "edn"))
        .collect();
    paths.sort();
    let is_fixtures = |path: &PathBuf| path.file_name().is_some_and(|name| name == "fixtures.edn");
    let fixtures = paths
        .iter()
        .find(|path| is_fixtures(path))
        .map_or_else(BTreeMap::new, |path| map_of(&read_file(path)));
    let cases = |path: &PathBuf| {
        let file = read_file(path);
        let cases = file.as_seq().unwrap_or_else(|| panic!("{}: not a vector of cases", path.display()));
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        (name, cases.iter().map(|case| read_case(map_of(case), &fixtures)).collect())
    };
    paths.iter().filter(|path| !is_fixtures(path)).map(cases).collect()
}

fn read_file(path: &Path) -> Edn {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    edn::read_one(&text).unwrap_or_else(|e| panic!("{}: {e} at {:?}", path.display(), e.span)).to_edn()
}

fn map_of(edn: &Edn) -> BTreeMap<Edn, Edn> {
    match edn {
        Edn::Map(map) => map.clone(),
        other => panic!("a map was expected, not {other}"),
    }
}

fn read_case(map: BTreeMap<Edn, Edn>, fixtures: &BTreeMap<Edn, Edn>) -> Case {
    let under = |map: &BTreeMap<Edn, Edn>, key: &str| map.get(&Edn::keyword(key)).cloned();
    let name = match under(&map, "name") {
        Some(Edn::String(name)) => name.to_string(),
        other => panic!("a case without a name: {other:?}"),
    };
    let fixture = under(&map, "fixture").map(|named| {
        map_of(fixtures.get(&named).unwrap_or_else(|| panic!("{name}: there is no fixture {named}")))
    });
    let (mut schemas, mut txs) = (Vec::new(), Vec::new());
    for part in fixture.iter().chain([&map]) {
        schemas.extend(under(part, "schema"));
        txs.extend(
            under(part, "txs").iter().flat_map(|txs| txs.as_seq().expect("txs are a vector").to_vec()),
        );
    }
    let tier = match under(&map, "tier") {
        Some(Edn::Int(tier)) => tier,
        _ => 1,
    };
    Case { name, tier, schemas, txs, map }
}

/// The tag of a case's tagged value: `tx` for `#case/tx`.
pub fn case_tag(edn: &Edn) -> Option<(&str, &Edn)> {
    match edn {
        Edn::Tagged(tag, value) if tag.namespace() == Some("case") => Some((tag.name(), value)),
        _ => None,
    }
}

/// Text, plain or built by `#case/nest`, `#case/repeat` and `#case/cat`.
pub fn text_of(edn: &Edn) -> String {
    let parts = |value: &Edn| value.as_seq().expect("parts of a text").to_vec();
    let count = |edn: &Edn| match edn {
        Edn::Int(n) => usize::try_from(*n).expect("a count"),
        other => panic!("a count was expected, not {other}"),
    };
    match (edn, case_tag(edn)) {
        (Edn::String(text), _) => text.to_string(),
        (_, Some(("nest", value))) => {
            let parts = parts(value);
            let n = count(&parts[1]);
            text_of(&parts[0]).repeat(n) + &text_of(&parts[2]) + &text_of(&parts[3]).repeat(n)
        }
        (_, Some(("repeat", value))) => text_of(&parts(value)[0]).repeat(count(&parts(value)[1])),
        (_, Some(("cat", value))) => parts(value).iter().map(text_of).collect(),
        _ => edn.to_string(),
    }
}

/// A keyword's text, for messages.
pub fn keyword_text(keyword: &Keyword) -> String {
    keyword.to_string()
}
