//! The guide to queries, over the sample of a git repository, and its parts in Rust.

use std::path::Path;

use annals::{Edn, Functions, Store};
use annals_tests::data;

use crate::walk;
use crate::ways::Ways;

fn sample() -> Store {
    let store = annals::connect("mem:").expect("a storage in memory");
    let conn = store.database("main").expect("an empty database");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../repl/samples/git-datascript");
    data::import(&conn, Path::new(folder));
    store
}

#[test]
fn every_question_is_answered_as_the_guide_says() {
    walk("query.md", include_str!("queries.rs"), &mut Ways::to_one(sample()), 40);
}

/// The parts in Rust, as they stand in the guide.
#[test]
fn what_stands_there_in_rust() -> annals::Result<()> {
    let store = sample();
    let conn = store.database("main")?;
    let db = conn.db();
    let largest = "[:find ?name ?size :in $ ?after :order-by (desc ?size) ?name :limit 2 :after ?after
                    :where [?file :file/exists true] [?file :file/path ?name] [?file :file/size ?size]]";
    let annals::Answer::Relation(first) = annals::q(largest)?.over(&db).arg(Edn::Nil).run()? else {
        panic!("a relation")
    };
    let cursor = first.cursor().map_or(Edn::Nil, Edn::from);
    let second: Vec<(String, i64)> = annals::q(largest)?.over(&db).arg(cursor).rows_as()?;
    assert_eq!(second[0], ("src/datascript/query_v3.cljc".to_owned(), 33732));

    let changed = "[:find [?name ...] :in $ ?log ?t
                    :where [(tx-data ?log ?t) [[?file ?a _ _ ?added]]]
                           [(true? ?added)] [?a :db/ident :file/size]
                           [?file :file/path ?name]]";
    let names: Vec<String> = annals::q(changed)?.over(&db).arg(conn.log()).arg(2).rows_as()?;
    assert_eq!(names.len(), 7);

    let folder = |args: &[Edn]| match args {
        [Edn::String(path)] => Ok(Edn::from(path.rsplit_once('/').map_or(".", |(folder, _)| folder))),
        _ => Err("one path is needed".into()),
    };
    let functions = Functions::new().function("my/folder", folder)?;
    let deep = "[:find ?folder . :where [?file :file/path \"test/js/tests.js\"] [?file :file/path ?path]
                 [(my/folder ?path) ?folder]]";
    let answer = annals::q(deep)?.over(&db).functions(&functions).run()?;
    assert_eq!(answer.into_edn(), Edn::from("test/js"));
    Ok(())
}
