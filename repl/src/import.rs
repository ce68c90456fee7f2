//! Files of transactions into a database, and where to go on if that was stopped.
//!
//! An import goes through its parts in order. What is already in is found out by the transactions' own times: a
//! transaction that states its `:db/txInstant` is in if the log has a transaction of that instant, and the leading
//! ones that are in are left out. Nothing is written beside the data for this, and it works after any kind of stop,
//! also when others wrote in between. A transaction that states no time is never taken for one that is in.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use annals::edn::{self, Completeness, Edn, Form, FormKind};
use annals::import::Progress;
use annals::{Category, Connection, Order};
use flate2::bufread::MultiGzDecoder;

use crate::problem::{Problem, Result};

/// Something to import: a file, or bytes of the binary.
#[derive(Clone, Debug)]
pub struct Part {
    name: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    Bundled(&'static [u8]),
}

/// Who is told how it goes, and may stop it.
pub trait Watch {
    /// A part begins; `size` bytes are to be read of it, `skipped` transactions are in already.
    fn begin(&mut self, part: &Part, size: u64, skipped: u64);
    /// So far in this part, with what was skipped.
    fn progress(&mut self, progress: Progress, bytes: u64);
    /// The part is in.
    fn end(&mut self, part: &Part, progress: Progress);
    /// Set by somebody who wants the import to stop.
    fn stop(&self) -> Option<Arc<AtomicBool>> {
        None
    }
}

impl Part {
    /// A file.
    pub fn file(path: &Path) -> Part {
        Part { name: path.display().to_string(), source: Source::File(path.to_owned()) }
    }

    /// Bytes of the binary.
    pub fn bundled(name: &str, bytes: &'static [u8]) -> Part {
        Part { name: name.to_owned(), source: Source::Bundled(bytes) }
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Result<u64> {
        match &self.source {
            Source::File(path) => {
                Ok(std::fs::metadata(path).map_err(|error| Problem::file(path, &error))?.len())
            }
            Source::Bundled(bytes) => Ok(bytes.len() as u64),
        }
    }

    fn open(&self) -> Result<Box<dyn Read>> {
        match &self.source {
            Source::File(path) => {
                Ok(Box::new(File::open(path).map_err(|error| Problem::file(path, &error))?))
            }
            Source::Bundled(bytes) => Ok(Box::new(Cursor::new(*bytes))),
        }
    }
}

/// The parts that names on the command line mean: a folder is its schema and its transactions.
pub fn parts(paths: &[PathBuf], schema: Option<&Path>) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = schema.into_iter().map(Part::file).collect();
    for path in paths {
        if !path.is_dir() {
            parts.push(Part::file(path));
            continue;
        }
        let inside = |names: &[&str]| names.iter().map(|name| path.join(name)).find(|file| file.is_file());
        parts.extend(inside(&["schema.edn", "schema.edn.gz"]).as_deref().map(Part::file));
        let transactions = inside(&["transactions.edn.gz", "transactions.edn"]).ok_or_else(|| {
            let message = format!("{} has neither transactions.edn nor transactions.edn.gz", path.display());
            Problem::new(Category::NotFound, "cli.error/file", message)
        })?;
        parts.push(Part::file(&transactions));
    }
    Ok(parts)
}

/// Imports the parts in order. `skip`: leave out so many transactions of the last part instead of finding out.
pub fn load(conn: &Connection, parts: &[Part], skip: Option<u64>, watch: &mut dyn Watch) -> Result<()> {
    for (i, part) in parts.iter().enumerate() {
        let told = skip.filter(|_| i + 1 == parts.len());
        let skipped = told.map_or_else(|| already_in(conn, part), Ok)?;
        watch.begin(part, part.size()?, skipped);
        let bytes = Arc::new(AtomicU64::new(0));
        let mut input = Counted { input: part.open()?, bytes: bytes.clone(), stop: watch.stop() };
        let mut done = skipped;
        let imported = annals::import::edn(conn, &mut input, skipped, &mut |progress| {
            done = progress.transactions;
            watch.progress(progress, bytes.load(Relaxed));
        });
        let imported = imported.map_err(|error| stopped(error.into(), part, done))?;
        watch.end(part, imported);
    }
    Ok(())
}

/// The problem that stopped an import, with the way to go on.
fn stopped(problem: Problem, part: &Part, done: u64) -> Problem {
    let way =
        format!("run it again to go on: {done} transactions of {} are in (or use --skip {done})", part.name);
    let hint = problem.hint_text().map_or_else(|| way.clone(), |hint| format!("{hint}; {way}"));
    problem.hint(hint)
}

/// A reader that counts, and fails when it is told to stop.
struct Counted {
    input: Box<dyn Read>,
    bytes: Arc<AtomicU64>,
    stop: Option<Arc<AtomicBool>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Relaxed)) {
            return Err(std::io::Error::other("stopped on request"));
        }
        let n = self.input.read(buffer)?;
        self.bytes.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}

