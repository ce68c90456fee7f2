//! The attributes of a database as rows.

use annals::{AttributeInfo, Edn};

use super::Sheet;
use crate::problem::{Problem, Result};
use annals::suggest::did_you_mean;

/// The attributes that `only` names, sorted: one attribute, one namespace, or without it all that users made.
pub fn sheet(attributes: &[AttributeInfo], only: Option<&str>) -> Result<Sheet> {
    let name = only.map(|name| name.trim_start_matches(':'));
    let wanted = |info: &&AttributeInfo| match name {
        None => !info.system,
        Some(name) => info.ident.as_str() == name || info.ident.namespace() == Some(name),
    };
    let mut chosen: Vec<&AttributeInfo> = attributes.iter().filter(wanted).collect();
    if let (true, Some(name)) = (chosen.is_empty(), name) {
        return Err(unknown(attributes, name));
    }
    chosen.sort_by(|x, y| x.ident.cmp(&y.ident));
    let columns = ["attribute", "type", "many", "unique", "also", "facts", "doc"];
    Ok(Sheet::of_maps(&columns, chosen.into_iter().map(row).collect()))
}

fn row(info: &AttributeInfo) -> Vec<Edn> {
    let flags = [
        (info.component, "component"),
        (info.indexed, "index"),
        (info.no_history, "no-history"),
        (info.filling, "filling"),
    ];
    let mut also: Vec<String> =
        flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()).collect();
    also.extend(info.tuple.iter().map(members));
    also.extend(info.preds.iter().map(|pred| format!("if {pred}")));
    vec![
        Edn::Keyword(info.ident.clone()),
        Edn::symbol(info.value_type.name()),
        Edn::symbol(if info.many { "many" } else { "one" }),
        Edn::string(info.unique.as_ref().map_or("", |unique| unique.name())),
        Edn::string(also.join(" ")),
        Edn::Int(info.count as i64),
        Edn::string(info.doc.as_deref().unwrap_or_default()),
    ]
}

/// What tuples are made of: `of [:a/x :a/y]`.
fn members(shape: &Edn) -> String {
    match shape {
        Edn::Map(parts) => parts.values().map(|members| format!("of {members}")).collect(),
        other => format!("of {other}"),
    }
}

fn unknown(attributes: &[AttributeInfo], name: &str) -> Problem {
    let idents: Vec<&str> = attributes.iter().map(|info| info.ident.as_str()).collect();
    let namespaces = attributes.iter().filter_map(|info| info.ident.namespace());
    Problem::new(
        annals::Category::NotFound,
        "db.error/unknown-attribute",
        format!("no attribute and no namespace is named {name}"),
    )
    .maybe_hint(did_you_mean(name, idents.iter().copied().chain(namespaces)))
}

#[cfg(test)]
mod tests {
    use annals::{AttrId, Keyword, Tag};

    use super::*;

    fn attribute(ident: &str, system: bool) -> AttributeInfo {
        AttributeInfo {
            id: AttrId(1),
            ident: Keyword::new(ident),
            value_type: Tag::String,
            many: false,
            unique: Some(Keyword::new("db.unique/identity")),
            component: false,
            indexed: true,
            no_history: false,
            preds: Vec::new(),
            tuple: None,
            filling: false,
            doc: None,
            system,
            count: 3,
        }
    }

    #[test]
    fn what_else_is_said_of_an_attribute_is_told() {
        let shape =
            [(Edn::keyword("db/tupleAttrs"), Edn::Vector(vec![Edn::keyword("a/x"), Edn::keyword("a/y")]))];
        let both = AttributeInfo {
            value_type: Tag::Tuple,
            tuple: Some(Edn::Map(shape.into())),
            filling: true,
            preds: vec![annals::Symbol::new("even?"), annals::Symbol::new("a/small")],
            ..attribute("a/both", false)
        };
        let rows = sheet(&[both], None).expect("it is chosen").rows;
        assert_eq!(rows[0][4], Edn::string("index filling of [:a/x :a/y] if even? if a/small"));
    }

    #[test]
    fn names_choose_attributes() {
        let all = [attribute("file/size", false), attribute("file/path", false), attribute("db/ident", true)];
        let idents = |only| {
            let sheet = sheet(&all, only).expect("something is chosen");
            sheet.rows.iter().map(|row| row[0].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(idents(None), [":file/path", ":file/size"]);
        assert_eq!(idents(Some("file")), [":file/path", ":file/size"]);
        assert_eq!(idents(Some(":file/size")), [":file/size"]);
        assert_eq!(idents(Some("db")), [":db/ident"]);
        let problem = sheet(&all, Some("file/pth")).expect_err("no such name");
        assert_eq!(problem.hint_text(), Some("did you mean `file/path`?"));
    }
}
