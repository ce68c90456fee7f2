//! The file engine's promises: the contract, reopening, and a clear error for every file that is not a sound storage.

use std::cell::Cell;
use std::sync::Arc;

use tempfile::TempDir;

use super::file::{FILE_HEADER_BYTES, FILE_MAGIC};
use super::*;
use crate::backend::fault::FaultyStorage;
use crate::backend::suite;
use crate::log::{Appended, Log, LogBatch};
use crate::rest::Rest;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

fn refused(path: &Path, options: &Options) -> Error {
    RedbStorage::open_with(path, options).expect_err("must be refused")
}

/// A small storage with something in every table, closed.
fn filled(path: &Path) -> Vec<u8> {
    let storage = RedbStorage::open(path).expect("a new storage");
    for n in 0..20 {
        storage.fill_slot(Sequence::Log(DatabaseId(1)), n, &[n as u8; 600]).expect("filled");
    }
    storage.set_hint(DatabaseId(1), "h", b"hint").expect("set");
    drop(storage);
    std::fs::read(path).expect("the file")
}

/// Opens the file and makes every kind of call, whatever comes of it.
fn exercise(path: &Path, options: &Options) -> Result<(), Failure> {
    let storage = RedbStorage::open_with(path, options)?;
    let (log, id) =
        (Sequence::Log(DatabaseId(1)), SegmentId { database: DatabaseId(1), epoch: 0, job: 0, ordinal: 0 });
    let slots = storage.read_slots(log, 0, 100)?;
    storage.fill_slot(log, slots.len() as u64, b"more")?;
    storage.write_segments(&[(id, b"segment")])?;
    storage.read_segments(&[id])?;
    storage.list_segments(DatabaseId(1), None, 9)?;
    storage.delete_segments(&[id])?;
    storage.delete_slots(log, 3)?;
    storage.stored_bytes()?;
    storage.set_hint(DatabaseId(1), "h", b"hint")?;
    storage.hint(DatabaseId(1), "h")?;
    storage.delete_database(DatabaseId(1))
}

#[test]
fn conforms() {
    let (folder, files) = (folder(), Cell::new(0));
    suite::conform(&|| {
        files.set(files.get() + 1);
        Arc::new(
            RedbStorage::open(folder.path().join(format!("{}.annals", files.get()))).expect("a new storage"),
        )
    });
}

#[test]
fn conforms_for_callers_who_settle_what_is_lost() {
    let (folder, files) = (folder(), Cell::new(0));
    suite::conform(&|| {
        files.set(files.get() + 1);
        let file =
            RedbStorage::open(folder.path().join(format!("{}.annals", files.get()))).expect("a new storage");
        Arc::new(FaultyStorage::new(Arc::new(file)).seeded(files.get(), 20))
    });
}

#[test]
fn what_it_holds_is_there_after_reopening() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    suite::survives_reopening(&|| Arc::new(RedbStorage::open(&path).expect("opens again")));
    let verified =
        RedbStorage::open_with(&path, &Options { verify: true, create: false, cache_bytes: 1 << 20 });
    assert_eq!(
        verified
            .expect("a sound file")
            .read_slots(Sequence::Log(DatabaseId(1 << 100 | 1)), 0, 9)
            .unwrap()
            .len(),
        5
    );
}

#[test]
fn deleted_slots_stay_deleted_after_reopening() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    let log = Sequence::Log(DatabaseId(1));
    filled(&path);
    RedbStorage::open(&path).expect("opens").delete_slots(log, 99).expect("deleted");
    let storage = RedbStorage::open(&path).expect("opens again");
    assert!(storage.read_slots(log, 0, 99).expect("read").is_empty());
    assert_eq!(storage.read_slots(log, 19, 99).expect("read"), [vec![19; 600]]);
    assert!(matches!(storage.fill_slot(log, 0, b"ghost"), Err(Failure::Refused(_))));
    assert_eq!(storage.fill_slot(log, 20, b"on").expect("filled"), Filled::Done);
}

