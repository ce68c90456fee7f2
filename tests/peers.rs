//! What questions asked of peers cost the transactor: with warm caches nothing, by its own counts.
//!
//! The storage is a file that the transactor owns, so whatever a peer reads it reads from there: no request can hide.

use std::collections::BTreeMap;

use annals_tests::process::Process;

const SCHEMA: &str = "[
  {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :boat/length :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

/// Questions of several kinds, one of them about the past.
const QUESTIONS: [&str; 5] = [
    "{:query [:find ?n :in $ ?l :where [?b :boat/length ?l] [?b :boat/name ?n]] :args [7]}",
    "{:query [:find (count ?b) . :where [?b :boat/name]]}",
    "{:query [:find (pull ?b [*]) :where [?b :boat/name \"boat 17\"]]}",
    "{:query [:find ?n :where [?b :boat/length 3] [?b :boat/name ?n]] :as-of 3}",
    "{:query [:find ?l (count ?b) :where [?b :boat/length ?l]]}",
];

/// What has nothing to do with questions: who reads these counts, a peer's feed, which waits for news, and its look at the
/// catalog, every second at most, for databases that were dropped.
const ASIDE: [&str; 3] = ["/metrics", "/v1/db/{db}/feed", "/v1/storage/slots/{kind}"];

/// How many requests of each kind a server has answered.
fn answered(server: &Process) -> BTreeMap<String, u64> {
    let mut answer = ureq::get(format!("{}/metrics", server.url())).call().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    let counts = text.lines().filter_map(|line| line.strip_prefix("annals_http_requests_total{"));
    let mut answered = BTreeMap::new();
    for (labels, count) in counts.filter_map(|line| line.rsplit_once("} ")) {
        if !ASIDE.iter().any(|route| labels.contains(&format!("route=\"{route}\""))) {
            answered.insert(labels.to_owned(), count.parse().expect("a count"));
        }
    }
    answered
}

fn post(server: &Process, path: &str, body: &str) -> String {
    let call = ureq::post(format!("{}/v1/db/main/{path}", server.url()));
    let mut answer = call.header("content-type", "application/edn").send(body).expect("an answer");
    answer.body_mut().read_to_string().expect("text")
}

#[test]
fn with_warm_caches_questions_to_peers_are_no_requests_to_the_transactor() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("redb:{}", folder.path().join("boats.annals").display());
    let transactor = Process::start("transactor", &file, &[]);
    let made = ureq::put(format!("{}/v1/db/main", transactor.url())).send_empty().expect("an answer");
    assert!(made.status().is_success());
    post(&transactor, "transact", SCHEMA);
    for tx in 0..4 {
        let boats = (tx * 50..(tx + 1) * 50)
            .map(|n| format!("{{:boat/name \"boat {n}\" :boat/length {}}}", n % 12))
            .collect::<String>();
        post(&transactor, "transact", &format!("[{boats}]"));
    }
    let peers = [(); 2].map(|()| Process::start("peer", &transactor.url(), &["--poll", "never"]));
    let ask = |peer: &Process, path: &str| QUESTIONS.map(|question| post(peer, path, question));
    let warm: Vec<_> = peers.iter().map(|peer| ask(peer, "query?min-t=5")).collect();
    let before = answered(&transactor);
    for _ in 0..100 {
        for (peer, told) in peers.iter().zip(&warm) {
            assert_eq!(&ask(peer, "query"), told);
        }
    }
    assert_eq!(answered(&transactor), before, "1000 questions");
    // It would be seen: who wants the newest has the log looked at.
    assert_eq!(ask(&peers[0], "query?sync=head"), warm[0]);
    assert_ne!(answered(&transactor), before);
}
