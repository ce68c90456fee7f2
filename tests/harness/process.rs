//! The processes of a cluster: the binary, started as a user starts it, killed, paused and started again.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::binary;

/// One process that serves HTTP; killed when dropped.
pub struct Process {
    /// The command: role, storage, and what else it is told.
    words: Vec<String>,
    port: u16,
    child: Child,
    /// Kept open, so that it can go on to speak.
    _said: BufReader<ChildStderr>,
}

impl Process {
    /// Starts a process on a free port: `transactor` or `peer` of a storage, with further words of the command line.
    ///
    /// # Panics
    /// If it does not begin to listen.
    pub fn start(role: &str, storage: &str, more: &[&str]) -> Process {
        let words: Vec<String> = [role, storage].iter().chain(more).map(|word| (*word).to_owned()).collect();
        let (child, said, port) = launch(&words, 0);
        Process { words, port, child, _said: said }
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a machine that loses its power does, and waits until it is gone.
    ///
    /// # Panics
    /// If it has ended by itself.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs until it is killed");
        self.child.wait().expect("its end");
    }

    /// Starts it again, where it was.
    pub fn restart(&mut self) {
        let (child, said, port) = launch(&self.words, self.port);
        (self.child, self._said, self.port) = (child, said, port);
    }

    /// Stops it in the middle of whatever it does.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill can be run").success(), "{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(words: &[String], port: u16) -> (Child, BufReader<ChildStderr>, u16) {
    let mut command = binary::command();
    command.args(words).args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    // The last address that it says is its own: the storage may have one too.
    let port = line.rsplit("http://127.0.0.1:").next().and_then(|rest| rest.split(';').next()?.parse().ok());
    let Some(port) = port else {
        let _ = child.kill();
        panic!("{words:?} says {line:?}");
    };
    (child, said, port)
}
