//! A real server for tests: started on loopback in a folder of its own, gone with the process that started it.
//!
//! It keeps its promises (fsync stays on), so that what is shown on it holds. The programs are those on the machine, or
//! the ones `tests/servers.sh` fetches. A machine with neither fails the test: nothing is skipped.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge, for tests: it looks for programs and waits for them"
)]

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::link::Link;
use crate::backend::guard;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// How many ports are tried in that time.
const PORTS_TRIED: u32 = 3;
/// Who runs it where the tests run as the superuser, whom the server refuses: nobody.
const NOBODY: u32 = 65_534;
/// A running server.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    /// The guard; the server is its child.
    process: Child,
    databases: AtomicU64,
}

impl Server {
    /// The server of this process, started by whoever asks first.
    pub fn shared() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Server::start)
    }

    /// Starts a server.
    ///
    /// # Panics
    /// If there is none on this machine, or it does not start.
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder for the server");
        own(folder.path());
        let data = folder.path().join("data");
        let created = program("initdb")
            .args(["-U", "annals", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb can be run");
        assert!(created.status.success(), "initdb: {}", String::from_utf8_lossy(&created.stderr));
        let databases = AtomicU64::new(0);
        let mut port = guard::free_port();
        let mut server = Server { process: launch(&data, port), folder, port, databases };
        // Somebody may have taken the port meanwhile.
        for _ in 0..PORTS_TRIED {
            if server.answers(START / PORTS_TRIED) {
                return server;
            }
            server.end();
            port = guard::free_port();
            (server.process, server.port) = (launch(&data, port), port);
        }
        panic!("no server after {START:?}: {}", server.log());
    }

    /// The address of a database of its own, which is empty.
    pub fn fresh(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let statement: &'static str = Box::leak(format!("CREATE DATABASE {name}").into_boxed_str());
        let link = Link::open(&self.address("postgres"), 1).expect("the server is there");
        link.ask(statement, Vec::new()).expect("a database is made");
        self.address(&name)
    }

    /// The address of a database.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://annals@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it at once, as a crash does, and starts it again on what it had stored.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.restart();
    }

    /// Ends it at once, as a crash does.
    pub fn crash(&mut self) {
        let data = self.folder.path().join("data");
        let text = std::fs::read_to_string(data.join("postmaster.pid")).expect("it runs");
        let pid = text.lines().next().expect("its number");
        let killed = Command::new("kill").args(["-KILL", pid]).status().expect("kill can be run");
        assert!(killed.success(), "the server {pid} was there");
        self.end();
    }

    /// Starts it again, on what it had stored.
    pub fn restart(&mut self) {
        let data = self.folder.path().join("data");
        // Until its orphans are gone, another is refused.
        let start = Instant::now();
        loop {
            self.process = launch(&data, self.port);
            if self.answers(Duration::from_secs(2)) || start.elapsed() > START {
                break;
            }
            self.end();
        }
        self.wait();
    }

    /// Changes a setting for connections made from now on.
    pub fn set(&self, statement: &'static str) {
        let link = Link::open(&self.address("postgres"), 1).expect("the server is there");
        link.ask(statement, Vec::new()).expect("a setting");
    }

    fn end(&mut self) {
        guard::end(&mut self.process);
    }

    fn answers(&mut self, within: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < within {
            if Link::open(&self.address("postgres"), 1).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(30));
        }
        false
    }

    fn wait(&self) {
        let start = Instant::now();
        while Link::open(&self.address("postgres"), 1).is_err() {
            assert!(
                start.elapsed() < START,
                "no server on port {} after {START:?}: {}",
                self.port,
                self.log()
            );
            thread::sleep(Duration::from_millis(30));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn launch(data: &Path, port: u16) -> Child {
    let log = std::fs::File::create(data.with_file_name("log")).expect("a log");
    let mut postgres = program("postgres");
    postgres.arg("-D").arg(data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    postgres.args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
    // A fast shutdown, which waits for no client.
    let mut guard = guard::guarded(&postgres, "INT");
    as_nobody(&mut guard);
    guard.stderr(log).spawn().expect("a shell can be run")
}

/// A program of PostgreSQL's.
fn program(name: &str) -> Command {
    let (folder, libraries) = programs();
    let mut command = Command::new(folder.join(name));
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    as_nobody(&mut command);
    command
}

/// Where the programs are, and their libraries if they are not the machine's.
fn programs() -> (PathBuf, Option<OsString>) {
    let has = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let newest = |root: &Path| {
        let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> =
            versions.map(|version| version.path().join("bin")).filter(|folder| has(folder)).collect();
        found.sort();
        found.pop()
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(|folder| has(folder)) {
        return (folder, None);
    }
    if let Some(folder) = newest(Path::new("/usr/lib/postgresql")) {
        return (folder, None);
    }
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers/postgresql");
    let folder = newest(&fetched.join("usr/lib/postgresql"));
    let libraries = std::fs::read_dir(fetched.join("usr/lib")).into_iter().flatten().flatten();
    let libraries = libraries.map(|entry| entry.path()).find(|path| path.join("libpq.so.5").is_file());
    let folder = folder.expect("no PostgreSQL on this machine: run tests/servers.sh, which fetches one");
    (folder, libraries.map(PathBuf::into_os_string))
}

/// True where the server must not be run by whom the tests are run by.
#[cfg(unix)]
fn is_superuser() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(unix)]
fn as_nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    if is_superuser() {
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
    }
}

#[cfg(not(unix))]
fn as_nobody(_: &mut Command) {}

/// Makes a folder the server's.
#[cfg(unix)]
fn own(folder: &Path) {
    if is_superuser() {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("a folder for nobody");
    }
}

#[cfg(not(unix))]
fn own(_: &Path) {}

/// Forwards connections to a server, and cuts them all when it is told to.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// A proxy before a server.
    pub fn before(server: &Server) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let streams = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (known, target) = (Arc::clone(&streams), server.port);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a handle");
                known.lock().expect("nobody panics holding it").extend([clone(&client), clone(&server)]);
                for (mut from, mut to) in [(clone(&client), clone(&server)), (server, client)] {
                    thread::spawn(move || {
                        // However it ends, both sides must hear of it: a handle that is kept holds them open.
                        let _ = std::io::copy(&mut from, &mut to);
                        for stream in [from, to] {
                            let _ = stream.shutdown(std::net::Shutdown::Both);
                        }
                    });
                }
            }
        });
        Proxy { port, streams }
    }

    /// The address of a database behind it.
    pub fn address(&self, address: &str) -> String {
        let (before, database) = address.rsplit_once('/').expect("an address");
        let host = before.rsplit_once(':').map_or(before, |(host, _)| host);
        format!("{host}:{}/{database}", self.port)
    }

    /// Cuts every connection there is; new ones are taken.
    pub fn cut(&self) {
        for stream in self.streams.lock().expect("nobody panics holding it").drain(..) {
            // The other end may be gone.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
