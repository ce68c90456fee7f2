//! What is very deep, very long or very large: refused with an error that says so, or answered; in a small stack.
//!
//! Every case runs on a thread whose stack is a quarter of a usual one, under a watch: what does not end fails.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use annals_query::edn::{Edn, is_complete, read_all, read_one};
use annals_query::{Answer, Budget, Error, QueryArg, Result, parse, q};

use crate::films;

const STACK_BYTES: usize = 512 << 10;

/// Far more than any case takes in a build without optimisation on a busy machine, far less than what blows up takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs on a small stack, and not for ever.
fn small<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, seen) = mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);

    let thread = thread.spawn(move || done.send(run())).expect("a thread");
    match seen.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: no end after {PATIENCE:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let panic = thread.join().map(drop).expect_err("it sent nothing");
            std::panic::resume_unwind(panic)
        }
    }
}

/// Asks a query over the films; `args` are the inputs after them, as text.
fn ask(what: &str, text: String, args: Vec<String>) -> Result<Edn> {
    small(what, move || {
        let query = parse::query_text(&text)?;
        let mut inputs = vec![QueryArg::Source(Arc::new(films()))];
        for arg in &args {
            inputs.push(QueryArg::Value(read_one(arg)?.to_edn()));
        }
        q(&query, &inputs, &Budget { rows: Some(100_000), ..Budget::default() }).map(Answer::into_edn)
    })
}

/// A refusal that a person can read.
fn refused(what: &str, outcome: Result<Edn>) -> Error {
    match outcome {
        Ok(edn) => panic!("{what} is answered: {}", edn.to_string().chars().take(200).collect::<String>()),
        Err(error) => {
            assert!(error.message.len() < 2_000, "{what}: a message of {} bytes", error.message.len());
            error
        }
    }
}

/// `open` so many times, `inner`, `close` as often.
fn nest(open: &str, inner: &str, close: &str, times: usize) -> String {
    open.repeat(times) + inner + &close.repeat(times)
}

/// How the parts of a query nest: what opens, what stands inside, what closes.
const NESTS: [(&str, &str, &str); 10] = [
    ("(not ", "[?f :film/score 7.5]", ")"),
    ("(or ", "[?f :film/year 1985]", ")"),
    ("(and ", "[?f :film/year 1985]", ")"),
    ("(or [?f :film/year 1980] (and ", "[?f :film/year 1985]", "))"),
    ("(not-join [?f] ", "[?f :film/score 7.5]", ")"),
    ("(or-join [?f] ", "[?f :film/year 1985]", ")"),
    ("(or-join [?f] [?f :film/year 1980] ", "[?f :film/year 1985]", ")"),
    ("(or (not ", "[?f :film/score 7.5]", "))"),
    ("[", "?f", "]"),
    ("{1 #{(", "?f", ")}}"),
];

#[test]
fn text_that_is_nested_too_deep_is_refused_with_its_place() {
    for (open, inner, close) in NESTS {
        for times in [1_000, 10_000, 100_000] {
            let clauses = nest(open, inner, close, times);
            let text = format!("[:find ?f :where [?f :film/title] {clauses}]");
            let error = refused(open, ask(open, text, Vec::new()));
            assert_eq!(error.keyword, "db.error/syntax", "{open} {times}: {error}");
            assert!(error.message.contains("nested deeper"), "{open} {times}: {error}");
            assert!(error.span.is_some(), "{open} {times}: {error}");
            let unclosed = format!("[:find ?f :where {}", open.repeat(times));
            small(open, move || (is_complete(&unclosed), read_all(&unclosed).is_err()));
        }
    }
}

