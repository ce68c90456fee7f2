//! The promises of storage in object stores: on emulators over HTTP, and on stores with bad habits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fakes::{Fake, Habit};
use super::*;
use crate::anomaly::Category;
use crate::backend::emulator::Emulator;
use crate::backend::fault::FaultyStorage;
use crate::backend::suite;

const LOG: Sequence = Sequence::Log(DatabaseId(1));

fn over(habit: Habit) -> Result<ObjectStorage> {
    ObjectStorage::over(Arc::new(Fake::new(habit)), "here", &Options::default())
}

fn open(emulator: &Emulator) -> ObjectStorage {
    let (address, settings) = emulator.fresh();
    open_at(&address, &settings)
}

fn open_at(address: &str, settings: &[(String, String)]) -> ObjectStorage {
    let options = Options { settings: settings.to_vec(), ..Options::default() };
    ObjectStorage::open_with(address, &options).expect("the store is there")
}

fn conforms(emulator: &Emulator) {
    suite::conform(&|| Arc::new(open(emulator)));
}

fn conforms_with_faults(emulator: &Emulator) {
    let seed = std::cell::Cell::new(0);
    suite::conform(&|| {
        seed.set(seed.get() + 1);
        Arc::new(FaultyStorage::new(Arc::new(open(emulator))).seeded(seed.get(), 20))
    });
}

fn keeps_what_it_holds(emulator: &Emulator) {
    let (address, settings) = emulator.fresh();
    suite::survives_reopening(&|| Arc::new(open_at(&address, &settings)));
}

#[test]
fn azure_conforms() {
    conforms(Emulator::azurite());
    keeps_what_it_holds(Emulator::azurite());
}

#[test]
fn azure_conforms_for_callers_who_settle_what_is_lost() {
    conforms_with_faults(Emulator::azurite());
}

#[test]
fn s3_conforms() {
    conforms(Emulator::s3());
    keeps_what_it_holds(Emulator::s3());
}

#[test]
fn s3_conforms_for_callers_who_settle_what_is_lost() {
    conforms_with_faults(Emulator::s3());
}

#[test]
fn stores_with_bad_habits_are_lived_with() {
    for habit in [
        Habit::Honest,
        Habit::LosesAnswers,
        Habit::FindsItself,
        Habit::ConflictsForNothing,
        Habit::FailsLosers,
        Habit::ListsLate,
        Habit::CutsReads,
        Habit::CreatesLate,
        Habit::Throttles,
    ] {
        suite::conform(&|| Arc::new(over(habit).unwrap_or_else(|error| panic!("{habit:?}: {error}"))));
        let store = Arc::new(Fake::new(habit));
        let open = || ObjectStorage::over(Arc::clone(&store) as _, "", &Options::default());
        suite::survives_reopening(&|| Arc::new(open().unwrap_or_else(|error| panic!("{habit:?}: {error}"))));
    }
}

