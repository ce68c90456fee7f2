//! The binary as scripts see it: streams, formats, exit status.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCHEMA: &str = "[{:db/ident :film/title :db/valueType :db.type/string :db/cardinality :db.cardinality/one \
                      :db/unique :db.unique/identity} {:db/ident :film/year :db/valueType :db.type/long \
                      :db/cardinality :db.cardinality/one}]";
const FILMS: &str = "[{:film/title \"Alien\" :film/year 1979} {:film/title \"Heat\" :film/year 1995}]";
const TITLES: &str = "[:find ?t ?y :where [?f :film/title ?t] [?f :film/year ?y]]";

/// A folder with nothing in it, in which the binary runs.
struct Place(tempfile::TempDir);

/// What a run of the binary came to.
#[derive(Debug)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        let settings = std::env::vars().filter(|(name, _)| name.starts_with("ANNALS_"));
        for (name, _) in settings {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.path()).env("NO_COLOR", "1").env("COLUMNS", "100");
        command.env("HOME", self.path()).env_remove("XDG_STATE_HOME");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.fed(args, "")
    }

    fn fed(&self, args: &[&str], input: &str) -> Ran {
        finish(self.command(args), input)
    }

    /// A storage with two films.
    fn with_films() -> Place {
        let place = Place::new();
        assert_eq!(place.run(&["transact", "films.annals", SCHEMA]).status, 0);
        assert_eq!(place.run(&["transact", "films.annals", FILMS]).status, 0);
        place
    }
}