/// As deep as text may be: answered in a small stack, whatever it is that nests.
#[test]
fn text_that_is_nested_as_deep_as_it_may_be_needs_no_stack() {
    for (open, inner, close) in &NESTS[..8] {
        let levels = open.matches('(').count();
        let text =
            |times: usize| format!("[:find ?f :where [?f :film/title] {}]", nest(open, inner, close, times));
        let times = 96 / levels / 2 * 2;
        // An `and` that is a branch is no level of its own: there, brackets are too deep first.
        if !open.contains("(and ") || levels == 1 {
            let deeper = refused(open, ask(open, text(198 / levels), Vec::new()));
            assert_eq!(deeper.keyword, "db.error/query-too-complex", "{open}: {deeper}");
            assert!(deeper.span.is_some(), "{open}: {deeper}");
        }
        let deep = ask(open, text(times), Vec::new()).unwrap_or_else(|error| panic!("{open}: {error}"));
        let flat = ask(open, text(2), Vec::new()).expect("a query of two levels");
        assert_eq!(deep.as_seq().map(<[Edn]>::len), flat.as_seq().map(<[Edn]>::len), "{open}");
    }
    let expression = nest("(+ 1 ", "(count ?f)", ")", 190);
    let text = format!("[:find {expression} . :where [?f :film/title]]");
    assert_eq!(ask("expression", text, Vec::new()).expect("an answer"), Edn::Int(193));
    let having = nest("(+ 1 ", "(count ?f)", ")", 190);
    let text = format!("[:find (count ?f) . :having [(= {having} 193)] :where [?f :film/title]]");
    assert_eq!(ask("having", text, Vec::new()).expect("an answer"), Edn::Int(3));
    let pattern = nest("[:node/next {:node/next ", "[:db/id]", "}]", 95);
    let text = format!("[:find (pull ?n {pattern}) :where [?n :node/next]]");
    ask("pull", text, Vec::new()).expect("an answer");
    let binding = nest("[", "?x", "]", 190);
    let text = format!("[:find ?x . :in $ {binding}]");
    ask("binding", text, vec![nest("[", "1", "]", 190)]).expect("an answer");
}

#[test]
fn queries_inside_queries_add_up_to_no_depth() {
    for levels in [2, 6, 9, 12] {
        for around in [10, 90, 180] {
            let mut text = "[:find ?x . :where [(ground 1) ?x]]".to_owned();
            let mut written = text.clone();
            for _ in 0..levels {
                let call = |inner: &str| nest("(and ", &format!("[(q {inner}) ?x]"), ")", around);
                text = format!("[:find ?x . :in :where {}]", call(&Edn::string(text.as_str()).to_string()));
                written = format!("[:find ?x . :in :where {}]", call(&written));
                if text.len() > 4_000_000 {
                    break;
                }
            }
            for inner in [Edn::string(text).to_string(), written] {
                let text = format!("[:find ?x . :in $ :where [(q {inner}) ?x]]");
                match ask("texts", text, Vec::new()) {
                    Ok(edn) => assert!(edn == Edn::Int(1) && levels * around < 100, "{levels} {around}"),
                    Err(error) if error.message.contains("nested deeper") => assert!(levels * around > 90),
                    Err(error) => assert_eq!(error.keyword, "db.error/query-too-complex", "{error}"),
                }
            }
        }
    }
    // A query that asks itself, from as deep as clauses may stand.
    for around in [5, 40, 95] {
        let again = nest("(or-join [?t ?x] ", "[(q ?t ?t) ?x]", ")", around);
        let text = format!("[:find ?x . :in ?t :where {again}]");
        let error = refused(
            "itself",
            ask(
                "itself",
                format!("[:find ?x . :in $ ?t :where {again}]"),
                vec![Edn::string(text).to_string()],
            ),
        );
        assert_eq!(error.keyword, "db.error/query-too-complex", "{error}");
    }
}

