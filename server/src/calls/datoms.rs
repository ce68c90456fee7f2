//! Raw facts, in the order of an index.

use annals::{Db, Edn, Index, Walk};

use super::attribute_names;
use crate::ask::Ask;
use crate::fields::Fields;
use crate::params;
use crate::problem::{Problem, Written};
use crate::reply::{Content, Reply};
use crate::table::{Table, datom_row};

const PAGE: u64 = 1000;

/// Facts along an index, a page at a time: those that begin with some components, those of one attribute from a value to
/// another, or all from a place on.
pub(crate) fn datoms(ask: &Ask) -> Result<Reply, Problem> {
    let index = index_of(ask.part("index"))?;
    let components = components(ask, index)?;
    let limit = ask.params.count("limit")?.unwrap_or(PAGE) as usize;
    let offset = ask.params.count("offset")?.unwrap_or(0) as usize;
    let lens = ask.lens(&mut Fields::default())?;
    let stamp = ask.stamp(&[&lens])?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    let end = offset.saturating_add(limit);
    let mut found =
        walk(ask, &lens.db, index, &components)?.skip(offset).limit(limit.saturating_add(1)).to_vec()?;
    let more = found.len() > limit;
    found.truncate(limit);

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

/// What the parameters ask for: `start` and `end` are a range, `seek` runs on to the end of the index.
fn walk(ask: &Ask, db: &Db, index: Index, components: &[Edn]) -> Result<Walk, Problem> {
    let end_of = |name: &'static str| {
        let read = |text| Written::whole(name, text).read().map(|form| form.to_edn());
        ask.params.get(name).map(read).transpose()
    };
    let (start, end, seek) = (end_of("start")?, end_of("end")?, ask.params.flag("seek")?);
    let walk = match (start.is_some() || end.is_some(), seek) {
        (false, false) => db.walk(index, components)?,
        (false, true) => db.seek_datoms(index, components)?,
        (true, false) if index == Index::Avet && components.len() == 1 => {
            db.index_range(components[0].clone(), start.as_ref(), end.as_ref())?
        }
        (true, _) => {
            let message = "start and end are a range of the values of one attribute in avet, and no seek";
            return Err(Problem::incorrect("db.error/bad-parameter", message)
                .hint("as in datoms/avet?a=:film/year&start=1980&end=1990"));
        }
    };
    Ok(if ask.params.flag("reverse")? { walk.reverse() } else { walk })
}

/// An index by its name.
pub(super) fn index_of(name: &str) -> Result<Index, Problem> {
    match name {
        "eavt" => Ok(Index::Eavt),
        "aevt" => Ok(Index::Aevt),
        "avet" => Ok(Index::Avet),
        "vaet" => Ok(Index::Vaet),
        other => Err(Problem::incorrect("db.error/unknown-index", format!("there is no index {other:?}"))
            .hint("there are eavt, aevt, avet and vaet")),
    }
}

/// The names of an index's components.
fn names_of(index: Index) -> [&'static str; 3] {
    match index {
        Index::Eavt => ["e", "a", "v"],
        Index::Aevt => ["a", "e", "v"],
        Index::Avet => ["a", "v", "e"],
        Index::Vaet => ["v", "a", "e"],
    }
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
    for (at, name) in names_of(index).into_iter().enumerate() {
        let Some(text) = ask.params.get(name) else { continue };
        if components.len() < at {
            let missing = names_of(index)[components.len()];
            let message = format!("{name} is given, but {missing} comes before it in this index and is not");
            return Err(Problem::incorrect("db.error/bad-parameter", message));
        }
        components.push(read(name, text)?);
    }
    Ok(components)
}
