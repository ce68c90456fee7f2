//! Tidiness as a test: heads, rooms, documents.
//!
//! Every source file opens with a head comment; every room names only the rooms below it; the core has no clock, no
//! thread but the transactor's, no `async`; every file, folder and type that a document names exists; nothing names a
//! place outside the tree.

mod catalogue;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOMS: [&str; 7] = ["storage", "query", "src", "server", "repl", "tests", "bench"];
const DOCUMENTS: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_path_buf()];
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Each Rust file, by its path from the root, with its text.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let rust = ROOMS.iter().flat_map(|room| files(&root.join(room), "rs"));
    rust.map(|path| (relative(&path), read(&path))).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("inside the tree").to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The code of a file: without comments and without the tests at its end.
fn code(text: &str) -> String {
    let is_tests = |(at, _): &(usize, &str)| {
        let below = text[*at..].lines().nth(1).unwrap_or_default();
        below.contains("mod ") && below.ends_with('{')
    };
    let end = text.match_indices("#[cfg(test)]").find(is_tests).map_or(text.len(), |(at, _)| at);
    let code = &text[..end];
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    none(sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect());
}

#[test]
fn rooms_name_only_the_rooms_below() {
    let forbidden: [(&str, &[&str]); 6] = [
        (
            "storage/src/datom/",
            &["crate::log", "crate::novelty", "crate::snapshot", "crate::backend", "crate::frame"],
        ),
        ("storage/src/", &["annals_query", "annals::", "annals_server"]),
        (
            "query/src/",
            &[
                "annals::",
                "annals_server",
                "annals_storage::log",
                "annals_storage::novelty",
                "annals_storage::snapshot",
                "annals_storage::backend",
                "std::fs",
            ],
        ),
        ("src/", &["annals_server", "annals_repl", "tokio", "axum"]),
        ("server/src/", &["annals_storage", "annals_query", "annals_repl"]),
        ("repl/src/", &["annals_storage", "annals_query"]),
    ];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let code = code(&text);
        for (room, names) in forbidden.iter().filter(|(room, _)| path.starts_with(room)) {
            let named = names.iter().filter(|name| names_path(&code, name));
            problems.extend(named.map(|name| format!("{path}: {room} must not name {name}")));
        }
    }
    none(problems);
}

/// True if `name` stands in the code as a path of its own (`annals::`, not `my_annals::`).
fn names_path(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn the_core_waits_for_nothing_and_asks_no_clock() {
    let banned =
        ["SystemTime", "Instant::now", "async fn", ".await", "std::env", "println!", "thread::spawn"];
    let starts_threads = ["src/transactor"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let core = ["storage/src/", "query/src/", "src/"].iter().any(|room| path.starts_with(room));
        // The one clock of the library, and the one variable it reads, are edges of it; others may replace both. So are the
        // lines to servers, with the servers that tests start.
        let lines = ["dynamo", "emulator.rs", "guard.rs", "object/", "postgres/", "remote/"];
        let lines = lines.map(|line| format!("storage/src/backend/{line}"));
        let edges = ["src/time.rs", "src/options.rs"].into_iter().chain(lines.iter().map(String::as_str));
        let edges: Vec<&str> = edges.collect();
        if !core || edges.iter().any(|edge| path.starts_with(edge)) {
            continue;
        }
        let code = code(&text);
        for word in banned {
            let allowed =
                word == "thread::spawn" && starts_threads.iter().any(|start| path.starts_with(start));
            if code.contains(word) && !allowed {
                problems.push(format!("{path}: {word}"));
            }
        }
    }
    none(problems);
}

/// What stands in backticks in the documents, with the document's path.
fn backticked() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    for document in DOCUMENTS.iter().flat_map(|name| files(&root.join(name), "md")) {
        let path = relative(&document);
        let text = read(&document);
        let mut fenced = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                found.extend(line.split('`').skip(1).step_by(2).map(|word| (path.clone(), word.to_owned())));
            }
        }
    }
    found
}

#[test]
fn every_file_a_document_names_exists() {
    let root = root();
    let endings = [".rs", ".md", ".edn", ".toml", ".gz", ".txt", "/"];
    let is_path = |word: &str| {
        endings.iter().any(|ending| word.ends_with(ending))
            && !word.contains([' ', '*', '<', '{', ':', '…', '=', '"'])
            && word.contains('/')
            && !word.starts_with(['/', '.', '#'])
    };
    let named = backticked().into_iter().filter(|(_, word)| is_path(word));
    none(
        named
            .filter(|(_, word)| !root.join(word).exists())
            .map(|(path, word)| format!("{path}: `{word}`"))
            .collect(),
    );
}

#[test]
fn every_type_the_architecture_names_exists() {
    let sources: String = sources().into_iter().map(|(_, text)| text + "\n").collect();
    let mut defined = BTreeSet::new();
    for kind in ["struct ", "enum ", "trait ", "type "] {
        for (at, _) in sources.match_indices(kind) {
            let rest = &sources[at + kind.len()..];
            defined.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        }
    }
    let is_type = |word: &str| {
        let name = word.rsplit("::").next().unwrap_or(word);
        name.starts_with(char::is_uppercase)
            && name.contains(char::is_lowercase)
            && name.chars().all(char::is_alphanumeric)
    };
    let named = backticked().into_iter().filter(|(path, word)| path == "ARCHITECTURE.md" && is_type(word));
    let missing = named.filter(|(_, word)| !defined.contains(word.rsplit("::").next().unwrap_or(word)));
    let ours: Vec<String> = missing
        .map(|(path, word)| format!("{path}: `{word}`"))
        .filter(|line| !line.ends_with("`Cargo`"))
        .collect();
    none(ours);
}

#[test]
fn every_folder_of_the_architecture_and_every_room_is_told() {
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let mut problems = Vec::new();
    for (path, _) in sources() {
        let mut parts = path.split('/');
        let room = parts.next().expect("a room");
        let Some(first) = parts.next() else { continue };
        let Some(second) = parts.next() else { continue };
        if first == "src" && second.ends_with(".rs") {
            continue;
        }
        let folder =
            if first == "src" { format!("{room}/src/{second}/") } else { format!("{room}/{first}/") };
        if path.starts_with(&folder) && !architecture.contains(&folder) && !folder.ends_with("src/") {
            problems.push(format!("ARCHITECTURE.md does not tell of {folder}"));
        }
    }
    problems.dedup();
    none(problems);
}

#[test]
fn nothing_names_a_place_outside_the_tree() {
    // Written in pieces, so that this file does not trip over itself.
    let banned = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["crates", ".io/"],
        ["../sha", "red"],
        ["pypi", ".org"],
        [".libr", "ary"],
    ];
    let root = root();
    let mut problems = Vec::new();
    let texts = ["rs", "md", "toml", "sh"].iter().flat_map(|ending| {
        ROOMS.iter().chain(&["docs"]).flat_map(|room| files(&root.join(room), ending)).collect::<Vec<_>>()
    });
    for path in texts {
        let text = read(&path);
        let named = banned.iter().map(|word| word.concat()).filter(|word| text.contains(word));
        problems.extend(named.map(|word| format!("{}: {word}", relative(&path))));
    }
    none(problems);
}