/// Rules that stand inside each other as deep as clauses may, and call each other there.
#[test]
fn rules_inside_rules_add_up_to_no_depth() {
    for (open, close) in [
        ("(and ", ")"),
        ("(or ", ")"),
        ("(or-join [?a] [?a :film/title] ", ")"),
        ("(not-join [?a] (not-join [?a] ", "))"),
    ] {
        let mut rules = String::from("[(r0 ?a) [?a :film/year 1985]]");
        for n in 1..60 {
            let times = 90 / open.matches('(').count();
            let body = nest(open, &format!("(r{} ?a)", n - 1), close, times);
            write!(rules, " [(r{n} ?a) [?a :film/year] {body}]").expect("a string");
        }
        let text = "[:find (count ?a) . :in $ % :where (r59 ?a)]".to_owned();
        let want = if open.contains("title") { 3 } else { 2 };
        match ask(open, text, vec![format!("[{rules}]")]) {
            Ok(count) => assert_eq!(count, Edn::Int(want), "{open}"),
            Err(error) => assert!(
                open.contains("not-join") && error.keyword == "db.error/query-too-complex",
                "{open}: {error}"
            ),
        }
    }
}

#[test]
fn thousands_of_clauses_are_answered() {
    let patterns = "[?f :film/title ?t] ".repeat(5_000);
    let text = format!("[:find (count ?f) . :where {patterns}]");
    assert_eq!(ask("equal patterns", text, Vec::new()).expect("an answer"), Edn::Int(3));

    let mut branches = String::new();
    (0..5_000).for_each(|n| write!(branches, "[?f :film/year {n}] ").expect("a string"));
    let text = format!("[:find (count ?f) . :where [?f :film/title] (or {branches})]");
    assert_eq!(ask("branches", text, Vec::new()).expect("an answer"), Edn::Int(3));

    let mut predicates = String::new();
    (0..5_000).for_each(|n| write!(predicates, "[(!= ?y {n})] ").expect("a string"));
    let text = format!("[:find (count ?f) . :where [?f :film/year ?y] {predicates}]");
    assert_eq!(ask("predicates", text, Vec::new()).expect("no answer"), Edn::Nil);

    let nots = "(not [?f :film/score 7.5]) ".repeat(2_000);
    let text = format!("[:find (count ?f) . :where [?f :film/title] {nots}]");
    assert_eq!(ask("nots", text, Vec::new()).expect("an answer"), Edn::Int(2));
}

/// A chain of joins, each of them over another variable. The planner looks at all that is left before each step.
#[test]
fn a_chain_of_patterns_is_answered() {
    let mut chain = String::new();
    (0..1_000).for_each(|n| write!(chain, "[?n{n} :node/next ?n{}] ", n + 1).expect("a string"));
    let text = format!("[:find (count ?n1000) . :in $ ?n0 :where {chain}]");
    let start = crate::user(30).0.to_string();
    assert_eq!(ask("a chain", text, vec![start]).expect("no answer"), Edn::Nil);

    let mut sums = String::new();
    (0..2_000).for_each(|n| write!(sums, "[(inc ?x{n}) ?x{}] ", n + 1).expect("a string"));
    let text = format!("[:find ?x2000 . :in $ ?x0 :where {sums}]");
    assert_eq!(ask("sums", text, vec!["0".to_owned()]).expect("an answer"), Edn::Int(2_000));
}