#[test]
fn a_compacted_file_is_smaller_and_holds_the_same() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    let id = |ordinal| SegmentId { database: DatabaseId(1), epoch: 0, job: 0, ordinal };
    let bytes = |ordinal: u64| vec![ordinal as u8; 32_000];
    filled(&path);
    let mut storage = RedbStorage::open(&path).expect("opens");
    for n in 0..200 {
        storage.write_segments(&[(id(n), &bytes(n))]).expect("written");
    }
    let gone: Vec<SegmentId> = (0..200).filter(|n| n % 10 > 0).map(id).collect();
    storage.delete_segments(&gone).expect("deleted");
    let Compacted { before, after } = storage.compact().expect("compacted");
    // Twenty segments of eight pages are left, of two hundred.
    assert!(before > 200 * 32_768 && after < before / 4, "{before} to {after}");
    assert_eq!(std::fs::metadata(&path).expect("the file").len(), after);
    let check = |storage: &RedbStorage| {
        let kept: Vec<_> = (0..200).step_by(10).map(|n| Some(bytes(n))).collect();
        let ids: Vec<_> = (0..200).step_by(10).map(id).collect();
        assert_eq!(storage.read_segments(&ids).expect("read"), kept);
        assert_eq!(storage.list_segments(DatabaseId(1), None, 999).expect("listed"), ids);
        assert_eq!(storage.read_slots(Sequence::Log(DatabaseId(1)), 0, 99).expect("read").len(), 20);
        assert_eq!(storage.hint(DatabaseId(1), "h").expect("read"), Some(b"hint".to_vec()));
    };
    check(&storage);
    drop(storage);
    let verified =
        RedbStorage::open_with(&path, &Options { verify: true, ..Options::default() }).expect("a sound file");
    check(&verified);
    assert_eq!(verified.fill_slot(Sequence::Log(DatabaseId(1)), 20, b"on").expect("filled"), Filled::Done);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    let first = RedbStorage::open(&path).expect("a new storage");
    let error = refused(&path, &Options::default());
    assert_eq!(error.keyword(), "db.error/already-open");
    assert!(error.to_string().ends_with("x.annals is already open"), "{error}");
    drop(first);
    RedbStorage::open_existing(&path).expect("free again");
}

#[test]
fn paths_that_cannot_be_opened_each_have_their_error() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let existing = Options { create: false, ..Options::default() };
    std::fs::write(at("text"), "just some text").expect("written");
    std::fs::write(at("empty"), "").expect("written");
    let foreign = Database::create(at("foreign")).expect("a redb file");
    let write = foreign.begin_write().expect("begun");
    write.open_table(TableDefinition::<u64, u64>::new("theirs")).expect("made");
    write.commit().expect("committed");
    drop(foreign);
    let cases = [
        ("text", Options::default(), "db.error/not-a-database", "it begins with [6a, 75, 73, 74"),
        ("empty", existing, "db.error/not-a-database", "the file is empty"),
        (
            "foreign",
            Options::default(),
            "db.error/not-a-database",
            "another program, with tables [\"theirs\"]",
        ),
        (".", Options::default(), "db.error/not-a-database", "it is a folder"),
        ("absent", existing, "db.error/no-storage", "there is no storage at"),
        ("no/folder", Options::default(), "db.error/no-storage", "its folder"),
        ("text/below", Options::default(), "db.error/no-storage", "below"),
    ];
    for (name, options, keyword, text) in cases {
        let error = refused(&at(name), &options);
        assert_eq!(error.keyword(), keyword, "{name}: {error}");
        assert!(error.to_string().contains(text), "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(error.hint().is_some(), "{name}: {error}");
    }
    assert!(!at("absent").exists(), "nothing was created");
    RedbStorage::open(at("empty")).expect("an empty file becomes a storage");
}

