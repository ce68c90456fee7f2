//! Tables of texts and what they mean, or why they mean nothing.

use super::*;
use crate::ast::{
    Arg, Binding, ClauseKind, Element, Expr, Find, Input, KeyKind, PullArg, PullLimit, PullSub,
};

fn parsed(text: &str) -> Query {
    query_text(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn pulled(text: &str) -> PullPattern {
    pull(&read_one(text).unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ruled(text: &str) -> Vec<Rule> {
    rules(&read_one(text).unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn var(name: &str) -> Var {
    Var(Symbol::new(name))
}

/// Clauses of `text`, each as the name of its kind.
fn kinds(text: &str) -> Vec<&'static str> {
    let kind = |clause: &crate::ast::Clause| match clause.kind {
        ClauseKind::Pattern { .. } => "pattern",
        ClauseKind::Predicate(_) => "predicate",
        ClauseKind::Function(..) => "function",
        ClauseKind::Rule { .. } => "rule",
        ClauseKind::Not { join: None, .. } => "not",
        ClauseKind::Not { .. } => "not-join",
        ClauseKind::Or { join: None, .. } => "or",
        ClauseKind::Or { .. } => "or-join",
        ClauseKind::And(_) => "and",
    };
    parsed(text).clauses.iter().map(kind).collect()
}

#[test]
fn the_three_forms_of_a_query_say_the_same() {
    let vector =
        "[:find ?t ?y :keys title year :with ?f :in $ ?min :where [?f :t ?t] [?f :y ?y] [(< ?min ?y)]]";
    let map = "{:find [?t ?y] :keys [title year] :with [?f] :in [$ ?min]
                :where [[?f :t ?t] [?f :y ?y] [(< ?min ?y)]]}";
    let bare = |text: &str| {
        let edn = read_one(text).unwrap().to_edn();
        query(&Form::from(edn)).unwrap()
    };
    assert_eq!(bare(vector), bare(map));
    assert_eq!(bare(vector), bare(&vector.replacen('[', "(", 1).replace("]]", "])")));
    let in_text = Form::from(Edn::string(vector));
    assert_eq!(query(&in_text).unwrap(), parsed(vector));
    let query = parsed(vector);
    assert_eq!(query.keys.as_ref().map(|keys| (keys.kind, keys.names.len())), Some((KeyKind::Keywords, 2)));
    assert_eq!(query.with, [var("?f")]);
    assert_eq!(query.inputs.len(), 2);
    let span = query.clauses[0].span.unwrap();
    assert_eq!(&vector[span.start as usize..span.end as usize], "[?f :t ?t]");
}

#[test]
fn expressions_are_aggregates_or_calls() {
    let shown = |text: &str| {
        let query = parsed(&format!("[:find {text} :where [?a _ ?b]]"));
        let mut kinds = Vec::new();
        query.find.exprs().next().unwrap().walk(&mut |part| {
            kinds.push(match part {
                Expr::Var(..) => "var",
                Expr::Const(_) => "const",
                Expr::Aggregate(_) => "aggregate",
                Expr::Call { .. } => "call",
            });
        });
        assert_eq!(query.find.elements()[0].to_string(), text);
        kinds.join(" ")
    };
    assert_eq!(shown("(max ?a)"), "aggregate");
    assert_eq!(shown("(max 3 ?a)"), "aggregate");
    assert_eq!(shown("(max ?a 3)"), "call var const");
    assert_eq!(shown("(max (max ?a) 0)"), "call aggregate const");
    assert_eq!(shown("(count (distinct ?a))"), "call aggregate");
    assert_eq!(shown("(/ (sum ?a) (count ?b))"), "call aggregate aggregate");
    assert_eq!(shown("(+ ?a 1)"), "call var const");
    assert_eq!(shown("(nosuch ?a)"), "call var");
}

#[test]
fn what_shapes_the_answer() {
    let keys = |text: &str| {
        let keys = parsed(text).page.order_by;
        keys.iter().map(|key| format!("{} {}", key.by, key.descending)).collect::<Vec<_>>().join(", ")
    };
    for text in [
        "[:find ?a ?b :order-by (desc ?a) ?b :where [?a _ ?b]]",
        "[:find ?a ?b :order-by [?a :desc] [?b :asc] :where [?a _ ?b]]",
        "[:find ?a ?b :order-by [(desc ?a) (asc ?b)] :where [?a _ ?b]]",
        "{:find [?a ?b] :order-by [[?a :desc] ?b] :where [[?a _ ?b]]}",
    ] {
        assert_eq!(keys(text), "?a true, ?b false", "{text}");
    }
    for section in ["[?a :desc]", "(desc ?a)", "[(desc ?a)]", "[[?a :desc]]"] {
        assert_eq!(keys(&format!("{{:find [?a] :order-by {section} :where [[?a]]}}")), "?a true");
        assert_eq!(keys(&format!("[:find ?a :order-by {section} :where [?a]]")), "?a true");
    }
    let calls =
        ["(> (count ?b) 1) (odd? ?a)", "[(> (count ?b) 1)] [(odd? ?a)]", "[(> (count ?b) 1) (odd? ?a)]"];
    for calls in calls {
        let having = parsed(&format!("[:find ?a :having {calls} :where [?a _ ?b]]")).having;
        let shown: Vec<String> = having.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["(> (count ?b) 1)", "(odd? ?a)"], "{calls}");
    }
    let vector = parsed("[:find ?a :in $ ?n :where [?a] :limit ?n :offset 2 :after \"x\"]");
    let map = parsed("{:find [?a] :in [$ ?n] :where [[?a]] :limit ?n :offset [2] :after \"x\"}");
    let args = |query: &Query| {
        let page = &query.page;
        [&page.limit, &page.offset, &page.after]
            .map(|given| given.as_ref().map(|given| given.arg.to_string()))
    };
    assert_eq!(args(&vector), [Some("?n".into()), Some("2".into()), Some("\"x\"".into())]);
    assert_eq!(args(&vector), args(&map));
    assert_eq!(parsed("[:find ?a :after nil :where [?a]]").page.after, None);
}

#[test]
fn the_fingerprint_is_of_the_rows_not_of_the_layout() {
    let of = |text: &str| parsed(text).fingerprint;
    let one = of("[:find ?a ?b :order-by (desc ?a) :limit 3 :where [?a _ ?b]]");
    assert_eq!(one, of("{:find [?a ?b], :order-by [[?a :desc]], :where [[?a _ ?b]] :keys [a b] :limit 9}"));
    for other in [
        "[:find ?a ?b :order-by (asc ?a) :where [?a _ ?b]]",
        "[:find ?b ?a :order-by (desc ?a) :where [?a _ ?b]]",
        "[:find ?a ?b :order-by (desc ?a) :where [?a :x ?b]]",
        "[:find ?a ?b :order-by (desc ?a) :having (= ?a 1) :where [?a _ ?b]]",
    ] {
        assert_ne!(one, of(other), "{other}");
    }
}

#[test]
fn the_four_shapes_of_an_answer() {
    let find = |text: &str| parsed(&format!("[:find {text} :where [?a _ ?b]]")).find;
    assert!(matches!(find("?a ?b"), Find::Relation(elements) if elements.len() == 2));
    assert!(matches!(find("[?a ...]"), Find::Collection(Element::Expr(Expr::Var(..)))));
    assert!(matches!(find("[?a (count ?b)]"), Find::Tuple(elements) if elements.len() == 2));
    assert!(matches!(find("(max 3 ?b) ."), Find::Scalar(Element::Expr(Expr::Aggregate(call)))
        if call.args == [Arg::Const(Edn::Int(3)), Arg::Var(var("?b"))]));
    assert!(matches!(find("(pull ?a [*])"), Find::Relation(elements)
        if matches!(&elements[0], Element::Pull { pattern: PullArg::Pattern(p), .. } if p.wildcard)));
    assert!(matches!(find("(pull $x ?a shape)"), Find::Relation(elements)
        if matches!(&elements[0], Element::Pull { pattern: PullArg::Input(name), source, .. }
            if name.as_str() == "shape" && source.0.as_str() == "$x")));
}

#[test]
fn inputs_and_bindings() {
    let inputs = parsed("[:find ?a :in $ $b % shape ?a _ [?b ?c] [?d ...] [[?e _]] :where [?a]]").inputs;
    let bind = |name: &str| Binding::Var(var(name));
    let expected = [
        Input::Source(SourceName::default_source()),
        Input::Source(SourceName(Symbol::new("$b"))),
        Input::Rules,
        Input::Pattern(Symbol::new("shape")),
        Input::Binding(bind("?a")),
        Input::Binding(Binding::Ignore),
        Input::Binding(Binding::Tuple(vec![bind("?b"), bind("?c")])),
        Input::Binding(Binding::Collection(Box::new(bind("?d")))),
        Input::Binding(Binding::Collection(Box::new(Binding::Tuple(vec![bind("?e"), Binding::Ignore])))),
    ];
    assert_eq!(inputs, expected);
    assert_eq!(parsed("[:find ?a :where [?a]]").inputs, expected[..1]);
    assert_eq!(parsed("[:find ?a :in :where [?a]]").inputs, []);
}

#[test]
fn every_kind_of_clause() {
    let text = "[:find ?a :where [?a :b 1] [$x ?a] [(f ?a)] [(f $ ?a [1 2]) [?c ...]] (r ?a :k) ($x r ?a)
                 (not [?a]) ($x not-join [?a] [?a]) (or [?a :b] (and [?a :c] [?a :d])) (or-join [[?a] ?b] (r ?a ?b))
                 (and [?a :b] (not [?a :c]))]";
    let expected = [
        "pattern",
        "pattern",
        "predicate",
        "function",
        "rule",
        "rule",
        "not",
        "not-join",
        "or",
        "or-join",
        "and",
    ];
    assert_eq!(kinds(text), expected);
    let clauses = parsed(text).clauses;
    let ClauseKind::Or { required, join, branches, .. } = &clauses[9].kind else { panic!("an or-join") };
    assert_eq!(
        (required.as_slice(), join.as_deref(), branches.len()),
        (&[var("?a")][..], Some(&[var("?a"), var("?b")][..]), 1)
    );
    let ClauseKind::Or { branches, .. } = &clauses[8].kind else { panic!("an or") };
    assert_eq!(branches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    let ClauseKind::Not { source, .. } = &clauses[7].kind else { panic!("a not-join") };
    assert_eq!(source.0.as_str(), "$x");
}

#[test]
fn rules_and_their_heads() {
    let rules = ruled(
        "[[(reaches ?a ?b) [?a :next ?b]] [(reaches ?a ?b) [?a :next ?m] (reaches ?m ?b)]
                        [(old [?a ?b] ?c) [?a :c ?c] [?b :c ?c]]]",
    );
    let shape: Vec<_> =
        rules.iter().map(|r| (r.name.as_str(), r.required, r.args.len(), r.body.len())).collect();
    assert_eq!(shape, [("reaches", 0, 2, 1), ("reaches", 0, 2, 2), ("old", 2, 3, 2)]);
}

#[test]
fn a_pull_pattern_with_everything() {
    let pattern = pulled(
        r#"[:a/b :a/_b * {:c/d [:e]} {:f 3, :g ...} [:h :limit 2 :default 1 :as "x" :xform str]
                            (limit :i nil) ("default" :j false) {[:k :limit 5] [:l]} {(limit :m 6) [:n]} :db/id]"#,
    );
    assert!(pattern.wildcard);
    let specs: Vec<_> =
        pattern.specs.iter().map(|s| (s.attr.as_str(), s.reverse, s.key.to_string())).collect();
    let names = ["a/b", "a/b", "c/d", "f", "g", "h", "i", "j", "k", "m", "db/id"];
    assert_eq!(specs.iter().map(|s| s.0).collect::<Vec<_>>(), names);
    assert_eq!((specs[1].1, specs[1].2.as_str()), (true, ":a/_b"));
    let of = |name: &str| pattern.specs.iter().rfind(|s| s.attr.as_str() == name).unwrap();
    assert!(matches!(&of("c/d").sub, PullSub::Pattern(sub) if sub.specs.len() == 1));
    assert_eq!((of("f").sub.clone(), of("g").sub.clone()), (PullSub::Levels(3), PullSub::Unbounded));
    let h = of("h");
    assert_eq!(
        (h.limit, h.default.clone(), h.key.clone()),
        (PullLimit::Count(2), Some(Edn::Int(1)), Edn::string("x"))
    );
    assert_eq!(h.xform, Some(Symbol::new("str")));
    assert_eq!((of("i").limit, of("j").default.clone()), (PullLimit::All, Some(Edn::Bool(false))));
    assert_eq!((of("k").limit, of("m").limit), (PullLimit::Count(5), PullLimit::Count(6)));
    assert!(matches!(of("m").sub, PullSub::Pattern(_)));
}

/// Text, and the part of it the error points at.
fn refused<V: std::fmt::Debug>(keyword: &str, parse: fn(&Form) -> Result<V>, table: &[(&str, &str)]) {
    for (text, place) in table {
        let error = parse(&read_one(text).unwrap()).expect_err(text);
        assert_eq!(error.keyword, keyword, "{text}: {error}");
        let span = error.span.unwrap_or_else(|| panic!("no place: {text}: {error}"));
        assert_eq!(&text[span.start as usize..span.end as usize], *place, "{text}: {error}");
    }
}

#[test]
fn queries_that_say_nothing() {
    refused(
        "db.error/invalid-query",
        query,
        &[
            ("[]", "[]"),
            ("42", "42"),
            ("{}", "{}"),
            ("[?a :find ?a]", "?a"),
            ("[:where [?a]]", "[:where [?a]]"),
            ("[:find :where [?a]]", ":find"),
            ("[:find [] :where [?a]]", "[]"),
            ("[:find ?a :find ?b]", ":find"),
            ("{:find [?a] \"in\" [$]}", "\"in\""),
            ("{:find ?a}", "?a"),
            ("[:find a :where [?a]]", "a"),
            ("[:find ?a . ?b :where [?a]]", "."),
            ("[:find (count) :where [?a]]", "(count)"),
            ("[:find (sum (count ?a)) :where [?a]]", "(sum (count ?a))"),
            ("[:find (?f ?a) :where [?a]]", "(?f ?a)"),
            ("[:find (pull ?a) :where [?a]]", "(pull ?a)"),
            ("[:find (pull a [*]) :where [?a]]", "a"),
            ("[:find (pull ?a ?p) :where [?a]]", "?p"),
            ("[:find ?a :keys b c :where [?a]]", ":keys"),
            ("[:find ?a :keys ?b :where [?a]]", "?b"),
            ("[:find ?a ?b :keys b b :where [?a ?b]]", "b"),
            ("[:find [?a ...] :keys b :where [?a]]", ":keys"),
            ("[:find ?a :keys b :strs b :where [?a]]", ":strs"),
            ("[:find ?a :with b :where [?a]]", "b"),
            ("[:find ?a :in $ $ :where [?a]]", "$"),
            ("[:find ?a :where ?a]", "?a"),
            ("[:find ?a :where []]", "[]"),
            ("[:find ?a :where [$]]", "[$]"),
            ("[:find ?a :where [?a $ 1]]", "$"),
            ("[:find ?a :where [?a :b (f 1)]]", "(f 1)"),
            ("[:find ?a :where [(f (g ?a))]]", "(g ?a)"),
            ("[:find ?a :where [(f ?a) ?b ?c]]", "[(f ?a) ?b ?c]"),
            ("[:find ?a :where [(< 1 ?a 3)]]", "(< 1 ?a 3)"),
            ("[:find ?a :where [(=)]]", "(=)"),
            ("[:find ?a :where [(:b ?a)]]", ":b"),
            ("[:find ?a :where [()]]", "()"),
            ("[:find ?a :where ()]", "()"),
            ("[:find ?a :where ($)]", "($)"),
            ("[:find ?a :where (?r ?a)]", "?r"),
            ("[:find ?a :where (not)]", "(not)"),
            ("[:find ?a :where (or)]", "(or)"),
            ("[:find ?a :where (or (and))]", "(and)"),
            ("[:find ?a :where ($ and [?a])]", "($ and [?a])"),
            ("[:find ?a :where (not-join ?a [?a])]", "(not-join ?a [?a])"),
            ("[:find ?a :where (not-join [[?a]] [?a])]", "[?a]"),
            ("[:find ?a :where (or-join [[?a] b] [?a])]", "b"),
            ("[:find ?a :where (or-join [?a ?a] [?a])]", "?a"),
        ],
    );
    refused(
        "db.error/not-a-binding-form",
        query,
        &[
            ("[:find ?a :in $ [] :where [?a]]", "[]"),
            ("[:find ?a :in 3 :where [?a]]", "3"),
            ("[:find ?a :where [(f) [?a ... ?b]]]", "..."),
            ("[:find ?a :where [(f) :k]]", ":k"),
            ("[:find ?a :where [(f) (?a)]]", "(?a)"),
        ],
    );
}

#[test]
fn sections_of_the_answer_that_say_nothing() {
    refused(
        "db.error/invalid-query",
        query,
        &[
            ("[:find (sum (+ ?a 1)) :where [?a]]", "(sum (+ ?a 1))"),
            ("[:find (sum ?a 1) :where [?a]]", "(sum ?a 1)"),
            ("[:find (+ 1 2) :where [?a]]", "(+ 1 2)"),
            ("[:find (+ (pull ?a [*]) 2) :where [?a]]", "(pull ?a [*])"),
            ("[:find (+ $ ?a) :where [?a]]", "$"),
            ("[:find ?a :having ?a :where [?a]]", "?a"),
            ("[:find ?a :having (count ?a) :where [?a]]", "(count ?a)"),
            ("[:find ?a :having :where [?a]]", ":having"),
            ("[:find ?a :order-by :where [?a]]", ":order-by"),
            ("[:find ?a :order-by 1 :where [?a]]", "1"),
            ("[:find ?a :order-by [[?a :up]] :where [?a]]", ":up"),
            ("[:find ?a :order-by ?a :desc :where [?a]]", ":desc"),
            ("[:find ?a :limit -1 :where [?a]]", "-1"),
            ("[:find ?a :limit 1 2 :where [?a]]", ":limit"),
            ("[:find ?a :offset 1.5 :where [?a]]", "1.5"),
            ("[:find ?a :after 3 :where [?a]]", "3"),
            ("[:find ?a :oder-by ?a :where [?a]]", ":oder-by"),
        ],
    );
    let hint = |text: &str| query_text(text).unwrap_err().hint.unwrap();
    assert_eq!(hint("[:find ?a :oder-by ?a :where [?a]]"), "did you mean `:order-by`?");
    assert_eq!(hint("{:find [?a] :limt 3}"), "did you mean `:limit`?");
    assert!(hint("[:find ?a :zzzzzzz ?a :where [?a]]").contains(":having, :order-by, :limit"));
}

#[test]
fn rules_that_say_nothing() {
    refused(
        "db.error/invalid-rule",
        rules,
        &[
            ("nil", "nil"),
            ("[(r ?a)]", "(r ?a)"),
            ("[[r ?a]]", "[r ?a]"),
            ("[[(r ?a)]]", "[(r ?a)]"),
            ("[[(r) [?a]]]", "[(r) [?a]]"),
            ("[[(?r ?a) [?a]]]", "[(?r ?a) [?a]]"),
            ("[[(not ?a) [?a]]]", "[(not ?a) [?a]]"),
            ("[[(r ?a ?a) [?a]]]", "?a"),
            ("[[(r :a) [?a]]]", ":a"),
            ("[[(r [?a] ?b) [?a _ ?b]] [(r ?a ?b) [?a _ ?b]]]", "[(r ?a ?b) [?a _ ?b]]"),
        ],
    );
    refused(
        "db.error/rule-arity",
        rules,
        &[("[[(r ?a) [?a]] [(r ?a ?b) [?a _ ?b]]]", "[(r ?a ?b) [?a _ ?b]]")],
    );
    refused("db.error/invalid-query", rules, &[("[[(r ?a) ?a]]", "?a")]);
}

#[test]
fn pull_patterns_that_say_nothing() {
    refused(
        "db.error/invalid-pull",
        pull,
        &[
            ("[]", "[]"),
            (":a", ":a"),
            ("{:a [:b]}", "{:a [:b]}"),
            ("[a]", "a"),
            ("[\"a\"]", "\"a\""),
            ("[{}]", "{}"),
            ("[{:a []}]", "[]"),
            ("[{:a 0}]", "0"),
            ("[{:a -1}]", "-1"),
            ("[{:a :b}]", ":b"),
            ("[{[:b] 1 3 2}]", "3"),
            ("[[]]", "[]"),
            ("[:a/_]", ":a/_"),
            ("[[:a :limit]]", ":limit"),
            ("[[:a :limit 0]]", "0"),
            ("[[:a :limit \"x\"]]", "\"x\""),
            ("[[:a :size 1]]", ":size"),
            ("[[:a as :b]]", "as"),
            ("[[:a :as :b :as :c]]", ":as"),
            ("[[:a :xform 3]]", "3"),
            ("[(limit :a)]", "(limit :a)"),
            ("[(first :a 3)]", "(first :a 3)"),
        ],
    );
}

/// Texts made of pieces of the language: nothing panics or hangs, and what is accepted is accepted again in print.
#[test]
fn random_texts_are_answered_in_order() {
    const PIECES: [&str; 64] = [
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "#{",
        "[",
        "]",
        "(",
        ")",
        ":find",
        ":where",
        ":in",
        ":with",
        ":keys",
        "?a",
        "?b",
        "$",
        "$x",
        "%",
        "_",
        "...",
        ".",
        "*",
        "not",
        "or",
        "and",
        "or-join",
        "not-join",
        "pull",
        "count",
        "r",
        "<",
        ":a/b",
        ":a/_b",
        ":limit",
        ":default",
        ":as",
        ":xform",
        "limit",
        "default",
        "1",
        "-2.5",
        "3N",
        "4.0M",
        "nil",
        "true",
        "\"s\"",
        "\\c",
        "#inst \"2018\"",
        "#t",
        "#_",
        ";c\n",
        ",",
        "##Inf",
        "1/2",
        "::",
        "\"",
        "\\",
        "#",
        "'",
        "{:a 1}",
        "[?a :a/b ?b]",
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let shells = [
        ("", ""),
        ("[:find ?a :where ", "]"),
        ("[:find ", " :where [?a :a/b ?b]]"),
        ("[[(r ?a) ", "]]"),
        ("[", "]"),
    ];
    let mut accepted = [0; 4];
    for _ in 0..20_000 {
        let (open, close) = shells[random(shells.len())];
        let mut text = String::from(open);
        for _ in 0..random(12) {
            text.push_str(PIECES[random(PIECES.len())]);
            text.push_str(["", " ", " "][random(3)]);
        }
        text.push_str(close);
        crate::edn::is_complete(&text);
        let Ok(form) = read_one(&text) else { continue };
        accepted[0] += 1;
        let rules = rules(&form);
        accepted[2] += usize::from(rules.is_ok());
        if let Ok(query) = query(&form) {
            accepted[1] += 1;
            let _ = crate::check::query(&query, rules.as_deref().unwrap_or(&[]));
        }
        accepted[3] += usize::from(pull(&form).is_ok());
        let again = read_one(&form.to_edn().to_string()).map(|form| form.to_edn());
        assert_eq!(again, Ok(form.to_edn()), "{text}");
    }
    assert!(accepted.iter().all(|&count| count > 20), "the texts reach every parser: {accepted:?}");
}
