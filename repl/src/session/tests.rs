//! Sessions as a person has them, without a terminal: entries in, text out.

use super::*;
use crate::import::{Part, Watch};
use crate::present::Format;
use crate::sample;

struct Silent;

impl Watch for Silent {
    fn begin(&mut self, _: &Part, _: u64, _: u64) {}
    fn progress(&mut self, _: annals::import::Progress, _: u64) {}
    fn end(&mut self, _: &Part, _: annals::import::Progress) {}
}

fn session() -> Session {
    let style = Style { format: Format::Edn, width: 100, ..Style::default() };
    Session::open("mem:", Options::default(), "main", style).expect("memory can be had")
}

fn with_sample(name: &str) -> Session {
    let session = session();
    let sample = sample::named(name).expect("it is bundled");
    assert!(sample.load(session.connection(), &mut Silent).expect("it loads"));
    session
}

fn tried(session: &mut Session, text: &str) -> Result<String> {
    let mut out = Vec::new();
    session.eval(text, &mut out)?;
    Ok(String::from_utf8(out).expect("it is text").trim_end().to_owned())
}

#[track_caller]
fn says(session: &mut Session, text: &str) -> String {
    tried(session, text).unwrap_or_else(|problem| panic!("{}", problem.draw(Some(text), false)))
}

const SIZE: &str = "[:find ?size . :in $ ?path :where [?f :file/path ?path] [?f :file/size ?size]]";

#[test]
fn inputs_follow_the_query() {
    let mut session = with_sample("git-small");
    let now = says(&mut session, &format!("{SIZE} \"README.md\""));
    assert!(now.parse::<u32>().is_ok(), "{now}");
    says(&mut session, ".let readme \"README.md\"");
    assert_eq!(says(&mut session, &format!("{SIZE} readme")), now);
    assert_eq!(says(&mut session, "[:find ?x . :in $ ?x] *1"), now);
    let problem = tried(&mut session, &format!("{SIZE} raedme")).expect_err("no such name");
    assert_eq!(problem.keyword(), "repl.error/unknown-name");
    assert_eq!(problem.hint_text(), Some("did you mean `readme`?"));
    let rules = "[:find (count ?d) . :in $ % ?top :where (under ?d ?top)] \
                 [[(under ?d ?top) [?p :dir/path ?top] [?d :dir/parent ?p]] \
                 [(under ?d ?top) [?d :dir/parent ?p] [?p :dir/path ?q] (under ?p ?top)]] \".\"";
    assert!(says(&mut session, rules).parse::<u32>().is_ok());
}

#[test]
fn an_input_can_be_another_moment() {
    let mut session = with_sample("git-small");
    let grown = "[:find (count ?p) . :in $ $then :where [?f :file/path ?p] (not [$then ?f :file/path ?p])]";
    let new: u32 = says(&mut session, &format!("{grown} (as-of 11)")).parse().expect("a number");
    let then: u32 = {
        says(&mut session, ".as-of 11");
        says(&mut session, "[:find (count ?f) . :where [?f :file/path]]").parse().expect("a number")
    };
    assert_eq!(new + then, 24);
}

#[test]
fn the_view_moves_and_the_prompt_tells() {
    let mut session = with_sample("git-small");
    assert_eq!(session.prompt(), "main@49> ");
    says(&mut session, ".as-of 11");
    assert_eq!(session.prompt(), "main@49 as-of 11> ");
    says(&mut session, ".history on");
    assert_eq!(session.prompt(), "main@49 as-of 11 history> ");
    says(&mut session, ".now");
    assert_eq!(session.prompt(), "main@49> ");
    let problem = tried(&mut session, ".as-of yesterday").expect_err("no moment");
    assert_eq!(problem.span(), Some(7..16));
}

#[test]
fn what_if_is_seen_until_it_is_dropped() {
    let mut session = with_sample("git-small");
    let size = format!("{SIZE} \"README.md\"");
    let before = says(&mut session, &size);
    says(&mut session, ".with [{:file/path \"README.md\" :file/size 1}]");
    assert_eq!(says(&mut session, &size), "1");
    assert!(session.prompt().ends_with(" what-if> "));
    says(&mut session, ".with [{:file/path \"README.md\" :file/size 2}]");
    assert_eq!(says(&mut session, &size), "2");
    let problem =
        tried(&mut session, "[{:file/path \"README.md\" :file/size 3}]").expect_err("nothing is written");
    assert_eq!(problem.keyword(), "repl.error/what-if");
    says(&mut session, ".drop");
    assert_eq!(says(&mut session, &size), before);
    assert_eq!(session.prompt(), "main@49> ");
}

