//! Raw facts, in the order of an index.

use annals::{Datom, Db, Edn, Order, Tag};

use super::attribute_names;
use crate::ask::Ask;
use crate::fields::Fields;
use crate::params;
use crate::problem::{Problem, Written};
use crate::reply::{Content, Reply};
use crate::table::{Table, datom_row};

const PAGE: u64 = 1000;

/// The facts that begin with some components, a page at a time.
pub(crate) fn datoms(ask: &Ask) -> Result<Reply, Problem> {
    let index = Index::of_name(ask.part("index"))?;
    let components = components(ask, index)?;
    let limit = ask.params.count("limit")?.unwrap_or(PAGE) as usize;
    let offset = ask.params.count("offset")?.unwrap_or(0) as usize;
    let lens = ask.lens(&mut Fields::default())?;
    let stamp = ask.stamp(&[&lens])?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    let end = offset.saturating_add(limit);
    let mut found = index.facts(&lens.db, &components, end.saturating_add(1))?;
    let more = found.len() > end;
    found.truncate(end);
    found.drain(..offset.min(found.len()));

    let mut name = attribute_names(&lens.db);
    let content = if ask.media.is_rows() {
        Content::Table(Table::of_datoms(&found, &mut name))
    } else {
        let rows = found.iter().map(|datom| Edn::Vector(datom_row(datom, name(datom)))).collect();
        Content::Doc(Edn::Vector(rows).into())
    };
    let mut reply = Reply::new(content).stamped(stamp);
    // The next page is of the same moment, so that no fact is missed or met twice.
    let as_of = ask.params.get("as-of").map_or(lens.now.basis_t().to_string(), str::to_owned);
    reply.next = more.then(|| ask.page(&[("offset", end.to_string()), ("as-of", as_of)]));
    Ok(reply)
}

/// An order of facts, with the names of its components.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Index {
    Stored(Order),
    /// By value and attribute, references only.
    Vaet,
}

impl Index {
    fn of_name(name: &str) -> Result<Index, Problem> {
        match name {
            "eavt" => Ok(Index::Stored(Order::Eavt)),
            "aevt" => Ok(Index::Stored(Order::Aevt)),
            "avet" => Ok(Index::Stored(Order::Avet)),
            "vaet" => Ok(Index::Vaet),
            other => {
                Err(Problem::incorrect("db.error/unknown-index", format!("there is no index {other:?}"))
                    .hint("there are eavt, aevt, avet and vaet"))
            }
        }
    }

    fn components(self) -> [&'static str; 3] {
        match self {
            Index::Stored(Order::Eavt) => ["e", "a", "v"],
            Index::Stored(Order::Aevt) => ["a", "e", "v"],
            Index::Stored(Order::Avet) => ["a", "v", "e"],
            Index::Vaet => ["v", "a", "e"],
        }
    }

    fn facts(self, db: &Db, components: &[Edn], limit: usize) -> Result<Vec<Datom>, Problem> {
        match self {
            Index::Stored(order) => Ok(db.datoms(order, components, Some(limit))?),
            Index::Vaet => references(db, components, limit),
        }
    }
}

/// Who refers to an entity: the order is kept by attribute and value, so each attribute is asked in turn.
fn references(db: &Db, components: &[Edn], limit: usize) -> Result<Vec<Datom>, Problem> {
    let mut found = Vec::new();
    let wanted = match components.get(1) {
        Some(attribute) => db.entid(annals::EntityName::from(attribute.clone()))?,
        None => None,
    };
    for attribute in db.schema().iter().filter(|attribute| attribute.value_type == Tag::Ref) {
        if components.len() > 1 && wanted != Some(attribute.id.entity()) {
            continue;
        }
        let mut prefix = vec![Edn::Keyword(attribute.ident.clone())];
        prefix.extend(components.first().cloned());
        prefix.extend(components.get(2).cloned());
        found.extend(db.datoms(Order::Avet, &prefix, Some(limit))?);
    }
    found.sort_by(|x, y| (&x.v, x.a, x.e, x.tx, x.added).cmp(&(&y.v, y.a, y.e, y.tx, y.added)));
    found.truncate(limit);
    Ok(found)
}

/// The leading components: a vector in the order of the index, or each by its name.
fn components(ask: &Ask, index: Index) -> Result<Vec<Edn>, Problem> {
    let read =
        |name: &'static str, text: &str| Ok::<Edn, Problem>(Written::whole(name, text).read()?.to_edn());
    if let Some(text) = ask.params.get("components") {
        return match read("components", text)? {
            Edn::Vector(components) if components.len() <= 3 => Ok(components),
            other => Err(params::bad("components", &other.to_string(), "a vector of at most three")),
        };
    }
    let mut components = Vec::new();
    for (at, name) in index.components().into_iter().enumerate() {
        let Some(text) = ask.params.get(name) else { continue };
        if components.len() < at {
            let missing = index.components()[components.len()];
            let message = format!("{name} is given, but {missing} comes before it in this index and is not");
            return Err(Problem::incorrect("db.error/bad-parameter", message));
        }
        components.push(read(name, text)?);
    }
    Ok(components)
}
