//! Storage in PostgreSQL, or a relative that speaks its protocol.
//!
//! ```text
//!   table            key                         value
//!   annals_meta      name                        number: the version of these tables
//!   annals_slots     (kind, database, number)    frame
//!   annals_segments  (database, name)            frame; a name is epoch, job and ordinal, high bytes first
//!   annals_hints     (database, name)            bytes
//! ```
//!
//! Every call is one statement, which the server carries out wholly or not at all and commits before it answers; nothing
//! is kept in a session, so any pooler may stand between. A slot is filled by an insert that does nothing where the key
//! is there: the primary key decides between writers. How a connection is kept, lost and made anew, and which failures
//! leave the outcome open, is [`link`]'s matter.

mod link;
#[cfg(all(test, feature = "testing"))]
mod proofs;
#[cfg(feature = "testing")]
pub mod server;

use std::fmt;

use tokio_postgres::Row;
use uuid::Uuid;

use self::link::{Link, Param};
use super::{DatabaseId, Failure, Filled, Limits, MAX_VALUE_BYTES, SegmentId, Sequence, Storage, settle};
use crate::error::{Error, Result};

/// The version of the tables.
const LAYOUT: i64 = 1;

/// How many bytes of segments are sent by one statement, nearly.
const SENT_AT_ONCE: usize = 8 << 20;

/// Each of them does nothing if it was done before. Frames are compressed already.
const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS annals_slots (kind smallint, database uuid, number bigint, frame bytea NOT NULL, \
     PRIMARY KEY (kind, database, number))",
    "CREATE TABLE IF NOT EXISTS annals_segments (database uuid, name bytea, frame bytea NOT NULL, \
     PRIMARY KEY (database, name))",
    "CREATE TABLE IF NOT EXISTS annals_hints (database uuid, name text, bytes bytea NOT NULL, \
     PRIMARY KEY (database, name))",
    "ALTER TABLE annals_slots ALTER COLUMN frame SET STORAGE EXTERNAL",
    "ALTER TABLE annals_segments ALTER COLUMN frame SET STORAGE EXTERNAL",
    "CREATE TABLE IF NOT EXISTS annals_meta (name text PRIMARY KEY, number bigint NOT NULL)",
];

/// What is only tried: a relative of PostgreSQL without such storage goes without.
const OPTIONAL: &str = "SET STORAGE";

/// How a storage is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Create the tables if there are none.
    pub create: bool,
    /// How many connections are used. One would do; more let readers go on beside a long answer.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { create: true, connections: 4 }
    }
}

/// A storage engine in a database of PostgreSQL.
pub struct PostgresStorage {
    link: Link,
    warnings: Vec<String>,
}

impl PostgresStorage {
    /// Opens the storage at an address like `postgres://user@host/database`; creates its tables if there are none.
    pub fn open(address: &str) -> Result<PostgresStorage> {
        PostgresStorage::open_with(address, &Options::default())
    }

    /// Opens the storage at this address as `options` say.
    pub fn open_with(address: &str, options: &Options) -> Result<PostgresStorage> {
        let link = Link::open(address, options.connections.max(1))?;
        let mut storage = PostgresStorage { link, warnings: Vec::new() };
        storage.prepare(options)?;
        storage.warnings = storage.look_at_settings()?;
        Ok(storage)
    }

    /// Finds the tables, or makes them. Several openers may do so at once.
    fn prepare(&self, options: &Options) -> Result<()> {
        let found = "SELECT to_regclass('annals_meta') IS NOT NULL";
        let is_there = || -> Result<bool> { Ok(self.repeat(found)?.iter().any(|row| row.get(0))) };
        if !is_there()? {
            if !options.create {
                let why = "it has no tables of Annals".to_owned();
                return Err(Error::NoStorage { path: self.link.to_string(), why });
            }
            self.create_tables()?;
        }
        let layout = "SELECT number FROM annals_meta WHERE name = 'layout'";
        let layout = self.repeat(layout)?.first().map_or(0, |row| row.get::<_, i64>(0));
        if layout != LAYOUT {
            let found = u32::try_from(layout).unwrap_or(u32::MAX);
            let place = self.link.to_string();
            return Err(Error::UnknownVersion { place, what: "layout", found, known: LAYOUT.to_string() });
        }
        Ok(())
    }

    fn create_tables(&self) -> Result<()> {
        let layout = "INSERT INTO annals_meta (name, number) VALUES ('layout', 1) ON CONFLICT DO NOTHING";
        for statement in TABLES.into_iter().chain([layout]) {
            // Of openers at the same moment all but one may be told that what they make is there.
            let mut done = self.repeat(statement);
            if done.is_err() {
                done = self.repeat(statement);
            }
            if !statement.contains(OPTIONAL) {
                done?;
            }
        }
        Ok(())
    }

