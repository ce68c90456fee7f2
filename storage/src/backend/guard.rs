//! Servers that tests start: on free ports of loopback, gone with the process that started them.

#![expect(clippy::disallowed_methods, reason = "an edge, for tests: it waits for programs")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Starts a program, and ends it when our end of the pipe is closed, by whatever. Its first argument is the signal.
const GUARD: &str =
    r#"signal=$1; shift; "$@" & server=$!; cat >/dev/null; kill -$signal $server 2>/dev/null; wait $server"#;

/// A program with a guard that ends it by a signal; the program's environment is the guard's.
pub(super) fn guarded(program: &Command, signal: &str) -> Command {
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "sh", signal]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        guard.env(name, value.unwrap_or_default());
    }
    guard.stdin(Stdio::piped()).stdout(Stdio::null());
    guard
}

/// Ends a guarded program, and waits until it has ended.
pub(super) fn end(guard: &mut Child) {
    drop(guard.stdin.take());
    // It may have ended before.
    let _ = guard.wait();
}

/// A port that nobody has now; somebody may take it meanwhile.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its number").port()
}

/// Waits until a guarded program listens on a port: true if it does; false if it ended, or takes longer than this.
pub(super) fn listens(guard: &mut Child, port: u16, most: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < most {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    // Whatever it is, it is not waited for.
    let _ = guard.try_wait();
    false
}