#[test]
fn a_query_that_grows_without_end_is_refused() {
    let mut session = with_sample("git-small");
    session.budget.rows = Some(10_000);
    let product = "[:find (count ?a) . :where [?a :commit/sha] [?b :commit/sha] [?c :commit/sha]]";
    let problem = tried(&mut session, product).expect_err("it is too large");
    assert_eq!(problem.keyword(), "db.error/budget-exceeded");
}

#[test]
fn a_query_can_be_stopped_from_another_thread() {
    let mut session = with_sample("git");
    let stop = session.stopper();
    let (begun, wait) = (Instant::now(), Duration::from_millis(100));
    let stopper = std::thread::spawn(move || {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(wait);
        stop.store(true, Relaxed);
    });
    let calls: String = (0..40).map(|n| format!(" [(str ?x{n} ?y) ?x{}]", n + 1)).collect();
    let slow = format!("[:find (count ?x40) . :where [_ :commit/sha ?x0] [_ :commit/sha ?y]{calls}]");
    let outcome = tried(&mut session, &slow);
    stopper.join().expect("it stops");
    let problem = outcome.expect_err("it was stopped");
    assert_eq!(problem.keyword(), "db.error/interrupted", "{problem} {:?}", begun.elapsed());
}

#[test]
fn pages_follow_each_other_at_the_moment_of_the_first() {
    let mut session = with_sample("git-small");
    let paths = "[:find ?p :order-by (desc ?p) :limit 10 :where [_ :file/path ?p]]";
    let mut seen = vec![says(&mut session, paths)];
    says(&mut session, "[{:file/path \"aaa\"}]");
    seen.extend((0..2).map(|_| says(&mut session, ".next")));
    let all: Vec<&str> =
        seen.iter().flat_map(|page| page.lines()).map(|line| line.trim_matches(['[', ']', ' '])).collect();
    assert_eq!(all.len(), 24, "{all:?}");
    assert!(all.is_sorted_by(|x, y| x > y), "{all:?}");
    assert_eq!(says(&mut session, ".next"), "[]");
    assert!(tried(&mut session, ".next").is_err());
}

#[test]
fn time_can_be_bounded_and_answers_checked() {
    let mut session = with_sample("git-small");
    says(&mut session, ".timeout 20");
    let product = "[:find (count ?x) . :where [_ _ ?x] [_ _ ?a] [_ _ ?b]]";
    assert_eq!(tried(&mut session, product).expect_err("it is late").keyword(), "db.error/timeout");
    says(&mut session, ".timeout 0");
    says(&mut session, ".verify on");
    let sizes = "[:find (count ?f) . :where [?f :file/size]]";
    let count = says(&mut session, sizes);
    says(&mut session, ".verify off");
    assert_eq!(says(&mut session, sizes), count);
    let plan = says(&mut session, &format!(".explain {sizes}"));
    assert!(plan.contains(":steps") && !plan.contains(":planning-us"), "{plan}");
}

#[test]
fn commands_look_at_facts() {
    let mut session = with_sample("git-small");
    let schema = says(&mut session, ".schema file");
    assert!(schema.contains(":attribute :file/path") && !schema.contains(":commit/sha"), "{schema}");
    let entity = says(&mut session, ".entity [:file/path \"README.md\"]");
    assert!(entity.contains(":a :file/path, :instant #inst"), "{entity}");
    let tree = says(&mut session, ".pull [:file/path {:file/dir [:dir/path]}] [:file/path \"README.md\"]");
    assert_eq!(tree, "{:file/dir {:dir/path \".\"}, :file/path \"README.md\"}");
    assert_eq!(says(&mut session, ".log").lines().count(), 20);
    assert_eq!(says(&mut session, ".log 3 5").lines().count(), 2);
    assert!(says(&mut session, ".tx 2").contains(":a :commit/sha"));
    assert!(says(&mut session, ".datoms aevt :file/path").lines().count() == 24);
    let dir = "[:find ?d . :where [?d :dir/path \".\"]]";
    let e = says(&mut session, dir);
    let referrers = says(&mut session, &format!(".datoms vaet {e} :file/dir"));
    assert!(
        referrers.lines().count() > 1 && referrers.lines().all(|line| line.contains(":a :file/dir")),
        "{referrers}"
    );
    assert!(!says(&mut session, &format!(".explain {SIZE} \"README.md\"")).is_empty());
    assert!(says(&mut session, ".stats").starts_with('{'));
    assert!(says(&mut session, ".verify").contains("nothing is wrong"));
    assert!(tried(&mut session, ".verify all").is_err());
    assert_eq!(says(&mut session, ".db"), "[\"main\"]");
}

