//! Every storage engine, with the servers it needs: what a proof runs on that is to hold on all of them.

use std::sync::Arc;

use annals::{Options, Store};
use annals_storage::backend::emulator::{self, Emulator};
use annals_storage::backend::postgres::server::Server as Postgres;
use annals_storage::backend::{
    DynamoStorage, HybridStorage, MemoryStorage, ObjectStorage, PostgresStorage, RedbStorage, Storage,
    dynamo, object,
};
use tempfile::TempDir;

/// The engines, by the names that proofs print. DynamoDB is one of its two emulators here: the other grows slower with every
/// item, and is held to the suite of the storage only.
pub const NAMES: [&str; 7] = ["memory", "redb", "postgres", "azurite", "s3", "dynalite", "hybrid"];

/// An empty place on an engine.
pub struct Place {
    /// The engine's name.
    pub name: &'static str,
    /// Its address, as a command takes it.
    pub address: String,
    /// What leads there, by the names of the environment.
    pub settings: Vec<(String, String)>,
    /// Goes when the place goes.
    _folder: Option<TempDir>,
}

impl Place {
    /// One on each engine.
    pub fn everywhere() -> impl Iterator<Item = Place> {
        NAMES.into_iter().map(Place::on)
    }

    /// One on this engine.
    ///
    /// # Panics
    /// If there is no such engine, or its server does not start.
    pub fn on(name: &'static str) -> Place {
        let (mut settings, mut folder) = (Vec::new(), None);
        let mut emulated = |(address, leading): emulator::Place| {
            settings = leading;
            address
        };
        let address = match name {
            "memory" => "mem:".to_owned(),
            "redb" => {
                let made = folder.insert(tempfile::tempdir().expect("a folder"));
                made.path().join("place.annals").to_str().expect("text").to_owned()
            }
            "postgres" => Postgres::shared().fresh(),
            "azurite" => emulated(Emulator::azurite().fresh()),
            "s3" => emulated(Emulator::s3().fresh()),
            "dynalite" => emulated(Emulator::dynalite().fresh_table()),
            "hybrid" => format!("{}+{}", Postgres::shared().fresh(), emulated(Emulator::azurite().fresh())),
            other => panic!("no engine is named {other}"),
        };
        Place { name, address, settings, _folder: folder }
    }

    /// Opens what is there.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn storage(&self) -> Arc<dyn Storage> {
        let opened = |what: &str, error: annals_storage::Error| -> ! { panic!("{what}: {error}") };
        let objects = |address: &str| -> Arc<dyn Storage> {
            let options = object::Options { settings: self.settings.clone(), ..object::Options::default() };
            let storage = ObjectStorage::open_with(address, &options);
            Arc::new(storage.unwrap_or_else(|error| opened(address, error)))
        };
        let postgres = |address: &str| -> Arc<dyn Storage> {
            Arc::new(PostgresStorage::open(address).unwrap_or_else(|error| opened(address, error)))
        };
        match self.name {
            "memory" => Arc::new(MemoryStorage::new()),
            "redb" => Arc::new(
                RedbStorage::open(&self.address).unwrap_or_else(|error| opened(&self.address, error)),
            ),
            "postgres" => postgres(&self.address),
            "dynalite" => {
                let options =
                    dynamo::Options { settings: self.settings.clone(), ..dynamo::Options::default() };
                let storage = DynamoStorage::open_with(&self.address, &options);
                Arc::new(storage.unwrap_or_else(|error| opened(&self.address, error)))
            }
            "hybrid" => {
                let (log, segments) = self.address.split_once("+az").expect("two addresses");
                Arc::new(HybridStorage::new(postgres(log), objects(&format!("az{segments}"))))
            }
            _ => objects(&self.address),
        }
    }

    /// A store over what is there.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn store(&self, options: Options) -> Store {
        Store::over(&self.address, self.storage(), options).expect("its catalog can be read")
    }
}
