//! The guides, `docs/query.md` and `docs/transactions.md`: every example in them is run, in order, and every answer is what
//! is really answered.
//!
//! A fenced block is what is typed (`clojure`: a query with its inputs, behind commands that set the view; a transaction; or
//! a request, a map with `:tx`), the answer (`edn`) or refusal (`text`) of the block before it, or a part of the file of the
//! guide here (`rust`). The answer of a transaction is what it did, and may be left out where it is accepted. A query
//! without answer, an answer without question and a block of any other kind fail. All is asked through the library and
//! over HTTP. `ANNALS_BLESS=1` writes the answers anew; the diff is reviewed.

#![allow(clippy::disallowed_methods)]

mod naming;
mod pages;
mod queries;
mod told;
mod transactions;
mod typed;
mod ways;

use annals_tests::text;

use pages::Block;
use typed::Typed;
use ways::Ways;

/// Runs a guide, a file of `docs/`. `rust` is the file that its parts in Rust stand in.
///
/// # Panics
/// If an example is not answered as it says, or fewer than `least` are found.
fn walk(guide: &str, rust: &str, ways: &mut Ways, least: usize) {
    let path = pages::path(guide);
    let kept = std::fs::read_to_string(&path).expect("the guide");
    let (prose, mut blocks) = pages::pieces(&kept);
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut at = 0;
    while at < blocks.len() {
        let problem = match blocks[at].kind.as_str() {
            "clojure" => {
                asked += 1;
                let (typed, rest) = blocks[at..].split_first_mut().expect("there is one");
                let is_answer = |block: &&mut Block| matches!(block.kind.as_str(), "edn" | "text");
                let written = rest.first_mut().filter(is_answer);
                at += usize::from(written.is_some());
                example(typed, written, ways)
            }
            "rust" => stands_in(&blocks[at].body, rust),
            other => Err(format!("a block of kind {other:?} is neither a question nor the answer of one")),
        };
        wrong.extend(problem.err().map(|why| format!("{guide} line {}: {why}", blocks[at].line)));
        at += 1;
    }
    if std::env::var_os("ANNALS_BLESS").is_some() {
        text::golden(&path, &pages::together(&prose, &blocks));
    }
    assert!(wrong.is_empty(), "{} examples are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked >= least, "only {asked} examples were found");
}

/// Carries out what is typed, and holds what comes of it against the answer that is written.
fn example(typed: &Block, written: Option<&mut Block>, ways: &mut Ways) -> Result<(), String> {
    let (outcome, may_be_silent) = match typed::read(&typed.body)? {
        Typed::Question(view, question) => (ways.ask(&view, question)?, false),
        Typed::Request(request) => (ways.transact(&typed.body, request)?, true),
    };
    match written {
        Some(written) => told::judge(&outcome, written),
        None if may_be_silent && !outcome.is_refusal() => Ok(()),
        None => Err(format!("no answer is written; it is\n{}", told::printed(&outcome))),
    }
}

/// True if the lines of a block stand in a file one after the other.
fn stands_in(body: &str, file: &str) -> Result<(), String> {
    let trimmed = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    if trimmed(file).contains(trimmed(body).trim()) {
        Ok(())
    } else {
        Err("this Rust does not stand beside the test of the guide, so nothing runs it".to_owned())
    }
}