fn finish(mut command: Command, input: &str) -> Ran {
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().expect("the binary runs");
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("it reads");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("an end");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { status: status.code().expect("no signal"), out: text(stdout), err: text(stderr) }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

#[test]
fn a_query_in_every_format() {
    let place = Place::with_films();
    let query = |format: &str| {
        let ran = place.run(&["query", "films.annals", TITLES, "--format", format]);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{format}");
        ran.out
    };
    assert_eq!(query("edn"), "[[\"Alien\" 1979]\n [\"Heat\" 1995]]\n");
    assert_eq!(query("json"), "[[\"Alien\",1979],[\"Heat\",1995]]\n");
    assert_eq!(query("jsonl"), "[\"Alien\",1979]\n[\"Heat\",1995]\n");
    assert_eq!(query("csv"), "?t,?y\nAlien,1979\nHeat,1995\n");
    assert_eq!(query("table"), " ?t    │   ?y\n───────┼──────\n Alien │ 1979\n Heat  │ 1995\n2 rows\n");
    let plain = place.run(&["query", "films.annals", TITLES]);
    assert_eq!(plain.out, query("edn"), "a pipe gets EDN");
}

#[test]
fn a_query_comes_from_argument_file_or_input_and_takes_inputs() {
    let place = Place::with_films();
    let query = "[:find ?t . :in $ ?y :where [?f :film/year ?y] [?f :film/title ?t]]";
    std::fs::write(place.path().join("q.edn"), query).expect("a file");
    let argument = place.run(&["query", "films.annals", query, "--arg", "1995"]);
    let file = place.run(&["query", "films.annals", "--file", "q.edn", "-a", "1995"]);
    let input = place.fed(&["query", "films.annals", "-", "-a", "1995"], query);
    for ran in [argument, file, input] {
        assert_eq!((ran.status, ran.out.as_str()), (0, "\"Heat\"\n"), "{ran:?}");
    }
}

#[test]
fn any_moment_can_be_asked() {
    let place = Place::with_films();
    place.run(&["transact", "films.annals", "[{:film/title \"Heat\" :film/year 1996}]"]);
    let year = "[:find ?y . :where [?f :film/title \"Heat\"] [?f :film/year ?y]]";
    let ask = |query: &str, more: &[&str]| {
        let ran = place.run(&[&["query", "films.annals", query], more].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.out
    };
    assert_eq!(ask(year, &[]), "1996\n");
    assert_eq!(ask(year, &["--as-of", "2"]), "1995\n");
    assert_eq!(ask("[:find ?y . :where [_ :film/year ?y]]", &["--since", "2"]), "1996\n");
    let all = "[:find ?y ?added :where [?f :film/title \"Heat\"] [?f :film/year ?y _ ?added]]";
    assert_eq!(ask(all, &["--history"]), "[[1995 false]\n [1995 true]\n [1996 true]]\n");
}

#[test]
fn pull_log_schema_and_stats() {
    let place = Place::with_films();
    let tree = place.run(&["pull", "films.annals", "[:film/title :film/year]", "[:film/title \"Heat\"]"]);
    assert_eq!(tree.out, "{:film/title \"Heat\", :film/year 1995}\n");
    let log = place.run(&["log", "films.annals", "--from", "2", "--format", "jsonl"]);
    assert_eq!(log.out.lines().count(), 1);
    assert!(log.out.contains("\":added\":5") && log.out.contains("\":t\":2"), "{}", log.out);
    let schema = place.run(&["schema", "films.annals", "--format", "csv"]);
    assert!(schema.out.contains("\n:film/title,string,one,identity,"), "{}", schema.out);
    let stats = place.run(&["stats", "films.annals", "--memory", "1GiB", "--cache", "5MiB"]);
    assert!(stats.status == 0 && stats.out.starts_with('{'), "{stats:?}");
    for part in [":db/memory 1073741824", ":db/cache-capacity 5242880", ":db/novelty-limit-bytes 127926272"] {
        assert!(stats.out.contains(part), "{part}: {}", stats.out);
    }
}

/// As if every few facts were many.
fn with_jobs(place: &Place, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    command.env("ANNALS_NOVELTY_DATOMS", "2");
    finish(command, "")
}

#[test]
fn what_jobs_leave_behind_is_collected_and_verified() {
    let place = Place::with_films();
    for year in 1990..2000 {
        let tx = format!("[{{:film/title \"Heat\" :film/year {year}}}]");
        assert_eq!(with_jobs(&place, &["transact", "films.annals", &tx]).status, 0);
    }
    let verified = place.run(&["verify", "films.annals"]);
    assert_eq!((verified.status, verified.out.as_str()), (0, "[]\n"), "{verified:?}");
    assert!(verified.err.contains("nothing is wrong"), "{verified:?}");
    let stats = place.run(&["stats", "films.annals"]);
    assert!(!stats.out.contains(":db/index-t nil"), "{}", stats.out);
    let collected = place.run(&["gc", "films.annals", "--grace", "0s"]);
    assert!(collected.status == 0 && collected.err.contains("deleted"), "{collected:?}");
    assert!(!collected.err.contains(" 0 segments"), "{collected:?}");
    let compacted = place.run(&["gc", "films.annals", "--compact"]);
    assert!(
        compacted.err.contains(" 0 segments") && compacted.err.contains("bytes, before"),
        "{compacted:?}"
    );
    assert_eq!(place.run(&["verify", "films.annals"]).status, 0);
    assert!(place.run(&["query", "films.annals", TITLES]).out.contains("[\"Heat\" 1999]"));
    for (args, hint) in
        [(["gc", "films.annals", "--grace", "soon"], "24h"), (["stats", "a", "--memory", "much"], "GiB")]
    {
        let ran = place.run(&args);
        assert!(ran.status == 2 && ran.err.contains(hint), "{ran:?}");
    }
}

#[test]
fn a_fork_goes_its_own_way() {
    let place = Place::with_films();
    let ran = place.run(&["fork", "films.annals", "main", "trial", "--at", "1"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, "trial shares the past of main up to t 1\n"));
    let films = "[{:film/title \"Ran\" :film/year 1985}]";
    assert_eq!(place.run(&["transact", "films.annals", films, "--db", "trial"]).status, 0);
    let titles = |db: &str| place.run(&["query", "films.annals", TITLES, "--db", db, "--format", "csv"]).out;
    assert_eq!(titles("trial").lines().skip(1).collect::<Vec<_>>(), ["Ran,1985"]);
    assert!(titles("main").contains("Alien") && !titles("main").contains("Ran"));
    let again = place.run(&["fork", "films.annals", "main", "trial"]);
    assert_eq!(again.status, 1);
    assert!(again.err.contains("db-exists"), "{}", again.err);
    assert!(place.run(&["fork", "films.annals", "main", "b", "--at", "9"]).err.contains("fork-beyond-basis"));
}

#[test]
fn damage_is_listed_and_trees_are_made_anew() {
    let place = Place::with_films();
    assert_eq!(
        with_jobs(&place, &["transact", "films.annals", "[{:film/title \"Tron\" :film/year 1982}]"]).status,
        0
    );
    let path = place.path().join("films.annals");
    let mut bytes = std::fs::read(&path).expect("the storage");
    // Every leaf: the frames of kind 1. Some are of older roots, which nobody reads.
    let is_leaf = |at: &usize| bytes[*at..].starts_with(b"ANLS") && bytes.get(at + 6) == Some(&1);
    let leaves: Vec<usize> = (0..bytes.len()).filter(is_leaf).collect();
    assert!(!leaves.is_empty(), "jobs have written trees");
    leaves.iter().for_each(|at| bytes[at + 44] ^= 0x55);
    std::fs::write(&path, bytes).expect("a file");

    let verified = place.run(&["verify", "films.annals"]);
    assert!(verified.status == 1 && verified.out.contains("segment"), "{verified:?}");
    let repaired = place.run(&["verify", "films.annals", "--repair"]);
    assert_eq!((repaired.status, repaired.out.as_str()), (0, "[]\n"), "{repaired:?}");
    assert!(repaired.err.contains("anew"), "{repaired:?}");
    let found = place.run(&["query", "films.annals", TITLES]);
    assert_eq!(found.out.lines().count(), 3, "{found:?}");
    assert!(place.run(&["verify", "nothing.annals"]).err.contains("not-found"));
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::with_films();
    let tried = place.run(&[
        "transact",
        "films.annals",
        "[{:film/title \"Tron\"}]",
        "--dry-run",
        "--format",
        "table",
    ]);
    assert!(tried.out.contains("what if: t 3") && tried.out.contains("Tron"), "{tried:?}");
    assert!(!place.run(&["query", "films.annals", TITLES]).out.contains("Tron"));
}

#[test]
fn a_request_with_a_key_is_carried_out_once_and_expects_something() {
    let place = Place::with_films();
    let tx = |more: &[&str]| {
        place.run(&[&["transact", "films.annals", "[{:film/title \"Tron\" :film/year 1982}]"], more].concat())
    };
    let first = tx(&["--key", "tron", "--format", "table"]);
    assert!(first.status == 0 && first.out.starts_with("written: t 3,"), "{first:?}");
    let again = tx(&["--key", "tron", "--format", "table"]);
    assert!(again.status == 0 && again.out.starts_with("replayed: t 3,"), "{again:?}");
    assert!(tx(&["--key", "tron"]).out.contains(":replayed true"));
    let stale = tx(&["--expect", "{:basis 3}", "--expect", "{:basis 2}", "--expect", "{:basis 1}"]);
    assert_eq!((stale.status, stale.out.as_str()), (1, ""));
    for part in ["conflict[db.error/expectation-failed]", "{:basis 2} (and 1 more)", ":actual 3", "help: "] {
        assert!(stale.err.contains(part), "{part}: {}", stale.err);
    }
    let wrong = tx(&["--expect", "{:basis"]);
    assert!(wrong.status == 1 && wrong.err.contains("expectation 1 `{:basis`"), "{wrong:?}");
    assert_eq!(tx(&["--later"]).status, 2, "what is done later needs a key");
    assert_eq!(tx(&["--dry-run", "--key", "k"]).status, 2);
    let taken = tx(&["--later", "--key", "again", "--expect", "{:basis 1}"]);
    assert!(taken.status == 0 && taken.out.contains(":taken-in 4"), "{taken:?}");
    let listed = place.run(&["requests", "films.annals"]);
    assert_eq!(listed.out.matches(":key").count(), 2, "{listed:?}");
    let told = place.run(&["requests", "films.annals", "again"]);
    for part in [":state :rejected", ":t 5", ":taken-in 4", ":keyword :db.error/expectation-failed"] {
        assert!(told.out.contains(part), "{part}: {told:?}");
    }
    let one = place.run(&["requests", "films.annals", "--last", "1", "--format", "csv"]);
    assert!(one.out.starts_with("key,state,t,taken-in,command,why\nagain,:rejected,5,4,"), "{one:?}");
    let none = place.run(&["requests", "films.annals", "none"]);
    assert!(none.status == 1 && none.err.contains("db.error/unknown-request"), "{none:?}");
}

#[test]
fn commands_of_the_database_are_listed_tried_and_run() {
    let place = Place::with_films();
    assert_eq!(place.run(&["commands", "films.annals"]).out, "[]\n");
    let add = "[{:db/ident :film/add :db/doc \"Adds a film\"
                 :db.command/args \"{:title :string :year {:type :long :min 1888}}\"
                 :db/fn \"{:in [?title ?year] :where [[(< 0 ?year)]] :tx [{:film/title ?title :film/year ?year}]}\"}]";
    assert_eq!(place.run(&["transact", "films.annals", add]).status, 0);
    let listed = place.run(&["commands", "films.annals", "--format", "csv"]);
    assert_eq!(
        listed.out,
        "command,takes,native,doc\n:film/add,\"{:title :string, :year {:min 1888, :type :long}}\",false,Adds a film\n"
    );
    let tron = "{:title \"Tron\" :year 1982}";
    let tried = place.run(&["command", "films.annals", "film/add", tron, "--dry-run", "--format", "table"]);
    assert!(tried.status == 0 && tried.out.starts_with("what if: t 4,"), "{tried:?}");
    assert!(!place.run(&["query", "films.annals", TITLES]).out.contains("Tron"));
    let mut command = place.command(&["command", ":film/add", "-", "--key", "k"]);
    command.env("ANNALS_STORAGE", "films.annals");
    assert_eq!(finish(command, tron).status, 0);
    let again = place.run(&["command", "films.annals", ":film/add", tron, "--key", "k"]);
    assert!(again.status == 0 && again.out.contains(":replayed true"), "{again:?}");
    assert!(place.run(&["query", "films.annals", TITLES]).out.contains("[\"Tron\" 1982]"));
    for (args, status, part) in [
        (&["command", "films.annals", "film/ad", "{}"][..], 1, "did you mean `film/add`?"),
        (
            &["command", "films.annals", "film/add", "{:year 1}"],
            1,
            ":title is missing; :year is at least 1888",
        ),
        (&["command", "films.annals", "film/add", "{:year"], 1, "db.error/syntax"),
        (&["command", "films.annals", "film/add", "7"], 1, "are no map"),
        (&["command", "films.annals"], 2, "needs its name"),
        (&["command", "nothing.annals", "film/add"], 1, "not-found"),
    ] {
        let ran = place.run(args);
        assert!(ran.status == status && ran.err.contains(part), "{args:?} {ran:?}");
    }
}

#[test]
fn a_failure_has_status_1_and_points_at_the_place() {
    let place = Place::with_films();
    let query = "[:find ?t :where [?f :film/titel ?t]]";
    let ran = place.run(&["query", "films.annals", query]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    for part in ["incorrect[db.error/", query, "^^^^^^^^^^^", "help: ", ":film/title"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let absent = place.run(&["query", "nothing.annals", TITLES]);
    assert_eq!(absent.status, 1);
    assert!(absent.err.contains("not-found"), "{}", absent.err);
    assert!(!place.path().join("nothing.annals").exists(), "a question makes no file");
}

#[test]
fn wrong_usage_has_status_2_and_a_hint() {
    let place = Place::new();
    for (args, hint) in [
        (&["query", "--as-off", "7"][..], "--as-of"),
        (&["quer"], "`query`"),
        (&["query", "films.annals"], "standard input"),
        (&["--sample", "gti"], "`git`"),
        (&["schema"], "ANNALS_STORAGE"),
        (&["query", "mem:", "[:find ?e]", "--format", "xml"], "jsonl"),
        (&["import", "films.annals"], "<FILES>"),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.status, 2, "{args:?} {ran:?}");
        assert!(ran.err.contains(hint), "{args:?} {ran:?}");
    }
    assert_eq!(place.run(&["--help"]).status, 0);
    assert_eq!(place.run(&["--version"]).out.trim(), concat!("annals ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn settings_come_from_flag_then_variable_then_file() {
    let place = Place::with_films();
    std::fs::write(place.path().join("annals.toml"), "storage = \"films.annals\"\nformat = \"csv\"")
        .expect("a file");
    assert!(place.run(&["query", TITLES]).out.starts_with("?t,?y\n"));
    let mut command = place.command(&["query", TITLES]);
    command.env("ANNALS_FORMAT", "json");
    assert!(finish(command, "").out.starts_with("[[\"Alien\",1979]"));
    let mut command = place.command(&["query", TITLES, "--format", "edn"]);
    command.env("ANNALS_FORMAT", "json");
    assert!(finish(command, "").out.starts_with("[[\"Alien\" 1979]"));
    std::fs::write(place.path().join("annals.toml"), "storege = \"films.annals\"").expect("a file");
    let ran = place.run(&["query", TITLES]);
    assert!(ran.status == 2 && ran.err.contains("`storage`"), "{ran:?}");
}

#[test]
fn a_piped_session_answers_without_prompt_and_goes_on_after_a_failure() {
    let place = Place::new();
    let script = format!("{SCHEMA}\n{FILMS}\n.nonsense\n[:find ?t\n :where [_ :film/title ?t]]\n");
    let ran = place.fed(&[], &script);
    assert_eq!(ran.status, 1);
    assert!(ran.out.ends_with("[[\"Alien\"]\n [\"Heat\"]]\n"), "{}", ran.out);
    assert!(!ran.out.contains('>') && !ran.out.contains('\x1b'), "{}", ran.out);
    assert!(ran.err.contains("no command is named .nonsense"), "{}", ran.err);
    let bailed = place.fed(&["repl", "--bail"], &script);
    assert!(bailed.status == 1 && !bailed.out.contains("Heat\"]\n"), "{bailed:?}");
    let fine = place.fed(&["repl", "mem:"], &format!("{SCHEMA}\n.quit\n[[\n"));
    assert_eq!((fine.status, fine.err.as_str()), (0, ""));
}

#[test]
fn an_import_goes_on_where_it_stopped() {
    let place = Place::new();
    let folder = sample("git-datafrog").display().to_string();
    let count =
        |ran: Ran| ran.err.lines().filter(|line| line.contains("datoms/s")).collect::<Vec<_>>().join("\n");
    let first = place.run(&["import", "git.annals", &format!("{folder}/schema.edn")]);
    assert_eq!(first.status, 0, "{first:?}");
    let all = place.run(&["import", "git.annals", &folder]);
    assert!(all.status == 0 && all.err.contains("schema.edn: 1 transaction in already"), "{all:?}");
    assert!(count(all).contains("transactions.edn.gz: 48 transactions"));
    let again = place.run(&["import", "git.annals", &folder]);
    assert!(again.err.contains("transactions.edn.gz: 48 transactions in already"), "{again:?}");
    assert!(again.err.contains("main is at t 49"), "{again:?}");
}

#[test]
fn a_refused_import_tells_how_to_go_on() {
    let place = Place::with_films();
    std::fs::write(place.path().join("more.edn"), "[{:film/title \"Tron\"}]\n[{:film/titel \"Jaws\"}]\n")
        .expect("a file");
    let ran = place.run(&["import", "films.annals", "more.edn"]);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("--skip 1"), "{}", ran.err);
    assert!(
        place
            .run(&[
                "query",
                "films.annals",
                TITLES.replace(" [?f :film/year ?y]", "").replace(" ?y", "").as_str()
            ])
            .out
            .contains("Tron")
    );
}

#[test]
fn a_sample_answers_its_questions() {
    let place = Place::new();
    let ran = place.fed(
        &["--sample", "git-small"],
        "[:find (count ?f) . :where [?f :file/path]]\n.as-of 11\n[:find (count ?f) . :where [?f :file/path]]\n",
    );
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let counts: Vec<u32> = ran.out.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(counts[0], 24);
    assert!(counts[1] < 24, "{counts:?}");
}
