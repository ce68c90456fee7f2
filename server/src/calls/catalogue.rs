//! Which databases there are, and what they are made of.

use annals::{AttributeInfo, Category, Db, Edn};
use axum::http::StatusCode;

use crate::ask::Ask;
use crate::problem::Problem;
use crate::reply::{Doc, Reply};

/// The names, sorted.
pub(crate) fn list(ask: &Ask) -> Result<Reply, Problem> {
    let names = ask.shared.store.databases()?;
    Ok(Reply::doc(Doc::List(names.into_iter().map(Doc::text).collect())))
}

/// Creates a database, unless it is there: 201, or else 200.
pub(crate) fn create(ask: &Ask) -> Result<Reply, Problem> {
    let created = ask.shared.store.create_database(ask.part("db"))?;
    let mut reply = Reply::doc(description(&ask.now()?)?);
    if created {
        reply.status = StatusCode::CREATED;
    }
    Ok(reply)
}

/// Basis, counts, size of the schema.
pub(crate) fn describe(ask: &Ask) -> Result<Reply, Problem> {
    let db = ask.now()?;
    let _ = ask.known.basis.set(db.basis_t());
    Ok(Reply::doc(description(&db)?))
}

/// Every attribute with its properties, by name; those of the system only on request.
pub(crate) fn schema(ask: &Ask) -> Result<Reply, Problem> {
    let system = ask.params.flag("system")?;
    let db = ask.now()?;
    let _ = ask.known.basis.set(db.basis_t());
    let attributes = db.schema().into_iter().filter(|attribute| system || !attribute.system);
    Ok(Reply::doc(Doc::List(attributes.map(attribute_doc).collect())))
}

fn attribute_doc(attribute: AttributeInfo) -> Doc {
    let named = |text: String| Doc::from(Edn::keyword(&text));
    let flag = |flag: bool| Doc::from(Edn::Bool(flag));
    let mut fields = vec![
        ("ident", Edn::Keyword(attribute.ident).into()),
        ("id", Edn::from(attribute.id.entity()).into()),
        ("value-type", named(format!("db.type/{}", attribute.value_type.name()))),
        ("cardinality", named(format!("db.cardinality/{}", if attribute.many { "many" } else { "one" }))),
        ("indexed", flag(attribute.indexed)),
        ("component", flag(attribute.component)),
        ("no-history", flag(attribute.no_history)),
        ("count", attribute.count.into()),
    ];
    if !attribute.preds.is_empty() {
        let preds = attribute.preds.into_iter().map(Edn::Symbol).collect();
        fields.push(("preds", Edn::Vector(preds).into()));
    }
    if attribute.filling {
        fields.push(("filling", flag(true)));
    }
    fields.extend(attribute.tuple.map(|tuple| ("tuple", tuple.into())));
    fields.extend(attribute.unique.map(|unique| ("unique", Edn::Keyword(unique).into())));
    fields.extend(attribute.doc.map(|doc| ("doc", Doc::text(doc))));
    Doc::Map(fields)
}

/// Deletes a database and all its facts.
pub(crate) fn delete(ask: &Ask) -> Result<Reply, Problem> {
    let name = ask.part("db");
    ask.shared.forget(name);
    if !ask.shared.store.drop_database(name)? {
        let message = format!("there is no database {name}");
        return Err(Problem::new(Category::NotFound, "db.error/db-not-found", message));
    }
    Ok(Reply::doc(Doc::Map(vec![("deleted", Doc::text(name))])))
}

/// What `describe` tells of a database.
pub(crate) fn description(db: &Db) -> Result<Doc, Problem> {
    let instant = db.instant_of(db.basis_t())?.map_or(Edn::Nil, Edn::Inst);
    let attributes = db.schema().iter().filter(|attribute| !attribute.system).count() as u64;
    Ok(Doc::Map(vec![
        ("name", Doc::text(db.name())),
        ("basis-t", db.basis_t().into()),
        ("instant", instant.into()),
        ("attributes", attributes.into()),
        ("stats", db.stats()?.into()),
    ]))
}
