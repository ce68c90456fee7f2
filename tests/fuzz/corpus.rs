//! What is changed: every query, rule set, pattern and text of the behaviour cases and of the guide, and their parts.

use std::path::Path;

use annals::Edn;
use annals::edn;
use annals_tests::conformance::case::{Case, read_directory};

/// One example, with what it is given.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// A query, a pull pattern, or anything.
    pub(crate) edn: Edn,
    /// The inputs after the database.
    pub(crate) args: Vec<Edn>,
}

/// All examples and all their parts.
pub(crate) struct Corpus {
    /// Whole examples.
    pub(crate) examples: Vec<Example>,
    /// What stands in them, small and large.
    pub(crate) parts: Vec<Edn>,
}

impl Corpus {
    /// Reads the behaviour cases and the guide.
    pub(crate) fn read() -> Corpus {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut examples: Vec<Example> = Vec::new();
        for (_, cases) in read_directory(&root.join("conformance")) {
            cases.iter().for_each(|case| of_case(case, &mut examples));
        }
        let guide = std::fs::read_to_string(root.join("../docs/query.md")).expect("the guide");
        examples.extend(guide.split("```clojure\n").skip(1).filter_map(of_guide));
        assert!(examples.len() > 200, "only {} examples", examples.len());
        // Rules and patterns that are inputs are read by themselves too.
        let inputs: Vec<Edn> = examples.iter().flat_map(|example| example.args.clone()).collect();
        examples.extend(
            inputs
                .into_iter()
                .filter(|edn| matches!(edn, Edn::Vector(_)))
                .map(|edn| Example { edn, args: Vec::new() }),
        );
        let mut parts = Vec::new();
        for example in &examples {
            collect(&example.edn, &mut parts);
            example.args.iter().for_each(|arg| collect(arg, &mut parts));
        }
        Corpus { examples, parts }
    }
}

fn of_case(case: &Case, examples: &mut Vec<Example>) {
    let args = case.get("args").and_then(Edn::as_seq).map(<[Edn]>::to_vec).unwrap_or_default();
    let no_args = |edn: Edn| Example { edn, args: Vec::new() };
    if let Some(query) = case.get("query") {
        examples.push(Example { edn: query.clone(), args });
    }
    if let Some(Edn::String(text)) = case.get("query-text")
        && let Ok(form) = edn::read_one(text)
    {
        examples.push(no_args(form.to_edn()));
    }
    if let Some([pattern, _]) = case.get("pull").and_then(Edn::as_seq) {
        examples.push(no_args(pattern.clone()));
    }
    if let Some(Edn::String(text)) = case.get("edn-text")
        && let Ok(form) = edn::read_one(text)
    {
        examples.push(no_args(form.to_edn()));
    }
}

/// What is typed in a block of the guide, without the commands in front of it.
fn of_guide(after: &str) -> Option<Example> {
    let (block, _) = after.split_once("```")?;
    let typed: String =
        block.lines().filter(|line| !line.starts_with('.')).map(|line| format!("{line}\n")).collect();
    let mut forms = edn::read_all(&typed).ok()?.into_iter().map(|form| form.to_edn());
    Some(Example { edn: forms.next()?, args: forms.collect() })
}

fn collect(edn: &Edn, parts: &mut Vec<Edn>) {
    parts.push(edn.clone());
    match edn {
        Edn::List(edns) | Edn::Vector(edns) => edns.iter().for_each(|edn| collect(edn, parts)),
        Edn::Set(edns) => edns.iter().for_each(|edn| collect(edn, parts)),
        Edn::Map(map) => map.iter().for_each(|(key, value)| {
            collect(key, parts);
            collect(value, parts);
        }),
        Edn::Tagged(_, edn) => collect(edn, parts),
        _ => {}
    }
}