#[test]
fn thousands_of_names_are_no_matter() {
    let names = |count: usize| (0..count).map(|n| format!("?v{n}")).collect::<Vec<_>>().join(" ");
    let values = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let text = format!("[:find [?v0 ?v1999] :in $ {}]", names(2_000));
    let ends = Edn::Vector(vec![Edn::Int(0), Edn::Int(1_999)]);
    assert_eq!(ask("inputs", text, values(2_000)).expect("an answer"), ends);
    let text = format!("[:find [?v0 ?v1999] :in $ [{}]]", names(2_000));
    assert_eq!(
        ask("a tuple", text, vec![format!("[{}]", values(2_000).join(" "))]).expect("an answer"),
        ends
    );
    let text = format!("[:find {} :in $ [{}]]", names(2_000), names(2_000));
    let wide = ask("a wide row", text, vec![format!("[{}]", values(2_000).join(" "))]).expect("an answer");
    assert_eq!(wide.as_seq().and_then(|rows| rows[0].as_seq()).map(<[Edn]>::len), Some(2_000));
    let text = format!("[:find ?f :with {} :where [?f :film/title]]", names(100_000));
    assert_eq!(refused("with", ask("with", text, Vec::new())).keyword, "db.error/unbound-variable");
    let keys = (0..50_000).map(|n| format!("k{n}")).collect::<Vec<_>>().join(" ");
    let text = format!("[:find {} :keys {keys} :where [?v0 :film/title]]", names(50_000));
    assert_eq!(refused("keys", ask("keys", text, Vec::new())).keyword, "db.error/unbound-variable");
    let sources = (0..50_000).map(|n| format!("$s{n}")).collect::<Vec<_>>().join(" ");
    let text = format!("[:find ?f :in $ {sources} :where [?f :film/title]]");
    assert_eq!(refused("sources", ask("sources", text, Vec::new())).keyword, "db.error/input-arity");
}

#[test]
fn many_rules_are_no_matter() {
    let ask_rules = |what: &str, call: &str, rules: String| {
        ask(what, format!("[:find (count ?a) . :in $ % :where {call}]"), vec![format!("[{rules}]")])
    };
    let mut rules = String::from("[(r0 ?a ?b) [?a :node/next ?b]]");
    (1..3_000).for_each(|n| write!(rules, " [(r{n} ?a ?b) (r{} ?a ?b)]", n - 1).expect("a string"));
    assert_eq!(ask_rules("a chain of rules", "(r2999 ?a ?b)", rules).expect("an answer"), Edn::Int(5));

    let mut rules = String::from("[(r0 ?a ?b) [?a :node/next ?m] [(identity ?b) ?c] [(= ?c ?m)]]");
    (1..2_000).for_each(|n| write!(rules, " [(r{n} ?a ?b) (r{} ?a ?b)]", n - 1).expect("a string"));
    let text = "[?b :node/next] (r1999 ?a ?b)";
    assert_eq!(ask_rules("what a chain of rules needs", text, rules).expect("an answer"), Edn::Int(4));

    let mut rules = String::from("[(r0 ?a ?b) [?a :node/next ?b]]");
    (1..1_000).for_each(|n| {
        write!(rules, " [(r{n} ?a ?b) [?a :node/next ?m] (r{} ?m ?b)]", n - 1).expect("a string")
    });
    ask_rules("a chain of rules and joins", "(r999 ?a ?b)", rules).expect("an answer");

    let mut rules = String::new();
    (0..1_000)
        .for_each(|n| write!(rules, " [(r ?a ?b) [?a :node/next ?b] [(!= ?a {n})]]").expect("a string"));
    assert_eq!(ask_rules("alternatives", "(r ?a ?b)", rules).expect("an answer"), Edn::Int(5));

    let mut rules = String::new();
    (0..1_000).for_each(|n| {
        write!(rules, " [(r{n} ?a) (r{} ?a)] [(r{n} ?a) [?a :node/next]]", (n + 1) % 1_000).expect("a string")
    });
    assert_eq!(ask_rules("a circle of rules", "(r0 ?a)", rules).expect("an answer"), Edn::Int(5));

    let mut rules = String::from("[(r0 ?a) [?a :film/year]]");
    (1..1_000)
        .for_each(|n| write!(rules, " [(r{n} ?a) [?a :node/next] (not (r{} ?a))]", n - 1).expect("a string"));
    let error = refused("a chain of nots", ask_rules("a chain of nots", "(r999 ?a)", rules));
    assert_eq!(error.keyword, "db.error/query-too-complex", "{error}");
}

