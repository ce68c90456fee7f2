//! The catalogue of errors, `docs/errors.md`, is complete and tells the truth.
//!
//! Every `db.error/…` and `cli.error/…` that stands in the code of a room stands once on the page, and no other. Where the
//! code shows the category (beside the keyword, or by the variant of an error), the page says the same. What cannot be seen so,
//! where an error takes its category from somewhere else, is held by the golden errors as far as those go.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, files, none, read, relative, root};

/// The rooms whose errors reach a user.
const SOURCES: [&str; 5] = ["storage/src", "query/src", "src", "server/src", "repl/src"];

/// What the code says of a name.
#[derive(Debug, Default)]
struct Seen {
    categories: BTreeSet<String>,
    /// It stands somewhere without a category beside it.
    is_open: bool,
    places: BTreeSet<String>,
}

/// Each name on the page, by the head of the table it stands in, with its second cell.
fn catalogue() -> (BTreeMap<String, BTreeSet<String>>, Vec<String>, Vec<String>) {
    let (mut keywords, mut others, mut all) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut has_category = false;
    for line in read(&root().join("docs/errors.md")).lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, second, ..] = cells[..] else { continue };
        if !name.starts_with('`') {
            has_category = second == "category" || (has_category && name.starts_with('-'));
            continue;
        }
        let name = name.trim_matches('`').to_owned();
        all.push(name.clone());
        if has_category {
            keywords.insert(name, second.split(", ").map(str::to_owned).collect());
        } else {
            others.push(name);
        }
    }
    (keywords, others, all)
}

/// Every name in the code of the rooms.
fn seen() -> BTreeMap<String, Seen> {
    let mut found = BTreeMap::<String, Seen>::new();
    let sources = SOURCES.iter().flat_map(|folder| files(&root().join(folder), "rs"));
    for path in sources {
        let place = relative(&path);
        let is_proof = ["tests", "proofs.rs"].iter().any(|word| place.contains(word));
        if is_proof {
            continue;
        }
        let code = code(&read(&path));
        for word in ["db.error/", "cli.error/"] {
            for (at, _) in code.match_indices(&format!("\"{word}")) {
                let name = code[at + 1..].split('"').next().expect("a literal ends").to_owned();
                let seen = found.entry(name.clone()).or_default();
                seen.places.insert(place.clone());
                match category_before(&code[..at]).or_else(|| category_of_variant(&code, &name)) {
                    Some(category) => drop(seen.categories.insert(category)),
                    None => seen.is_open = true,
                }
            }
        }
    }
    found
}

/// The category that the expression in front of a keyword states.
fn category_before(code: &str) -> Option<String> {
    let before = code.trim_end();
    if before.ends_with("Error::incorrect(") || before.ends_with("Problem::incorrect(") {
        return Some("incorrect".to_owned());
    }
    let (_, named) = before.strip_suffix(',')?.rsplit_once("Category::")?;
    named.chars().all(char::is_alphanumeric).then(|| kebab(named))
}

/// The category of the variant whose keyword this is, in a file where `category` and `keyword` are matches over variants.
fn category_of_variant(code: &str, name: &str) -> Option<String> {
    let (categories, rest) = code.split_once("pub fn category(")?.1.split_once("pub fn keyword(")?;
    let arm = rest.split("Error::").find(|arm| arm.contains(&format!("=> \"{name}\"")))?;
    let variant = word(arm);
    let (_, after) = categories
        .split("Error::")
        .map(|arm| (word(arm), arm))
        .skip_while(|(arm, _)| *arm != variant)
        .find(|(_, arm)| arm.contains("Category::"))?;
    Some(kebab(word(after.split_once("Category::")?.1)))
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// `NotFound` as `not-found`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[test]
fn every_name_of_an_error_is_in_the_catalogue_and_no_other() {
    let (seen, (.., all)) = (seen(), catalogue());
    let told: BTreeSet<&String> = all.iter().collect();
    let untold = seen.iter().filter(|(name, _)| !told.contains(name));
    let mut problems: Vec<String> =
        untold.map(|(name, seen)| format!("{name} is not told; it stands in {:?}", seen.places)).collect();
    problems
        .extend(all.iter().filter(|name| !seen.contains_key(*name)).map(|name| format!("{name} is dead")));
    let twice = told.iter().filter(|name| all.iter().filter(|other| other == *name).count() > 1);
    problems.extend(twice.map(|name| format!("{name} is told twice")));
    assert!(seen.len() > 150, "only {} names were found", seen.len());
    none(problems);
}

#[test]
fn the_catalogue_is_sorted() {
    let (_, _, all) = catalogue();
    // Four tables: keywords, those of the binary, data, reasons.
    let falls = all.windows(2).filter(|pair| pair[0] >= pair[1]).count();
    assert!(falls <= 3, "a table of docs/errors.md is not sorted");
}

#[test]
fn categories_in_the_catalogue_are_those_of_the_code() {
    let (seen, (keywords, others, _)) = (seen(), catalogue());
    let mut problems = Vec::new();
    for (name, told) in &keywords {
        let Some(seen) = seen.get(name) else { continue };
        let missing = seen.categories.difference(told);
        problems.extend(missing.map(|category| format!("{name} is also {category}")));
        if !seen.is_open {
            let invented = told.difference(&seen.categories);
            problems.extend(invented.map(|category| format!("{name} is never {category}")));
        }
    }
    let facts = others.iter().filter(|name| seen.get(*name).is_some_and(|seen| !seen.categories.is_empty()));
    problems.extend(facts.map(|name| format!("{name} is the keyword of an error")));
    for line in read(&root().join("tests/golden/errors.txt")).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // `library  incorrect :db.error/syntax at …`, `http     400 :incorrect :db.error/syntax at …`
        let is_told = words.first().is_some_and(|way| ["library", "http"].contains(way));
        for pair in words.windows(2).take(3).filter(|_| is_told) {
            let (category, name) = (pair[0].trim_start_matches(':'), pair[1].trim_start_matches(':'));
            if name.starts_with("db.error/") && keywords.get(name).is_none_or(|told| !told.contains(category))
            {
                problems.push(format!("{name} was {category}: {line}"));
            }
        }
    }
    none(problems);
}
