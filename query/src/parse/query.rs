//! The sections of a query: a vector or list divided by keywords, or a map.

use annals_storage::datom::Symbol;

use super::{binding, clause, find, invalid, plain_name, show, variables};
use crate::ast::{Find, Input, KeyKind, Query, ReturnMap, SourceName};
use crate::edn::{Edn, Form, FormKind};
use crate::error::Result;

const SECTIONS: [&str; 7] = ["find", "keys", "strs", "syms", "with", "in", "where"];

/// A section: its keyword, and what stands in it.
struct Section<'f> {
    name: &'static str,
    key: &'f Form,
    forms: &'f [Form],
}

pub(super) fn query(form: &Form) -> Result<Query> {
    let sections = match &form.kind {
        FormKind::Vector(forms) | FormKind::List(forms) => divided(form, forms)?,
        FormKind::Map(pairs) => mapped(pairs)?,
        _ => {
            return Err(invalid(form, format!("a query is a vector or a map, not {}", show(form)))
                .hint("as in [:find ?e :where [?e :person/name]]"));
        }
    };
    let section = |name: &str| sections.iter().find(|section| section.name == name);
    let find = match section("find") {
        Some(section) => find::find(section.key, section.forms)?,
        None => {
            return Err(
                invalid(form, "the query has no :find").hint("say what is asked for: [:find ?e :where …]")
            );
        }
    };
    Ok(Query {
        keys: keys(&sections, &find)?,
        find,
        with: section("with").map_or(Ok(Vec::new()), |section| variables(section.forms, ":with"))?,
        inputs: match section("in") {
            Some(section) => binding::inputs(section.forms)?,
            None => vec![Input::Source(SourceName::default_source())],
        },
        clauses: section("where").map_or(Ok(Vec::new()), |section| clause::clauses(section.forms))?,
    })
}

fn divided<'f>(query: &Form, forms: &'f [Form]) -> Result<Vec<Section<'f>>> {
    let mut sections: Vec<Section<'f>> = Vec::new();
    let mut rest = forms;
    while let Some((key, after)) = rest.split_first() {
        if !matches!(key.kind, FormKind::Atom(Edn::Keyword(_))) {
            return Err(invalid(key, format!("a query begins with :find, not {}", show(key))).at(query.span));
        }
        let end = after.iter().position(|form| matches!(form.kind, FormKind::Atom(Edn::Keyword(_))));
        let (forms, next) = after.split_at(end.unwrap_or(after.len()));
        add(&mut sections, key, forms)?;
        rest = next;
    }
    Ok(sections)
}

fn mapped(pairs: &[(Form, Form)]) -> Result<Vec<Section<'_>>> {
    let mut sections = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let forms = value
            .as_seq()
            .ok_or_else(|| invalid(value, format!("{} needs a vector, not {}", show(key), show(value))))?;
        add(&mut sections, key, forms)?;
    }
    Ok(sections)
}

fn add<'f>(sections: &mut Vec<Section<'f>>, key: &'f Form, forms: &'f [Form]) -> Result<()> {
    let name = match key.as_atom() {
        Some(Edn::Keyword(keyword)) => SECTIONS.into_iter().find(|name| *name == keyword.as_str()),
        _ => None,
    };
    let Some(name) = name else {
        return Err(invalid(key, format!("{} is no part of a query", show(key)))
            .hint("the parts are :find, :keys (or :strs, :syms), :with, :in and :where"));
    };
    if sections.iter().any(|section| section.name == name) {
        return Err(invalid(key, format!(":{name} stands twice")));
    }
    sections.push(Section { name, key, forms });
    Ok(())
}

/// The names of the columns, from `:keys`, `:strs` or `:syms`.
fn keys(sections: &[Section<'_>], find: &Find) -> Result<Option<ReturnMap>> {
    let kind = |name: &str| match name {
        "keys" => Some(KeyKind::Keywords),
        "strs" => Some(KeyKind::Strings),
        "syms" => Some(KeyKind::Symbols),
        _ => None,
    };
    let mut given = sections.iter().filter_map(|section| Some((section, kind(section.name)?)));
    let Some((section, kind)) = given.next() else { return Ok(None) };
    if let Some((second, _)) = given.next() {
        return Err(invalid(
            second.key,
            format!(":{} and :{} exclude each other", section.name, second.name),
        ));
    }
    if !matches!(find, Find::Relation(_) | Find::Tuple(_)) {
        return Err(invalid(
            section.key,
            format!(":{} needs rows; :find asks for single values", section.name),
        )
        .hint("ask for rows: :find ?a ?b"));
    }
    let names = names(section)?;
    let elements = find.elements().len();
    if names.len() != elements {
        let message = format!(":{} has {} names for {elements} columns", section.name, names.len());
        return Err(invalid(section.key, message).hint("give one name for each element of :find"));
    }
    Ok(Some(ReturnMap { kind, names }))
}

fn names(section: &Section<'_>) -> Result<Vec<Symbol>> {
    let mut names: Vec<Symbol> = Vec::with_capacity(section.forms.len());
    for form in section.forms {
        let name = plain_name(form).ok_or_else(|| {
            invalid(form, format!("{} in :{} is not a name", show(form), section.name))
                .hint("names are symbols")
        })?;
        if names.contains(name) {
            return Err(invalid(form, format!("the name {} stands twice in :{}", show(form), section.name)));
        }
        names.push(name.clone());
    }
    Ok(names)
}