/// How many of the part's leading transactions are in the database.
pub fn already_in(conn: &Connection, part: &Part) -> Result<u64> {
    let db = conn.db();
    if db.basis_t() == 0 {
        return Ok(0);
    }
    let datoms = db.datoms(Order::Aevt, &[Edn::keyword("db/txInstant")], None)?;
    let known: HashSet<Edn> = datoms.into_iter().map(|datom| Edn::from(datom.v)).collect();
    let mut count = 0;
    each_form(part, &mut |form| {
        let is_in = stated_instant(form).is_some_and(|instant| known.contains(&instant));
        count += u64::from(is_in);
        is_in
    })?;
    Ok(count)
}

/// Hands over form after form until told to stop, or until something unreadable stands there.
fn each_form(part: &Part, sink: &mut dyn FnMut(&Form) -> bool) -> Result<()> {
    let file = |error: std::io::Error| Problem::file(Path::new(&part.name), &error);
    let mut raw = BufReader::new(part.open()?);
    let is_gzip = raw.fill_buf().map_err(file)?.starts_with(&[0x1f, 0x8b]);
    let mut lines: Box<dyn BufRead> =
        if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(raw))) } else { Box::new(raw) };
    let mut text = String::new();
    loop {
        let ended = lines.read_line(&mut text).map_err(file)? == 0;
        if !ended && edn::is_complete(&text) == Completeness::Incomplete {
            continue;
        }
        // What cannot be read is refused by the import itself, with its place.
        let Ok(forms) = edn::read_all(&text) else { return Ok(()) };
        if ended || !forms.iter().all(&mut *sink) {
            return Ok(());
        }
        text.clear();
    }
}

/// The `:db/txInstant` that a transaction states of itself.
fn stated_instant(transaction: &Form) -> Option<Edn> {
    let is = |form: &Form, name: &str| matches!(form.as_atom(), Some(Edn::Keyword(k)) if k.as_str() == name);
    let is_itself =
        |form: &Form| matches!(form.as_atom(), Some(Edn::String(name)) if &**name == "datomic.tx");
    transaction.as_seq()?.iter().find_map(|operation| match &operation.kind {
        FormKind::Map(pairs) => {
            let get = |name: &str| pairs.iter().find(|(key, _)| is(key, name)).map(|(_, value)| value);
            get("db/id").filter(|id| is_itself(id)).and_then(|_| get("db/txInstant"))?.as_atom().cloned()
        }
        _ => match operation.as_seq()? {
            [add, e, a, v] if is(add, "db/add") && is_itself(e) && is(a, "db/txInstant") => {
                v.as_atom().cloned()
            }
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(text: &str) -> Option<Edn> {
        stated_instant(&edn::read_one(text).expect("it is EDN"))
    }

    #[test]
    fn a_transaction_states_its_time_in_either_form() {
        let time = Some(Edn::Inst(0));
        assert_eq!(stated("[{:a 1} {:db/id \"datomic.tx\" :db/txInstant #inst \"1970-01-01\"}]"), time);
        assert_eq!(stated("[[:db/add \"datomic.tx\" :db/txInstant #inst \"1970-01-01\"]]"), time);
        assert_eq!(stated("[{:db/id \"x\" :db/txInstant #inst \"1970-01-01\"}]"), None);
        assert_eq!(stated("[{:db/id \"datomic.tx\" :doc \"x\"}]"), None);
        assert_eq!(stated("17"), None);
    }

    #[test]
    fn forms_are_found_over_lines_and_in_gzip() {
        let count = |bytes: &'static [u8]| {
            let mut n = 0;
            let part = Part::bundled("x", bytes);
            each_form(&part, &mut |_| {
                n += 1;
                true
            })
            .expect("memory can be read");
            n
        };
        assert_eq!(count(b"[1\n 2]\n\n; note\n[3] [4]\n[5]"), 4);
        assert_eq!(count(b"[1]\n]\n[2]"), 1);
        assert_eq!(count(include_bytes!("../samples/git-datafrog/transactions.edn.gz")), 48);
    }

    #[test]
    fn a_folder_is_its_schema_and_transactions() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/git-datafrog");
        let names: Vec<String> = parts(&[folder], None)
            .expect("it is there")
            .iter()
            .map(|part| {
                Path::new(part.name()).file_name().expect("it is a file").to_string_lossy().into_owned()
            })
            .collect();
        assert_eq!(names, ["schema.edn", "transactions.edn.gz"]);
        let empty = tempfile::tempdir().expect("a folder");
        assert!(parts(&[empty.path().to_owned()], None).is_err());
    }
}