#[test]
fn a_newer_layout_is_refused_with_both_versions_named() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    filled(&path);
    let database = Database::open(&path).expect("redb opens it");
    let write = database.begin_write().expect("begun");
    write.open_table(META).expect("there").insert(LAYOUT_KEY, 7).expect("set");
    write.commit().expect("committed");
    drop(database);
    let error = refused(&path, &Options::default());
    assert_eq!(error.keyword(), "db.error/unknown-version");
    assert!(error.to_string().contains("layout 7, this build knows 1"), "{error}");
}

#[test]
fn a_creation_that_was_cut_short_is_started_over() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    let whole = filled(&path);
    // The header without the magic, in a file of its first length: what redb syncs first.
    let mut remains = vec![0; 1 << 20];
    remains[FILE_MAGIC.len()..FILE_HEADER_BYTES as usize]
        .copy_from_slice(&whole[FILE_MAGIC.len()..FILE_HEADER_BYTES as usize]);
    std::fs::write(&path, &remains).expect("written");
    assert_eq!(
        refused(&path, &Options { create: false, ..Options::default() }).keyword(),
        "db.error/not-a-database"
    );
    exercise(&path, &Options::default()).expect("a new storage");

    remains[9000] = 1;
    std::fs::write(&path, &remains).expect("written");
    assert_eq!(refused(&path, &Options::default()).keyword(), "db.error/not-a-database");
}

#[test]
fn a_truncated_or_damaged_file_is_an_error_or_still_right() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    let whole = filled(&path);
    let check = |bytes: &[u8], what: String| {
        for verify in [false, true] {
            std::fs::write(&path, bytes).expect("written");
            if let Err(failure) = exercise(&path, &Options { verify, ..Options::default() }) {
                let error = Error::from(failure);
                let named = ["corrupt", "not-a-database", "unknown-version", "storage-unavailable"];
                let keyword = error.keyword().trim_start_matches("db.error/");
                assert!(named.contains(&keyword), "{what}: {error}");
            }
        }
    };
    for cut in [1, 8, 9, 64, 320, 4095, 4096, 5000, 8192, whole.len() / 2, whole.len() - 1] {
        check(&whole[..cut], format!("cut to {cut}"));
    }
    let used = whole.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    for at in (0..320).step_by(5).chain((4096..used).step_by(used / 60)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        check(&damaged, format!("flipped at {at}"));
    }
}

#[test]
fn a_lost_slot_is_found_when_the_log_is_opened() {
    let folder = folder();
    let path = folder.path().join("x.annals");
    let append = |log: &mut Log, seq| {
        let batch = LogBatch { seq, epoch: 1, id: seq.into(), next: Vec::new(), txs: Vec::new() };
        assert!(matches!(log.append(&batch), Ok(Appended::Done)));
    };
    let open =
        || Log::open(Arc::new(RedbStorage::open(&path)?), DatabaseId(1), &Rest::none(), &mut |_| Ok(()));
    let mut log = open().expect("an empty log");
    (0..5).for_each(|seq| append(&mut log, seq));
    drop(log);

    let lose = |seq, unseen: bool| {
        let database = Database::open(&path).expect("redb opens it");
        let write = database.begin_write().expect("begun");
        write
            .open_table(SLOTS)
            .expect("there")
            .remove(slot_key(Sequence::Log(DatabaseId(1)), seq))
            .expect("removed");
        if unseen {
            write.open_table(META).expect("there").remove(SLOTS_KEY).expect("removed");
        }
        write.commit().expect("committed");
    };
    lose(4, false);
    let error = open().expect_err("must be found").to_string();
    assert!(error.contains("the 4 slots in it are not those that were filled"), "{error}");
    // As a file without the sum, whose log looks only shorter.
    lose(4, true);
    let mut log = open().expect("a shorter log is a log");
    append(&mut log, 4);
    drop(log);
    lose(3, true);
    let error = open().expect_err("must be found").to_string();
    assert!(error.contains("slot 3: it is missing, slot 4 is there"), "{error}");
}
