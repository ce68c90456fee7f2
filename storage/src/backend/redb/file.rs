//! The file before redb reads it: is it there, is it ours, may it be created, and what to say if not.
//!
//! redb writes its magic last when it creates a file. What a process leaves that dies before is told from foreign data
//! by being zeros but for the header, and is started over; nothing was ever stored in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::Path;

use redb::{Database, DatabaseError};

use super::{Options, shown};
use crate::error::{Error, Result};

/// What a redb file begins with.
pub(super) const FILE_MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// What redb writes before anything else, without the magic, which comes last.
pub(super) const FILE_HEADER_BYTES: u64 = 4096;
/// A file this large is not the remains of a creation.
const MOST_REMAINS_BYTES: u64 = 64 << 20;

/// Looks at the path before redb does, which would not say clearly what it found.
pub(super) fn look_at(path: &Path, options: &Options) -> Result<()> {
    let foreign = |found: String| Err(Error::NotADatabase { path: shown(path), found });
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && options.create => return folder_of(path),
        Err(_) if path.is_dir() => return foreign("it is a folder".into()),
        Err(error) => return Err(not_opened(path, &error)),
    };
    let unread = |error: io::Error| not_opened(path, &error);
    let length = file.metadata().map_err(unread)?.len();
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(FILE_MAGIC.len() as u64).read_to_end(&mut head).map_err(unread)?;
    if head == FILE_MAGIC || (length == 0 && options.create) {
        Ok(())
    } else if length == 0 {
        foreign("the file is empty".into())
    } else if options.create && is_unfinished(&mut file, length).map_err(unread)? {
        start_over(path, &file)
    } else {
        foreign(format!("it begins with {head:02x?}, expected {FILE_MAGIC:02x?}"))
    }
}

/// The folder a new file goes into must be there.
fn folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.map(Path::metadata) {
        Some(Err(error)) => Err(Error::NoStorage { path: shown(path), why: format!("its folder: {error}") }),
        _ => Ok(()),
    }
}

/// True for what is left when a process died while it created the file: a header without magic, then zeros.
fn is_unfinished(file: &mut File, length: u64) -> io::Result<bool> {
    if !(FILE_HEADER_BYTES..=MOST_REMAINS_BYTES).contains(&length) {
        return Ok(false);
    }
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    let (head, rest) = bytes.split_at(FILE_MAGIC.len().min(bytes.len()));
    let body = rest.get(FILE_HEADER_BYTES as usize - head.len()..).unwrap_or_default();
    Ok(head.iter().chain(body).all(|byte| *byte == 0))
}

/// Empties the remains of a creation, unless its process is still at it: then it holds the lock.
fn start_over(path: &Path, file: &File) -> Result<()> {
    if file.try_lock().is_err() {
        return Err(Error::AlreadyOpen { path: shown(path) });
    }
    let emptied = file.set_len(0);
    let released = file.unlock();
    emptied.and(released).map_err(|error| not_opened(path, &error))
}

/// Opens the file, or creates it if that is wanted.
pub(super) fn open(path: &Path, options: &Options) -> Result<Database> {
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes).set_check_integrity_on_open(options.verify);
    let opened = if options.create { builder.create(path) } else { builder.open(path) };
    opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Error::AlreadyOpen { path: shown(path) }
        }
        DatabaseError::UpgradeRequired(found) => Error::UnknownVersion {
            place: format!("file {}", shown(path)),
            what: "redb format version",
            found: found.into(),
            known: "that of redb 4".into(),
        },
        DatabaseError::Storage(redb::StorageError::Io(error)) => not_opened(path, &error),
        error => Error::corrupt(format!("file {}", shown(path)), error.to_string()),
    })
}

/// An error of the system while the file is opened.
fn not_opened(path: &Path, error: &io::Error) -> Error {
    use io::ErrorKind as Kind;
    let (path, why) = (shown(path), error.to_string());
    match error.kind() {
        Kind::NotFound | Kind::NotADirectory => Error::NoStorage { path, why },
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem | Kind::IsADirectory => {
            Error::NotWritable { path, why }
        }
        Kind::UnexpectedEof | Kind::InvalidData => Error::corrupt(format!("file {path}"), why),
        Kind::WouldBlock => Error::AlreadyOpen { path },
        _ => Error::Unavailable(format!("file {path}: {why}")),
    }
}

/// Makes the name of a new file durable, where folders can be synced: the file's bytes already are.
pub(super) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}