#[test]
fn numbers_without_measure_are_refused() {
    let digits = "9".repeat(100_000);
    for number in ["1e999999999", "1e-99999999999999999999999M", "1e999999999M", "1E+400", digits.as_str()] {
        let text = format!("[:find ?x . :where [(ground {number}) ?x]]");
        let shown = &number[..number.len().min(20)];
        assert_eq!(refused(shown, ask(shown, text, Vec::new())).keyword, "db.error/syntax", "{shown}");
    }
    let squared = |start: &str| {
        let mut squares = String::new();
        (0..80).for_each(|n| write!(squares, "[(* ?x{n} ?x{n}) ?x{}] ", n + 1).expect("a string"));
        (format!("[:find ?x80 . :in $ ?x0 :where {squares}]"), vec![start.to_owned()])
    };
    for start in ["10N", "-3N", "1.5M", "1e9999M", "1e-9999M", "9999999999.9M"] {
        let (text, args) = squared(start);
        let error = refused(start, ask(start, text, args));
        assert!(error.message.contains("too large"), "{start}: {error}");
    }
    for (call, x, y) in [
        ("+", "1e9999M", "1e-9999M"),
        ("/", "1e9999M", "7e-9999M"),
        ("mod", "1e9999M", "7e-9999M"),
        ("quot", "1e9999M", "7e-9999M"),
        ("<", "1e9999M", "1e-9999M"),
        ("compare", "1e9999M", "1.5"),
        ("Math/pow", "1e9999M", "1e9999M"),
        ("max", "1e9999M", "1e308"),
        ("-", "1e-9999M", "1e9999M"),
    ] {
        // An answer or a refusal, but soon.
        let text = format!("[:find ?z . :in $ ?x ?y :where [({call} ?x ?y) ?z]]");
        let _ = ask(call, text, vec![x.to_owned(), y.to_owned()]);
    }
    for call in ["long", "double", "str", "Math/sqrt", "Math/log", "inc", "abs", "zero?"] {
        for x in ["1e9999M", "1e-9999M", "-9223372036854775808", "##NaN", "1e308"] {
            let text = format!("[:find ?z . :in $ ?x :where [({call} ?x) ?z]]");
            let _ = ask(call, text, vec![x.to_owned()]);
        }
    }
}

#[test]
fn words_without_measure_are_answered_or_cut() {
    let long = "x".repeat(2_000_000);
    let text = format!("[:find ?x . :where [(ground \"{long}\") ?x]]");
    assert_eq!(ask("a string", text, Vec::new()).expect("an answer"), Edn::string(long.as_str()));
    let text = "[:find (count ?f) . :in $ ?t :where [?f :film/title ?t]]".to_owned();
    assert_eq!(ask("a title", text, vec![format!("\"{long}\"")]).expect("no answer"), Edn::Nil);
    for (what, text) in [
        ("an attribute", format!("[:find ?f :where [?f :film/{long} 1]]")),
        ("a variable", format!("[:find ?{long} :where [?f :film/title]]")),
        ("a function", format!("[:find ?f :where [?f :film/title ?t] [({long} ?t)]]")),
        ("an aggregate", format!("[:find ({long} ?f) :where [?f :film/title ?t]]")),
        ("a rule", format!("[:find ?f :where ({long} ?f)]")),
        ("a source", format!("[:find ?f :where [${long} ?f :film/title]]")),
        ("a section", format!("[:find ?f :{long} 1 :where [?f :film/title]]")),
        ("a key", format!("[:find ?f :keys {long} b :where [?f :film/title]]")),
        ("a constant", format!("[:find ?f :where [?f :film/year] [(+ \"{long}\" 1) ?x]]")),
        ("a pull", format!("[:find (pull ?f [[:film/title :{long} 1]]) :where [?f :film/title]]")),
        ("a tag", format!("[:find ?f :where [?f :film/title #inst \"{long}\"]]")),
        ("a character", format!("[:find ?f :where [?f :film/title \\{long}]]")),
        ("a number", format!("[:find ?f :where [?f :film/title 1{long}]]")),
    ] {
        refused(what, ask(what, text, Vec::new()));
    }
}
