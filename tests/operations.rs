//! The commands of `docs/operations.md`, run as they stand: a transactor, a standby and two peers on a PostgreSQL.
//!
//! The ports of the page are exchanged for free ones, and between two pieces of the page it is waited until everybody listens.

#![allow(clippy::disallowed_methods)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use annals_storage::backend::postgres::server::Server;
use annals_tests::binary;

/// Every block of shell commands of a page, in order.
fn commands(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == "```sh" {
            blocks.push(
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect(),
            );
        }
    }
    blocks
}

/// The ports that the page names.
fn ports(text: &str) -> Vec<u16> {
    let mut found: Vec<u16> = text
        .split("127.0.0.1:")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

#[test]
fn a_newcomer_runs_a_cluster_by_copying_commands() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let mut blocks = commands(&std::fs::read_to_string(page).expect("the page"));
    assert_eq!(blocks.len(), 3, "the page starts a cluster, uses it, and loses the transactor");
    let ports: Vec<(u16, u16)> =
        ports(&blocks.concat()).into_iter().map(|port| (port, free_port())).collect();
    assert_eq!(ports.len(), 4, "{ports:?}");
    for block in &mut blocks {
        for (told, free) in &ports {
            *block = block.replace(&format!("127.0.0.1:{told}"), &format!("127.0.0.1:{free}"));
        }
    }
    let listening = ports.iter().map(|(_, free)| format!("until_there {free}\n")).collect::<String>();
    let script = format!(
        "set -eu\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n\
         until_there() {{ for _ in $(seq 600); do (: < /dev/tcp/127.0.0.1/$1) 2>/dev/null && return; sleep 0.1; done; exit 9; }}\n\
         {}{listening}{}{}",
        blocks[0], blocks[1], blocks[2]
    );
    let annals = binary::annals();
    let folder = annals.parent().expect("its folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash")
        .env("PATH", format!("{folder}:{path}"))
        .env("STORAGE", Server::shared().fresh())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell can be run");
    bash.stdin.take().expect("its input").write_all(script.as_bytes()).expect("it listens");
    let done = bash.wait_with_output().expect("its end");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{script}\n{out}\n{err}");
    assert!(out.contains("Adele") && out.contains("Berta"), "{out}\n{err}");
    for (_, port) in ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody is still at {port}");
    }
}