const SHOP: &str = r#"[
  {:db/ident :shop/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :shop/open :db/doc "Opens a shop" :db.command/args "{:name :string}"
   :db/fn "{:in [?name] :where [[(!= ?name \"\")]] :tx [{:db/id \"shop\" :shop/name ?name}]}"}]"#;

#[test]
fn commands_of_the_database_are_run_once_under_a_key() {
    let mut session = session();
    assert_eq!(says(&mut session, ".commands"), "[]");
    says(&mut session, SHOP);
    let all = says(&mut session, ".commands");
    assert!(all.contains(":command :shop/open") && all.contains(":takes {:name :string}"), "{all}");
    assert_eq!(session.completions().commands, [":shop/open"]);
    let first = says(&mut session, ".command shop/open {:name \"Tea\"} \"k 1\"");
    assert!(first.contains(":t 2") && !first.contains(":replayed"), "{first}");
    let again = says(&mut session, ".command :shop/open {:name \"Tea\"} \"k 1\"");
    assert!(again.contains(":t 2") && again.contains(":replayed true"), "{again}");
    assert!(again.contains(":db-after {:basis-t 2}") && again.contains(":db-before {:basis-t 1}"), "{again}");
    assert_eq!(session.prompt(), "main@2> ");
    let refused = tried(&mut session, ".command shop/open {:name 7} \"k2\"").expect_err("it is no text");
    assert_eq!(refused.keyword(), "db.error/invalid-arguments");
    let listed = says(&mut session, ".requests");
    assert_eq!(listed.matches(":key").count(), 2, "{listed}");
    assert!(
        says(&mut session, ".requests k 1").contains(":command :shop/open, :key \"k 1\", :state :committed")
    );
    assert!(says(&mut session, ".requests k2").contains(":keyword :db.error/invalid-arguments"));
    let unknown = tried(&mut session, ".requests k3").expect_err("there is none");
    assert_eq!((unknown.keyword(), unknown.span()), ("db.error/unknown-request", Some(10..12)));
}

#[test]
fn a_command_that_is_not_there_or_not_right_is_pointed_at() {
    let mut session = session();
    says(&mut session, SHOP);
    for (text, place, hint) in [
        (".command shop/opn {}", "shop/opn", "shop/open"),
        (".command shop/open {:nam \"x\"}", ":nam", ":db.command/args"),
        (".command shop/open {} k", "k", "usage"),
        (".command \"shop/open\"", "\"shop/open\"", "usage"),
        (".commands all", "all", "usage"),
    ] {
        let problem = tried(&mut session, text).expect_err("it is wrong");
        assert_eq!(problem.span().map(|at| &text[at]), Some(place), "{text}: {problem}");
        assert!(problem.hint_text().is_some_and(|told| told.contains(hint)), "{text}: {problem}");
    }
    says(&mut session, ".with [{:shop/name \"Tea\"}]");
    let problem = tried(&mut session, ".command shop/open {:name \"x\"}").expect_err("nothing is written");
    assert_eq!(problem.keyword(), "repl.error/what-if");
}

#[test]
fn a_difference_has_two_directions() {
    let mut session = with_sample("git-small");
    let there = says(&mut session, ".diff 5 9");
    let back = says(&mut session, ".diff 9 5");
    assert!(there.lines().count() > 1);
    assert_eq!(there.matches(":op +").count(), back.matches(":op -").count());
    assert_eq!(says(&mut session, ".diff 7 7"), "[]");
}