    /// What of the server's settings makes a commit less than durable.
    fn look_at_settings(&self) -> Result<Vec<String>> {
        let settings = "SELECT coalesce(current_setting('synchronous_commit', true), 'on'), \
                        coalesce(current_setting('fsync', true), 'on'), \
                        coalesce(current_setting('synchronous_standby_names', true), '')";
        let mut warnings = Vec::new();
        let rows = self.repeat(settings)?;
        let Some(row) = rows.first() else { return Ok(warnings) };
        let (commit, sync, standbys): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let mut warn = |what: &str| warnings.push(format!("{}: {what}", self.link));
        if commit == "off" {
            warn(
                "synchronous_commit is off: the last acknowledged transactions are lost if the server crashes",
            );
        }
        if sync == "off" {
            warn("fsync is off: everything may be lost if the server's machine crashes");
        }
        let replicas = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'async'";
        let replicas: i64 = self.repeat(replicas)?.first().map_or(0, |row| row.get(0));
        if replicas > 0 && standbys.is_empty() {
            warn("its standbys are asynchronous: a failover may lose the last acknowledged transactions");
        }
        Ok(warnings)
    }

    fn ask(&self, statement: &'static str, params: impl Into<Vec<Param>>) -> Result<Vec<Row>, Failure> {
        self.link.ask(statement, params.into())
    }

    /// Asks a question without parameters, until there is an answer.
    fn repeat(&self, statement: &'static str) -> Result<Vec<Row>> {
        settle::repeat(|| self.ask(statement, Vec::new()))
    }
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL storage {}", self.link)
    }
}

fn uuid(database: DatabaseId) -> Uuid {
    Uuid::from_u128(database.0)
}

/// The key of a slot, but for its number.
fn sequence_key(sequence: Sequence) -> [Param; 2] {
    let kind = match sequence {
        Sequence::Catalog => 0,
        Sequence::Log(_) => 1,
        Sequence::Root(_) => 2,
    };
    [Param::Kind(kind), Param::Id(uuid(sequence.database()))]
}

/// The key of a slot; none if no slot can have the number.
fn slot_key(sequence: Sequence, number: u64) -> Option<[Param; 3]> {
    let [kind, database] = sequence_key(sequence);
    Some([kind, database, Param::Number(i64::try_from(number).ok()?)])
}

/// A limit as the server takes it.
fn limit(limit: usize) -> Param {
    Param::Number(i64::try_from(limit).unwrap_or(i64::MAX))
}

/// What comes in order as segments do.
fn name(id: SegmentId) -> Vec<u8> {
    [id.epoch, id.job, id.ordinal].into_iter().flat_map(u64::to_be_bytes).collect()
}

fn id(database: DatabaseId, name: &[u8]) -> Option<SegmentId> {
    let part = |at: usize| Some(u64::from_be_bytes(name.get(at..at + 8)?.try_into().ok()?));
    Some(SegmentId { database, epoch: part(0)?, job: part(8)?, ordinal: part(16)? })
}

