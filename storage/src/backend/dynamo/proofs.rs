//! The promises of storage in DynamoDB, on two emulators: the contract, large values, clear errors.

use serde_json::json;

use super::*;
use crate::anomaly::Category;
use crate::backend::emulator::{Emulator, Place};
use crate::backend::fault::FaultyStorage;
use crate::backend::suite;

const LOG: Sequence = Sequence::Log(DatabaseId(1));

fn open((address, settings): &Place) -> DynamoStorage {
    let options = Options { settings: settings.clone(), ..Options::default() };
    DynamoStorage::open_with(address, &options).expect("the emulator is there")
}

fn conforms(emulator: &Emulator) {
    suite::conform(&|| Arc::new(open(&emulator.fresh_table())));
    let place = emulator.fresh_table();
    suite::survives_reopening(&|| Arc::new(open(&place)));
}

fn conforms_with_faults(emulator: &Emulator) {
    let seed = std::cell::Cell::new(0);
    suite::conform(&|| {
        seed.set(seed.get() + 1);
        let storage = open(&emulator.fresh_table());
        Arc::new(FaultyStorage::new(Arc::new(storage)).seeded(seed.get(), 20))
    });
}

#[test]
fn moto_conforms() {
    conforms(Emulator::dynamodb());
}

#[test]
fn dynalite_conforms() {
    conforms(Emulator::dynalite());
}

#[test]
fn dynalite_conforms_for_callers_who_settle_what_is_lost() {
    conforms_with_faults(Emulator::dynalite());
}

/// How many parts a database has.
fn parts(storage: &DynamoStorage) -> usize {
    let partition = format!("{}/part", DatabaseId(1));
    let items = storage.run(|table| async move {
        table.query(&partition, None, json!({"ProjectionExpression": "k"}), usize::MAX).await
    });
    items.expect("parts are listed").len()
}

#[test]
fn large_values_leave_no_parts_that_nobody_names() {
    let storage = open(&Emulator::dynalite().fresh_table());
    let value = |byte| vec![byte; 1 << 20];
    for number in 0..3 {
        assert_eq!(storage.fill_slot(LOG, number, &value(1)).expect("filled"), Filled::Done);
        assert_eq!(storage.fill_slot(LOG, number, &value(2)).expect("taken"), Filled::Taken(value(1)));
    }
    assert_eq!(parts(&storage), 9, "three of each slot");
    storage.delete_slots(LOG, 2).expect("deleted");
    assert_eq!(parts(&storage), 3, "of the last slot");
    let id = SegmentId { database: DatabaseId(1), epoch: 1, job: 1, ordinal: 1 };
    storage.write_segments(&[(id, &value(3))]).expect("written");
    assert_eq!(parts(&storage), 6);
    storage.delete_segments(&[id]).expect("deleted");
    assert_eq!(parts(&storage), 3);
    storage.delete_database(DatabaseId(1)).expect("deleted");
    assert_eq!(parts(&storage), 0);
}

#[test]
fn a_writer_that_stood_still_cannot_fill_what_was_deleted() {
    let storage = open(&Emulator::dynalite().fresh_table());
    (0..60).for_each(|number| drop(storage.fill_slot(LOG, number, b"x").expect("filled")));
    storage.delete_slots(LOG, 55).expect("deleted");
    for number in [0, 24, 25, 54] {
        let failure = storage.fill_slot(LOG, number, b"late").expect_err("it was deleted");
        assert!(matches!(failure, Failure::Refused(Error::OutOfOrder { .. })), "{failure}");
        assert!(storage.read_slots(LOG, number, 1).expect("read").is_empty());
    }
    assert_eq!(storage.read_slots(LOG, 55, 99).expect("read").len(), 5);
}

#[test]
fn addresses_that_lead_nowhere_are_told() {
    let (address, settings) = Emulator::dynalite().fresh_table();
    let away = ("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    let away: Vec<_> = settings.iter().cloned().chain([away]).collect();
    for (address, settings, create, category, told) in [
        ("dynamodb://", &settings, true, Category::Incorrect, "name"),
        ("dynamodb://a/b", &settings, true, Category::Incorrect, "name"),
        (&address, &away, true, Category::Unavailable, "dynamodb://"),
        (&address, &settings, false, Category::NotFound, "no such table"),
    ] {
        let patience = Duration::from_millis(300);
        let options = Options { create, settings: settings.clone(), patience };
        let error = DynamoStorage::open_with(address, &options).expect_err("must be refused");
        assert_eq!(error.category(), category, "{address}: {error}");
        assert!(error.to_string().contains(told), "{address}: {error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let place = (address, settings);
    let storage = open(&place);
    let seven = json!({"p": {"S": "annals"}, "k": {"S": "layout"}, "n": {"N": "7"}});
    storage.run(|table| async move { table.put(vec![(0, seven)]).await }).expect("put");
    let options = Options { settings: place.1.clone(), ..Options::default() };
    let error = DynamoStorage::open_with(&place.0, &options).expect_err("another layout");
    assert_eq!(error.category(), Category::Unsupported);
}