#[test]
fn problems_point_into_what_was_typed() {
    let mut session = with_sample("git-small");
    for (text, place) in [
        ("  [:find ?e :where [?e :file/pth]]", ":file/pth"),
        (".pull [:file/path] [:file/path \"nothing\"]", "[:file/path \"nothing\"]"),
        (".explain [:find ?e :where [?e :file/pth]]", ":file/pth"),
        (".shcema", ".shcema"),
        (".history perhaps", "perhaps"),
        ("[{:file/pth \"x\"}]", ":file/pth"),
        (".with [{:file/pth \"x\"}]", ":file/pth"),
    ] {
        let problem = tried(&mut session, text).expect_err("it is wrong");
        let at = problem.span().unwrap_or_else(|| panic!("{text}: {problem}"));
        assert_eq!(&text[at], place, "{text}");
        if place.starts_with([':', '.']) {
            assert!(problem.has_suggestion(), "{text}: {problem}");
        }
    }
}

#[test]
fn databases_of_one_storage() {
    let mut session = session();
    assert!(
        tried(&mut session, ".db mian").expect_err("none").hint_text().expect("a hint").contains("`main`")
    );
    says(&mut session, ".db create other");
    assert_eq!(session.prompt(), "other@0> ");
    assert_eq!(says(&mut session, ".db"), "[\"main\" \"other\"]");
    says(&mut session, ".open mem:");
    assert_eq!(says(&mut session, ".db"), "[\"main\"]");
}

#[test]
fn a_sample_is_not_mixed_with_other_facts() {
    let mut session = session();
    says(&mut session, "[{:db/doc \"a fact\"}]");
    let problem = tried(&mut session, ".sample git-small").expect_err("it is not empty");
    assert_eq!(problem.keyword(), "repl.error/not-empty");
}

#[test]
fn scripts_are_read_and_do_not_call_themselves_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.edn");
    let mut session = session();
    std::fs::write(&path, "[{:db/doc \"a\"}]\n[:find ?d :where [_ :db/doc ?d]\n [(= ?d \"a\")]]\n")
        .expect("a file");
    assert!(says(&mut session, &format!(".read {}", path.display())).ends_with("[[\"a\"]]"));
    std::fs::write(&path, format!(".read {}", path.display())).expect("a file");
    let problem = tried(&mut session, &format!(".read {}", path.display())).expect_err("it never ends");
    assert_eq!(problem.keyword(), "repl.error/endless-script");
    std::fs::write(&path, "\n[:find\n").expect("a file");
    let problem = tried(&mut session, &format!(".read {}", path.display())).expect_err("it is open");
    assert!(problem.to_string().contains("a.edn:2: "), "{problem}");
}

#[test]
fn a_session_goes_on_in_a_fork() {
    let mut session = session();
    says(&mut session, "[{:db/ident :rank/mate}]");
    says(&mut session, "[{:db/ident :rank/cook}]");
    says(&mut session, ".fork trial 1");
    assert_eq!((session.connection().name(), session.connection().db().basis_t()), ("trial", 1));
    assert_eq!(says(&mut session, "[:find ?e . :where [?e :db/ident :rank/cook]]"), "nil");
    assert_eq!(tried(&mut session, ".fork main").expect_err("taken").keyword(), "db.error/db-exists");
    assert_eq!(tried(&mut session, ".fork a b c").expect_err("too much").exit_status(), 2);
}

#[test]
fn every_question_of_every_sample_has_an_answer() {
    for name in sample::NAMES {
        let mut session = with_sample(name);
        for (about, question) in sample::named(name).expect("it is bundled").questions {
            let answer = question.lines().map(|line| says(&mut session, line)).last().unwrap_or_default();
            assert!(!["", "[]", "nil", "0"].contains(&answer.as_str()), "{name}: {about}");
        }
    }
}

#[test]
fn every_step_of_the_tour_works() {
    for name in sample::NAMES {
        let mut session = with_sample(name);
        for step in tour::STEPS {
            for text in step.entries {
                let answer = says(&mut session, text);
                assert!(text.starts_with('.') || !["[]", "nil"].contains(&answer.as_str()), "{name}: {text}");
            }
        }
    }
}

#[test]
fn completion_knows_the_database() {
    let session = with_sample("git-small");
    let names = session.completions();
    assert!(names.attributes.iter().any(|name| name == ":file/path") && names.attributes.is_sorted());
    assert!(names.idents.iter().any(|name| name == ":db.type/ref") && names.idents.is_sorted());
    assert_eq!(names.databases, ["main"]);
}