#[test]
fn stores_that_break_the_promise_are_refused_by_name() {
    for (habit, told) in
        [(Habit::IgnoresConditions, "created again"), (Habit::LooksThenWrites, "at the same time")]
    {
        let error = over(habit).expect_err("it breaks the promise");
        assert_eq!((error.category(), error.keyword()), (Category::Unsupported, "db.error/unsafe-storage"));
        let message = error.to_string();
        assert!(message.contains(told) && message.contains(&format!("{habit:?}")), "{message}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn what_calls_cost_in_requests() {
    let fake = Arc::new(Fake::new(Habit::Honest));
    let options = Options { patience: Duration::from_secs(1), ..Options::default() };
    let storage =
        ObjectStorage::new(Arc::clone(&fake) as _, Path::from("x"), "x".into(), &options).expect("a thread");
    let cost = |call: &dyn Fn()| {
        let before = fake.calls();
        call();
        fake.calls() - before
    };
    assert_eq!(cost(&|| storage.prepare(&options, true).expect("made")), 2, "the first opening");
    assert_eq!(cost(&|| storage.prepare(&options, true).expect("found")), 1, "an opening");
    let fill = |number| drop(storage.fill_slot(LOG, number, b"x").expect("filled"));
    assert_eq!(cost(&|| fill(0)), 1, "a slot");
    (1..100).for_each(fill);
    let read = |from, limit| storage.read_slots(LOG, from, limit).expect("read").len();
    assert_eq!(cost(&|| assert_eq!(read(100, 64), 0)), 1, "the end");
    assert_eq!(cost(&|| assert_eq!(read(99, 1), 1)), 1, "one slot");
    assert_eq!(cost(&|| assert_eq!(read(99, 64), 1)), 3, "the last slot, and that it is");
    assert!(cost(&|| assert_eq!(read(0, 1000), 100)) <= 100 + 16, "all slots");
    let delete = |below| storage.delete_slots(LOG, below).expect("deleted");
    assert!(cost(&|| delete(64)) <= 64 + 1 + 8, "slots");
    assert!(cost(&|| delete(70)) <= 6 + 1 + 8, "some more slots");
    let id = |ordinal| SegmentId { database: DatabaseId(1), epoch: 1, job: 1, ordinal };
    assert_eq!(cost(&|| storage.write_segments(&[(id(0), b"a"), (id(1), b"b")]).expect("written")), 2);
    assert_eq!(cost(&|| drop(storage.read_segments(&[id(0), id(1), id(2)]).expect("read"))), 3);
}

#[test]
fn a_writer_that_stood_still_cannot_fill_what_was_deleted() {
    for storage in [over(Habit::Honest).expect("opened"), open(Emulator::azurite())] {
        (0..150).for_each(|number| drop(storage.fill_slot(LOG, number, b"x").expect("filled")));
        storage.delete_slots(LOG, 140).expect("deleted");
        for number in [0, 63, 64, 139] {
            let failure = storage.fill_slot(LOG, number, b"late").expect_err("it was deleted");
            assert!(matches!(failure, Failure::Refused(Error::OutOfOrder { .. })), "{failure}");
            assert!(storage.read_slots(LOG, number, 1).expect("read").is_empty());
        }
        assert_eq!(storage.read_slots(LOG, 140, 99).expect("read").len(), 10);
        assert!(storage.fill_slot(LOG, 150, slots_mark()).is_err(), "nobody forges the mark");
    }
}

fn slots_mark() -> &'static [u8] {
    b"annals: this slot was deleted"
}

#[test]
fn addresses_that_lead_nowhere_are_told() {
    let endpoint = |name: &str, url: &str| vec![(name.to_owned(), url.to_owned())];
    let s3 = Emulator::s3();
    let (address, settings) = s3.fresh();
    let elsewhere = address.replace("annals", "nobodys-bucket");
    let mut plain = settings.clone();
    plain.retain(|(name, _)| !name.contains("ALLOW_HTTP"));
    let away: Vec<_> =
        settings.iter().cloned().chain(endpoint("AWS_ENDPOINT_URL", "http://127.0.0.1:1")).collect();
    let (azure, keys) = Emulator::azurite().fresh();
    let wrong = ("AZURE_STORAGE_ACCOUNT_KEY".to_owned(), "bm9ib2R5".to_owned());
    let wrong: Vec<_> = keys.iter().cloned().chain([wrong]).collect();
    let nowhere = azure.replace("annals", "nobodys-container");
    for (address, settings, category, told) in [
        ("s3://", &settings, Category::Incorrect, "bucket"),
        ("az:///prefix", &settings, Category::Incorrect, "container"),
        ("s3://user@bucket/x", &settings, Category::Incorrect, "bucket"),
        ("s3://bucket/a//b", &settings, Category::Incorrect, "s3://bucket/a//b"),
        (elsewhere.as_str(), &settings, Category::NotFound, "nobodys-bucket"),
        (nowhere.as_str(), &keys, Category::NotFound, "nobodys-container"),
        (address.as_str(), &plain, Category::Unavailable, "s3://"),
        (address.as_str(), &away, Category::Unavailable, "s3://"),
        (azure.as_str(), &wrong, Category::Forbidden, "az://"),
    ] {
        let options =
            Options { settings: settings.clone(), patience: Duration::from_millis(300), create: true };
        let error = ObjectStorage::open_with(address, &options).expect_err("must be refused");
        assert_eq!(error.category(), category, "{address}: {error}");
        assert!(error.to_string().contains(told), "{address}: {error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let error =
        ObjectStorage::open_with(&address, &Options { create: false, settings, ..Options::default() });
    assert_eq!(error.expect_err("nothing is to be made").category(), Category::NotFound);
}

#[test]
fn layouts_of_others_are_refused() {
    let store = Arc::new(Fake::new(Habit::Honest));
    let write = |text: &'static str| {
        let storage =
            ObjectStorage::new(Arc::clone(&store) as _, Path::default(), "x".into(), &Options::default())
                .expect("a thread");
        let put =
            storage.run(|bucket| async move { bucket.overwrite(&Path::from("annals"), text.into()).await });
        put.expect("written");
        storage.prepare(&Options::default(), true)
    };
    assert!(write("layout 1").is_ok());
    assert_eq!(write("layout 7").expect_err("unknown").category(), Category::Unsupported);
    assert_eq!(write("boats").expect_err("foreign").category(), Category::Incorrect);
}

#[test]
fn a_store_that_stays_away_is_not_for_ever_waited_for() {
    let settings = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_SKIP_SIGNATURE", "true"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let place = address::resolve("s3://bucket/x", &settings).expect("an address");
    let options = Options { patience: Duration::from_millis(500), ..Options::default() };
    let storage = ObjectStorage::new(place.store, place.prefix, place.shown, &options).expect("a thread");
    let start = Instant::now();
    let error = settle::fill(&storage, LOG, 0, b"b").expect_err("nobody is there");
    assert_eq!(error.category(), Category::Unavailable, "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn it_may_be_used_and_dropped_inside_of_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let storage = open(Emulator::azurite());
        assert_eq!(storage.fill_slot(LOG, 0, b"a").expect("filled"), Filled::Done);
        drop(storage);
    });
}
