//! The sections of a query: a vector or list divided by keywords, or a map.

use std::collections::HashSet;

use annals_storage::datom::Symbol;
use xxhash_rust::xxh3::xxh3_64;

use super::{binding, clause, find, invalid, page, plain_name, show, variables};
use crate::ast::{Expr, Find, Input, KeyKind, OrderKey, Query, ReturnMap, SourceName};
use crate::edn::{Edn, Form, FormKind};
use crate::error::{Error, Result};
use crate::suggest;

/// The sections, in the order in which they are told.
const SECTIONS: [&str; 14] = [
    "find", "keys", "strs", "syms", "with", "in", "where", "having", "order-by", "limit", "offset", "after",
    "timeout", "verify",
];

/// The sections that a single form may stand for in the map form.
const SINGLE: [&str; 7] = ["having", "order-by", "limit", "offset", "after", "timeout", "verify"];

/// A section: its keyword, and what stands in it.
pub(super) struct Section<'f> {
    pub(super) name: &'static str,
    pub(super) key: &'f Form,
    pub(super) forms: &'f [Form],
}

pub(super) fn query(form: &Form) -> Result<Query> {
    inside(form, 0)
}

/// A query that stands inside of `level` clauses.
pub(super) fn inside(form: &Form, level: usize) -> Result<Query> {
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
    let having = section("having").map_or(Ok(Vec::new()), page::having)?;
    let page = page::page(&sections)?;
    Ok(Query {
        keys: keys(&sections, &find)?,
        fingerprint: fingerprint(&sections, &having, &page.order_by),
        find,
        with: section("with").map_or(Ok(Vec::new()), |section| variables(section.forms, ":with"))?,
        inputs: match section("in") {
            Some(section) => binding::inputs(section.forms)?,
            None => vec![Input::Source(SourceName::default_source())],
        },
        clauses: section("where").map_or(Ok(Vec::new()), |section| clause::clauses(section.forms, level))?,
        having,
        page,
        timeout: section("timeout").map(page::count).transpose()?,
        verify: section("verify").map_or(Ok(false), page::flag)?,
    })
}

/// The hash of what decides the rows and their order: not of how many there are, nor of what they are called.
fn fingerprint(sections: &[Section<'_>], having: &[Expr], order_by: &[OrderKey]) -> u64 {
    let mut told = String::new();
    for name in ["find", "with", "where"] {
        let forms = sections.iter().filter(|section| section.name == name).flat_map(|section| section.forms);
        forms.for_each(|form| told.push_str(&format!("{name} {}\n", form.to_edn())));
    }
    having.iter().for_each(|expr| told.push_str(&format!("having {expr}\n")));
    for key in order_by {
        told.push_str(&format!("order {} {}\n", key.by, if key.descending { "desc" } else { "asc" }));
    }
    xxh3_64(told.as_bytes())
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
        section_name(key)?;
        let single = SINGLE.iter().any(|name| is_keyword(key, name));
        let forms = match &value.kind {
            FormKind::Vector(forms) => forms.as_slice(),
            FormKind::List(forms) if !single => forms.as_slice(),
            _ if single => std::slice::from_ref(value),
            _ => return Err(invalid(value, format!("{} needs a vector, not {}", show(key), show(value)))),
        };
        add(&mut sections, key, forms)?;
    }
    Ok(sections)
}

fn add<'f>(sections: &mut Vec<Section<'f>>, key: &'f Form, forms: &'f [Form]) -> Result<()> {
    let name = section_name(key)?;
    if sections.iter().any(|section| section.name == name) {
        return Err(invalid(key, format!(":{name} stands twice")));
    }
    sections.push(Section { name, key, forms });
    Ok(())
}

fn section_name(key: &Form) -> Result<&'static str> {
    SECTIONS.into_iter().find(|name| is_keyword(key, name)).ok_or_else(|| unknown_section(key))
}

fn is_keyword(form: &Form, name: &str) -> bool {
    matches!(form.as_atom(), Some(Edn::Keyword(keyword)) if keyword.as_str() == name)
}

fn unknown_section(key: &Form) -> Error {
    let error = invalid(key, format!("{} is no part of a query", show(key)));
    let word = match key.as_atom() {
        Some(Edn::Keyword(keyword)) => keyword.as_str(),
        _ => "",
    };
    if matches!(word, "asc" | "desc") {
        return error.hint(format!("a direction stands in a vector with its key: [?a :{word}]"));
    }
    match suggest::nearest(word, SECTIONS) {
        Some(name) => error.hint(format!("did you mean `:{name}`?")),
        None => error.hint(format!("the parts are {}", SECTIONS.map(|name| format!(":{name}")).join(", "))),
    }
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
    if !matches!(find, Find::Relation(_)) {
        return Err(invalid(
            section.key,
            format!(":{} makes maps of rows; :find asks for one row or single values", section.name),
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
    let mut seen = HashSet::with_capacity(section.forms.len());
    for form in section.forms {
        let name = plain_name(form).ok_or_else(|| {
            invalid(form, format!("{} in :{} is not a name", show(form), section.name))
                .hint("names are symbols")
        })?;
        if !seen.insert(name) {
            return Err(invalid(form, format!("the name {} stands twice in :{}", show(form), section.name)));
        }
        names.push(name.clone());
    }
    Ok(names)
}
