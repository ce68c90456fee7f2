//! Pull patterns: `[:a * {:b [:c]} {:d 3} [:e :limit 10 :as :f] (default :g 0)]`

use annals_storage::datom::{Keyword, Symbol};

use super::{is_symbol, show, symbol};
use crate::ast::{PullLimit, PullPattern, PullSpec, PullSub};
use crate::edn::{Edn, Form, FormKind};
use crate::error::{Error, Result};

pub(super) fn pattern(form: &Form) -> Result<PullPattern> {
    let parts = match &form.kind {
        FormKind::Vector(parts) if !parts.is_empty() => parts,
        FormKind::Vector(_) => return Err(invalid(form, "a pull pattern asks for at least one attribute")),
        _ => {
            return Err(invalid(form, format!("a pull pattern is a vector, not {}", show(form)))
                .hint("as in [:person/name {:person/friend [:person/name]}], or [*]"));
        }
    };
    let mut pattern = PullPattern::default();
    for part in parts {
        match &part.kind {
            _ if is_word(part, "*") => pattern.wildcard = true,
            FormKind::Map(pairs) if pairs.is_empty() => {
                return Err(invalid(part, "an empty map asks for nothing"));
            }
            FormKind::Map(pairs) => {
                for (key, sub) in pairs {
                    let sub = self::sub(sub)?;
                    pattern.specs.push(PullSpec { sub, ..spec(key)? });
                }
            }
            _ => pattern.specs.push(spec(part)?),
        }
    }
    Ok(pattern)
}

/// What a map asks of the entities behind an attribute.
fn sub(form: &Form) -> Result<PullSub> {
    match &form.kind {
        FormKind::Vector(_) => pattern(form).map(PullSub::Pattern),
        _ if is_word(form, "...") => Ok(PullSub::Unbounded),
        FormKind::Atom(Edn::Int(levels)) if *levels > 0 => Ok(PullSub::Levels(levels.unsigned_abs())),
        FormKind::Atom(Edn::Int(_)) => Err(invalid(form, format!("{} is no depth", show(form)))
            .hint("a recursion goes one level or more, or `...`")),
        _ => Err(invalid(form, format!("{} is neither a pattern nor a depth", show(form)))
            .hint("as in {:a [:b]}, {:a 3} or {:a ...}")),
    }
}

/// An attribute: its name, or a sequence of its name and what is said about it.
fn spec(form: &Form) -> Result<PullSpec> {
    let Some(parts) = form.as_seq() else { return attribute(form) };
    match parts {
        [word, attr, number] if is_word(word, "limit") => {
            let mut spec = spec(attr)?;
            spec.limit = limit(number)?;
            Ok(PullSpec { span: form.span, ..spec })
        }
        [word, attr, value] if is_word(word, "default") => {
            let spec = spec(attr)?;
            Ok(PullSpec { default: Some(value.to_edn()), span: form.span, ..spec })
        }
        [attr, options @ ..] if matches!(attr.kind, FormKind::Atom(Edn::Keyword(_))) => {
            let mut spec = attribute(attr)?;
            spec.span = form.span;
            self::options(form, options, &mut spec)?;
            Ok(spec)
        }
        // An attribute of the older list forms, with options: `[(limit :a 3) :as :b]`
        [attr @ Form { kind: FormKind::List(_), .. }, options @ ..] if !options.is_empty() => {
            let mut spec = spec(attr)?;
            spec.span = form.span;
            self::options(form, options, &mut spec)?;
            Ok(spec)
        }
        _ => Err(not_a_spec(form)),
    }
}

fn options(form: &Form, options: &[Form], spec: &mut PullSpec) -> Result<()> {
    let (pairs, odd) = options.as_chunks::<2>();
    if let [last] = odd {
        return Err(invalid(last, format!("the option {} has no value", show(last))));
    }
    let mut seen: Vec<&str> = Vec::new();
    for [option, value] in pairs {
        let Some(Edn::Keyword(name)) = option.as_atom() else {
            return Err(not_an_option(option));
        };
        if seen.contains(&name.as_str()) {
            return Err(invalid(
                option,
                format!("the option {} stands twice in {}", show(option), show(form)),
            ));
        }
        seen.push(name.as_str());
        match name.as_str() {
            "as" => spec.key = value.to_edn(),
            "default" => spec.default = Some(value.to_edn()),
            "limit" => spec.limit = limit(value)?,
            "xform" => spec.xform = Some(function(value)?),
            _ => return Err(not_an_option(option)),
        }
    }
    Ok(())
}

fn not_an_option(option: &Form) -> Error {
    invalid(option, format!("{} is not an option of a pull", show(option)))
        .hint("the options are :as, :limit, :default and :xform")
}

fn limit(form: &Form) -> Result<PullLimit> {
    match form.as_atom() {
        Some(Edn::Nil) => Ok(PullLimit::All),
        Some(Edn::Int(count)) if *count > 0 => Ok(PullLimit::Count(count.unsigned_abs())),
        _ => Err(invalid(form, format!("{} is not a limit", show(form)))
            .hint("a limit is a positive integer, or nil for all")),
    }
}

fn function(form: &Form) -> Result<Symbol> {
    symbol(form).cloned().ok_or_else(|| {
        invalid(form, format!("{} is not the name of a function", show(form))).hint("as in :xform str")
    })
}

/// `:a/b`, or `:a/_b` for what refers to the entity by `:a/b`.
fn attribute(form: &Form) -> Result<PullSpec> {
    let Some(Edn::Keyword(written)) = form.as_atom() else { return Err(not_a_spec(form)) };
    let (namespace, name) = written.parts();
    let reverse = name.strip_prefix('_');
    let attr = match (namespace, reverse) {
        (_, None) => written.clone(),
        (_, Some("")) => return Err(not_a_spec(form)),
        (Some(namespace), Some(name)) => Keyword::new(&format!("{namespace}/{name}")),
        (None, Some(name)) => Keyword::new(name),
    };
    Ok(PullSpec {
        attr,
        reverse: reverse.is_some(),
        key: Edn::Keyword(written.clone()),
        limit: PullLimit::Default,
        default: None,
        xform: None,
        sub: PullSub::Default,
        span: form.span,
    })
}

/// True for a symbol or a string of this text: older patterns write their words as strings.
fn is_word(form: &Form, word: &str) -> bool {
    is_symbol(form, word) || matches!(form.as_atom(), Some(Edn::String(text)) if **text == *word)
}

fn not_a_spec(form: &Form) -> Error {
    invalid(form, format!("{} is not an attribute to pull", show(form)))
        .hint("as in :a/b, :a/_b, *, [:a/b :limit 10 :as :c] or {:a/b [:c/d]}")
}

fn invalid(form: &Form, message: impl Into<String>) -> Error {
    Error::incorrect("db.error/invalid-pull", message).at(form.span)
}
