//! The tables: people, changes of their salaries, edges of graphs.

use std::path::{Path, PathBuf};

/// One person.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) last_name: String,
    pub(crate) sex: String,
    pub(crate) age: i64,
    pub(crate) salary: i64,
}

/// The folder of the tables.
pub(crate) struct Data(PathBuf);

impl Data {
    pub(crate) fn new(folder: &str) -> Data {
        Data(Path::new(folder).to_owned())
    }

    fn read(&self, table: &str) -> String {
        let path = self.0.join(format!("{table}.tsv"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// So many people; the first is number 1.
    pub(crate) fn people(&self, count: usize) -> Vec<Person> {
        let person = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |at: usize| fields[at].parse().expect("a number");
            Person {
                name: fields[1].to_owned(),
                last_name: fields[2].to_owned(),
                sex: fields[3].to_owned(),
                age: number(4),
                salary: number(5),
            }
        };
        self.read(&format!("people-{count}")).lines().map(person).collect()
    }

    fn numbers<const N: usize>(&self, table: &str) -> Vec<[i64; N]> {
        let row = |line: &str| {
            let mut fields = line.split('\t').map(|field| field.parse().expect("a number"));
            std::array::from_fn(|_| fields.next().expect("a field"))
        };
        self.read(table).lines().map(row).collect()
    }

    /// The edges of a graph.
    pub(crate) fn edges(&self, graph: &str) -> Vec<[i64; 2]> {
        self.numbers(graph)
    }

    /// New salaries: transaction, person, salary; by transaction.
    pub(crate) fn history(&self) -> Vec<[i64; 3]> {
        self.numbers("history")
    }
}

/// People that are looked up one by one.
pub(crate) fn sample() -> Vec<i64> {
    (0..2000).map(|at| at * 7919 % 20_000 + 1).collect()
}
