//! The calls, one file each: plain functions that block, from a request to a reply.

pub(crate) mod catalogue;
pub(crate) mod commands;
pub(crate) mod datoms;
pub(crate) mod described;
mod expect;
pub(crate) mod feed;
pub(crate) mod fork;
pub(crate) mod health;
pub(crate) mod inputs;
pub(crate) mod log;
pub(crate) mod pull;
pub(crate) mod query;
pub(crate) mod requests;
pub(crate) mod storage;
pub(crate) mod tail;
pub(crate) mod transact;

use std::collections::HashMap;

use annals::{AttrId, Datom, Db, Edn};

/// Names the attributes of datoms, each looked up once.
fn attribute_names(db: &Db) -> impl FnMut(&Datom) -> Edn {
    let mut names: HashMap<AttrId, Edn> = HashMap::new();
    move |datom| {
        let name = || db.ident(datom.a.entity()).map_or(Edn::from(datom.a.entity()), Edn::Keyword);
        names.entry(datom.a).or_insert_with(name).clone()
    }
}
