//! Emulators of stores that others run, for tests: started on loopback, gone with the process that started them.
//!
//! Azurite is Azure's blobs; moto, one request at a time, is S3 and DynamoDB; dynalite is DynamoDB once more. They are what
//! `tests/servers.sh` fetches. A machine without them fails the test: nothing is skipped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody};
use object_store::{ClientOptions, client::ClientConfigKey};

use super::guard;
use super::remote::Bridge;
use super::remote::wire::Wire;

/// How long one may take to start, and how many ports are tried.
const START: Duration = Duration::from_secs(180);
const PORTS_TRIED: u32 = 3;
/// Whom Azurite knows, and by which key, as all know.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The bucket, or container.
const BUCKET: &str = "annals";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Azurite,
    Moto,
    Dynalite,
}

/// An address, and the settings that lead there.
pub type Place = (String, Vec<(String, String)>);

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    kind: Kind,
    port: u16,
    /// The guard; the emulator is its child.
    process: Child,
    places: AtomicU64,
}

impl Emulator {
    /// The Azurite of this process, started by whoever asks first.
    pub fn azurite() -> &'static Emulator {
        static EMULATOR: OnceLock<Emulator> = OnceLock::new();
        EMULATOR.get_or_init(|| {
            let emulator = Emulator::start(Kind::Azurite);
            emulator.make_container();
            emulator
        })
    }

    /// The moto of this process that is S3.
    pub fn s3() -> &'static Emulator {
        static EMULATOR: OnceLock<Emulator> = OnceLock::new();
        EMULATOR.get_or_init(|| {
            let emulator = Emulator::start(Kind::Moto);
            emulator.ask(request(Method::PUT, &format!("{}/{BUCKET}", emulator.url())));
            emulator
        })
    }

    /// The moto of this process that is DynamoDB. It is another, for either answers one request at a time.
    pub fn dynamodb() -> &'static Emulator {
        static EMULATOR: OnceLock<Emulator> = OnceLock::new();
        EMULATOR.get_or_init(|| Emulator::start(Kind::Moto))
    }

    /// The dynalite of this process.
    pub fn dynalite() -> &'static Emulator {
        static EMULATOR: OnceLock<Emulator> = OnceLock::new();
        EMULATOR.get_or_init(|| Emulator::start(Kind::Dynalite))
    }

    /// The address of a place of its own, which is empty, and the settings that lead there.
    pub fn fresh(&self) -> Place {
        let place = self.places.fetch_add(1, Ordering::Relaxed);
        let address = match self.kind {
            Kind::Azurite => format!("az://{BUCKET}/p{place}"),
            Kind::Moto => format!("s3://{BUCKET}/p{place}"),
            Kind::Dynalite => format!("dynamodb://annals-{place}"),
        };
        (address, self.settings())
    }

    /// As [`Emulator::fresh`], of a table: moto is both.
    pub fn fresh_table(&self) -> Place {
        let place = self.places.fetch_add(1, Ordering::Relaxed);
        (format!("dynamodb://annals-{place}"), self.settings())
    }

    /// What leads to it, by the names of the environment.
    pub fn settings(&self) -> Vec<(String, String)> {
        let url = self.url();
        let settings: &[(&str, &str)] = match self.kind {
            Kind::Azurite => &[
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
                ("AZURE_STORAGE_ACCOUNT_KEY", KEY),
                ("AZURE_STORAGE_ENDPOINT", &url),
                ("AZURE_ALLOW_HTTP", "true"),
            ],
            Kind::Moto | Kind::Dynalite => &[
                ("AWS_ACCESS_KEY_ID", "annals"),
                ("AWS_SECRET_ACCESS_KEY", "annals"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL", &url),
                ("AWS_ALLOW_HTTP", "true"),
            ],
        };
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn url(&self) -> String {
        let path = if self.kind == Kind::Azurite { format!("/{ACCOUNT}") } else { String::new() };
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn start(kind: Kind) -> Emulator {
        for _ in 0..PORTS_TRIED {
            let port = guard::free_port();
            let mut guard = guard::guarded(&program(kind, port), "TERM");
            let mut process = guard.spawn().expect("a shell can be run");
            if guard::listens(&mut process, port, START / PORTS_TRIED) {
                return Emulator { kind, port, process, places: AtomicU64::new(0) };
            }
            guard::end(&mut process);
        }
        panic!("{kind:?} does not start: what it said stands above")
    }

    fn make_container(&self) {
        let mut request = request(Method::PUT, &format!("{}/{BUCKET}?restype=container", self.url()));
        let key = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).expect("a key"));
        AzureAuthorizer::new(&key, ACCOUNT).try_authorize(&mut request).expect("it is signed");
        self.ask(request);
    }

    fn ask(&self, request: HttpRequest) {
        let options = ClientOptions::new().with_config(ClientConfigKey::AllowHttp, "true");
        let client = Wire.connect(&options).expect("a client");
        let bridge = Bridge::new("annals-emulator").expect("a thread");
        let status =
            bridge.run(async move { Ok(client.execute(request).await.map(|response| response.status())) });
        let status = status.expect("it is asked").expect("it answers");
        assert!(status.is_success(), "{:?}: {status}", self.kind);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        guard::end(&mut self.process);
    }
}

fn request(method: Method, uri: &str) -> HttpRequest {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().expect("an address");
    request.headers_mut().insert(http::header::CONTENT_LENGTH, 0.into());
    request
}

/// What starts one.
fn program(kind: Kind, port: u16) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let port = port.to_string();
    let fetched = |name: &str, program: &str| {
        let folders = std::fs::read_dir(root.join("target/servers")).into_iter().flatten().flatten();
        let folders = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
        let mut found: Vec<PathBuf> =
            folders.map(|entry| entry.path().join(program)).filter(|program| program.is_file()).collect();
        found.sort();
        let found =
            found.pop().unwrap_or_else(|| panic!("no {name}: run tests/servers.sh, which fetches it"));
        Command::new(found)
    };
    match kind {
        Kind::Azurite => {
            let mut command = fetched("azurite-", "node_modules/.bin/azurite-blob");
            command.args(["--blobHost", "127.0.0.1", "--blobPort", &port, "--inMemoryPersistence"]);
            command.args(["--skipApiVersionCheck", "--silent", "--disableTelemetry"]);
            command
        }
        Kind::Moto => {
            let mut command = fetched("moto-", "bin/python");
            command.arg(root.join("tests/one_at_a_time.py")).arg(port);
            command
        }
        Kind::Dynalite => {
            let mut command = fetched("dynalite-", "node_modules/.bin/dynalite");
            command.args([
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--createTableMs",
                "0",
                "--deleteTableMs",
                "0",
            ]);
            command
        }
    }
}
