//! The binary as a server that is operated: its log, and its end when it is asked to end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use annals_tests::binary;
use serde_json::Value;

/// A server of a database in memory, and the lines it says.
struct Served {
    child: Child,
    lines: Receiver<String>,
    url: String,
}

impl Served {
    fn start(more: &[&str], variables: &[(&str, &str)]) -> Served {
        let mut command = binary::command();
        command.args(["serve", "mem:", "--listen", "127.0.0.1:0"]).args(more).envs(variables.iter().copied());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (sender, lines) = channel();
        let said = BufReader::new(child.stderr.take().expect("it is piped"));
        std::thread::spawn(move || {
            said.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok());
        });
        let mut served = Served { child, lines, url: String::new() };
        let told = served.line(|line| line.contains("Ctrl-C"));
        let url = told.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        served.url = url.trim_end_matches(';').to_owned();
        served
    }

    /// The next line that is as wanted.
    fn line(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).expect("a line in time");
            if is_wanted(&line) {
                return line;
            }
        }
    }

    fn get(&self, path: &str, id: &str) -> u16 {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let request = agent.get(format!("{}{path}", self.url)).header("x-request-id", id);
        request.call().expect("an answer").status().as_u16()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_request_is_one_line_with_all_that_matters() {
    let json = Served::start(&["--log", "json", "--log-level", "info"], &[]);
    assert_eq!(json.get("/v1/db/main/datoms/avet?a=:db/ident&limit=1", "first"), 200);
    assert_eq!(json.get("/v1/db/none", "second"), 404);
    let line = |id: &str| -> Value {
        let line = json.line(|line| line.contains(&format!("\"request\":\"{id}\"")));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let first = line("first");
    let word = |name: &str| first[name].as_str().unwrap_or_default();
    assert_eq!((word("message"), word("method"), word("level")), ("answered", "GET", "INFO"), "{first}");
    assert_eq!((word("route"), word("db")), ("/v1/db/{db}/datoms/{index}", "main"), "{first}");
    assert_eq!((&first["status"], &first["basis"]), (&200.into(), &0.into()), "{first}");
    assert!(first["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{first}");
    let second = line("second");
    assert_eq!((&second["status"], second.get("db")), (&404.into(), None), "{second}");
    assert!(!second.to_string().contains("none"), "no path: {second}");
}

#[test]
fn the_level_can_come_from_the_environment_and_nonsense_is_refused() {
    let text = Served::start(&[], &[("ANNALS_LOG", "info")]);
    assert_eq!(text.get("/v1/db", "third"), 200);
    let line = text.line(|line| line.contains("request=\"third\""));
    assert!(line.contains("INFO") && line.contains("status=200"), "{line}");
    for wrong in [&["--log", "xml"][..], &["--log-level", "annals=loud"]] {
        let told = binary::command().args(["serve", "mem:"]).args(wrong).output().expect("it runs");
        assert_eq!(told.status.code(), Some(2), "{}", String::from_utf8_lossy(&told.stderr));
    }
}

#[cfg(unix)]
#[test]
fn asked_to_end_it_ends_in_order() {
    let mut served = Served::start(&["--log-level", "info"], &[]);
    let request =
        ureq::get(format!("{}/v1/db/main/log/tail", served.url)).header("accept", "text/event-stream");
    let mut stream = request.call().expect("a stream").into_body().into_reader();
    let mut first = [0; 11];
    stream.read_exact(&mut first).expect("a heartbeat");
    let kill = std::process::Command::new("kill").arg(served.child.id().to_string()).status();
    assert!(kill.expect("a signal is sent").success());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an orderly end");
    assert!(rest.contains("event: end") && rest.contains("db.error/stopping"), "{rest}");
    served.line(|line| line.contains("stopped"));
    assert_eq!(served.child.wait().expect("it ended").code(), Some(0));
}
