//! Scripts for the REPL, typed into a pseudo-terminal; what the terminal shows is kept and compared.
//!
//! A script is `scripts/NAME.in`, a line typed at a time; what the terminal showed is `scripts/NAME.out`. The first
//! line of a script is the command line. `ANNALS_BLESS=1` writes the output anew; the diff is reviewed. The terminal is
//! a plain one (`TERM=dumb`), so the transcript has no escapes; `line_editing` uses a real one. A script runs in memory and
//! then on every other engine, where all but the first line, which tells the engine, is the same.

#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

use annals_query::edn::Completeness;
use annals_tests::engines::Place;
use annals_tests::{binary, text};
use rexpect::session::PtySession;

const PATIENCE_MS: u64 = 60_000;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn spawn(args: &[String], term: &str, settings: &[(String, String)]) -> PtySession {
    let mut command: Command = binary::command();
    command
        .args(args)
        .envs(settings.iter().cloned())
        .env("TERM", term)
        .env("COLUMNS", "100")
        .env("HOME", scripts())
        .env("ANNALS_HISTORY", "");
    rexpect::session::spawn_command(command, Some(PATIENCE_MS)).expect("a pseudo-terminal")
}

/// What the prompt looks like: database, basis, view.
const PROMPT: &str = "main@[0-9]+( [^>\n]*)?> ";

fn run(name: &str) {
    let expected = scripts().join(format!("{name}.out"));
    text::golden(&expected, &shown(name, None));
    let below = |transcript: &str| transcript.split_once('\n').expect("a first line").1.to_owned();
    let expected = below(&std::fs::read_to_string(expected).expect("what was shown in memory"));
    for place in Place::everywhere().filter(|place| place.name != "memory") {
        let shown = below(&shown(name, Some(&place)));
        assert!(shown == expected, "{name} on {}:\n{shown}", place.name);
    }
}

/// What the terminal shows, in memory or at a place.
fn shown(name: &str, place: Option<&Place>) -> String {
    let script = std::fs::read_to_string(scripts().join(format!("{name}.in"))).expect("a script");
    let mut lines = script.lines();
    let args = lines.next().expect("a command line").split_whitespace().map(str::to_owned);
    let args: Vec<String> = args.chain(place.map(|place| place.address.clone())).collect();
    let mut session = spawn(&args, "dumb", place.map_or(&[], |place| &place.settings));
    let mut shown = prompted(&mut session);
    let mut entry = String::new();
    for line in lines {
        session.send_line(line).expect("a line that is taken");
        // The terminal does not echo; the transcript does.
        entry = entry + line + "\n";
        shown = shown + line + "\n";
        let complete =
            entry.starts_with('.') || annals_query::edn::is_complete(&entry) != Completeness::Incomplete;
        if complete {
            shown += &prompted(&mut session);
            entry.clear();
        }
    }
    session.send_line(".quit").expect("a line that is taken");
    shown += &session.exp_eof().expect("an end");
    utf8(&shown).replace('\r', "")
}

/// What is shown up to the next prompt, the prompt included.
fn prompted(session: &mut PtySession) -> String {
    let (before, prompt) = session.exp_regex(PROMPT).expect("a prompt");
    before + &prompt
}

/// The session gives a character for each byte.
fn utf8(shown: &str) -> String {
    String::from_utf8(shown.chars().map(|c| c as u8).collect()).expect("text in UTF-8")
}

/// Every script, so that none is forgotten.
#[test]
fn every_script() {
    let mut names: Vec<String> = std::fs::read_dir(scripts())
        .expect("scripts")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".in")?.to_owned()))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "there is no script");
    for name in names {
        run(&name);
    }
}

/// Types without waiting for anything.
fn keys(session: &mut PtySession, keys: &str) {
    session.send(keys).and_then(|_| session.flush()).expect("keys that are taken");
}

#[test]
fn line_editing_multi_line_completion_and_interrupt() {
    let mut session = spawn(&["--sample".into(), "git-small".into()], "xterm", &[]);
    session.exp_string("> ").expect("a prompt");
    keys(&mut session, "[:find (count ?f) .\r");
    keys(&mut session, ":where [?f :file/pa\t");
    session.exp_string(":file/path").expect("a completed attribute");
    keys(&mut session, "]]\r");
    session.exp_string("24").expect("the answer");
    session.exp_string("> ").expect("a prompt");
    session.send_control('c').expect("an interrupt");
    session.exp_string("> ").expect("a prompt, for nothing was typed");
    keys(&mut session, "(((\r");
    session.exp_string("(((\r\n").expect("an open form");
    session.send_control('c').expect("an interrupt that drops it");
    session.exp_string("> ").expect("a prompt");
    keys(&mut session, "[:find (count ?c) . :where [?c :commit/mainline true]]\r");
    session.exp_string("48").expect("the answer");
    session.send_control('d').expect("the end");
    session.exp_eof().expect("an end");
}
