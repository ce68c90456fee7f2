//! Annals beside other stores: a program that a harness starts as it starts theirs, and which prints what it measured.
//!
//! ```text
//!   yardstick DATA SCRATCH small|large|history|graph        one line of JSON a measurement, on standard output
//! ```
//!
//! DATA holds tables of tab-separated values, SCRATCH is where files may be made. All is asked of a file of redb that was
//! closed and opened again after its facts were put to rest. An answer comes with its number of rows and the sum of its
//! integers, so that the harness sees whether all stores answer the same; entities count by the numbers they have in the
//! tables. `PEERS_BUDGET` scales the time that is spent, `PEERS_ONLY` names some works.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod data;
mod graph;
mod history;
mod out;
mod people;
mod place;

use data::Data;
use out::Out;
use place::Place;

fn main() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, scratch, group] = args.as_slice() else {
        return Err("usage: yardstick DATA SCRATCH small|large|history|graph".to_owned());
    };
    let (data, place, out) = (Data::new(data), Place::new(scratch), Out::new(group));
    match group.as_str() {
        "small" => {
            people::run(&out, &data, &place, 20_000);
            graph::rules(&out, &data, &place);
        }
        "large" => people::run(&out, &data, &place, 1_000_000),
        "history" => history::run(&out, &data, &place),
        "graph" => graph::run(&out, &data, &place),
        other => return Err(format!("there is no group {other}; there are small, large, history and graph")),
    }
    Ok(())
}