impl Storage for PostgresStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        super::within_limits(bytes.len(), self.limits(), || sequence.slot(number))?;
        let Some(key) = slot_key(sequence, number) else { return Err(super::gap(sequence, number).into()) };
        // The slot below is there, or this is the first of all.
        let fill = "INSERT INTO annals_slots (kind, database, number, frame) SELECT $1, $2, $3, $4 \
                    WHERE EXISTS (SELECT 1 FROM annals_slots WHERE kind = $1 AND database = $2 AND number = $3 - 1) \
                    OR $3 = 0 AND NOT EXISTS (SELECT 1 FROM annals_slots WHERE kind = $1 AND database = $2) \
                    ON CONFLICT DO NOTHING RETURNING number";
        let [kind, database, at] = key;
        let params = [kind, database, at, Param::Bytes(bytes.to_vec())];
        if !self.ask(fill, params)?.is_empty() {
            return Ok(Filled::Done);
        }
        match self.read_slots(sequence, number, 1)?.pop() {
            Some(there) => Ok(Filled::Taken(there)),
            None => Err(super::gap(sequence, number).into()),
        }
    }

    fn read_slots(&self, sequence: Sequence, from: u64, most: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let Some([kind, database, at]) = slot_key(sequence, from) else { return Ok(Vec::new()) };
        let read = "SELECT number, frame FROM annals_slots WHERE kind = $1 AND database = $2 AND number >= $3 \
                    ORDER BY number LIMIT $4";
        let rows = self.ask(read, [kind, database, at, limit(most)])?;
        let run =
            rows.iter().zip(from..).take_while(|(row, at)| u64::try_from(row.get::<_, i64>(0)) == Ok(*at));
        Ok(run.map(|(row, _)| row.get(1)).collect())
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        for (id, bytes) in segments {
            super::within_limits(bytes.len(), self.limits(), || id.to_string())?;
        }
        let write = "INSERT INTO annals_segments (database, name, frame) \
                     SELECT * FROM unnest($1, $2, $3) ON CONFLICT DO NOTHING";
        let mut rest = segments;
        while !rest.is_empty() {
            let mut bytes = 0;
            let some = rest.iter().take_while(|(_, frame)| {
                let goes_along = bytes < SENT_AT_ONCE;
                bytes += frame.len();
                goes_along
            });
            let (now, later) = rest.split_at(some.count());
            let databases = now.iter().map(|(id, _)| uuid(id.database)).collect();
            let names = now.iter().map(|(id, _)| name(*id)).collect();
            let frames = now.iter().map(|(_, frame)| frame.to_vec()).collect();
            self.ask(write, [Param::Ids(databases), Param::Many(names), Param::Many(frames)])?;
            rest = later;
        }
        Ok(())
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        if let [one] = ids {
            let read = "SELECT frame FROM annals_segments WHERE database = $1 AND name = $2";
            let rows = self.ask(read, [Param::Id(uuid(one.database)), Param::Bytes(name(*one))])?;
            return Ok(vec![rows.first().map(|row| row.get(0))]);
        }
        let read = "SELECT wanted.place, segment.frame \
                    FROM unnest($1, $2) WITH ORDINALITY AS wanted (database, name, place) \
                    JOIN annals_segments AS segment USING (database, name)";
        let databases = ids.iter().map(|id| uuid(id.database)).collect();
        let names = ids.iter().map(|id| name(*id)).collect();
        let mut found = vec![None; ids.len()];
        for row in self.ask(read, [Param::Ids(databases), Param::Many(names)])? {
            let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            if let Some(slot) = place.checked_sub(1).and_then(|place| found.get_mut(place)) {
                *slot = Some(row.get(1));
            }
        }
        Ok(found)
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        most: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        let list =
            "SELECT name FROM annals_segments WHERE database = $1 AND name > $2 ORDER BY name LIMIT $3";
        // Nothing is before the empty name.
        let after = Param::Bytes(after.map(name).unwrap_or_default());
        let rows = self.ask(list, [Param::Id(uuid(database)), after, limit(most)])?;
        Ok(rows.iter().filter_map(|row| id(database, row.get(0))).collect())
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        let delete = "DELETE FROM annals_slots WHERE kind = $1 AND database = $2 AND number < least($3, \
                      (SELECT max(number) FROM annals_slots WHERE kind = $1 AND database = $2))";
        let [kind, database] = sequence_key(sequence);
        let below = i64::try_from(below).unwrap_or(i64::MAX);
        self.ask(delete, [kind, database, Param::Number(below)]).map(drop)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        let measure = "SELECT pg_total_relation_size('annals_slots') + pg_total_relation_size('annals_segments') \
                       + pg_total_relation_size('annals_hints')";
        let rows = self.ask(measure, Vec::new())?;
        Ok(rows.first().map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        let delete = "DELETE FROM annals_segments WHERE (database, name) IN (SELECT * FROM unnest($1, $2))";
        let databases = ids.iter().map(|id| uuid(id.database)).collect();
        let names = ids.iter().map(|id| name(*id)).collect();
        self.ask(delete, [Param::Ids(databases), Param::Many(names)]).map(drop)
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        super::never_the_catalog(database);
        let delete = "WITH slots AS (DELETE FROM annals_slots WHERE database = $1), \
                      segments AS (DELETE FROM annals_segments WHERE database = $1) \
                      DELETE FROM annals_hints WHERE database = $1";
        self.ask(delete, [Param::Id(uuid(database))]).map(drop)
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let set = "INSERT INTO annals_hints (database, name, bytes) VALUES ($1, $2, $3) \
                   ON CONFLICT (database, name) DO UPDATE SET bytes = excluded.bytes";
        let params = [Param::Id(uuid(database)), Param::Text(name.to_owned()), Param::Bytes(bytes.to_vec())];
        self.ask(set, params).map(drop)
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let read = "SELECT bytes FROM annals_hints WHERE database = $1 AND name = $2";
        let rows = self.ask(read, [Param::Id(uuid(database)), Param::Text(name.to_owned())])?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    fn limits(&self) -> Limits {
        // Pages of 8 KiB: 63.5 KiB and what is kept beside a value fill eight.
        Limits { max_value_bytes: MAX_VALUE_BYTES, segment_bytes: 65_024, exclusive: false }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
