//! Rule sets: `[[(reaches ?a ?b) [?a :next ?b]] …]`, definitions of one name being alternatives. One argument of a head
//! may be `(min ?d)` or `(max ?d)`.

use std::collections::HashMap;

use annals_storage::datom::Symbol;

use super::{clause, join_variables, plain_name, show};
use crate::ast::{Best, Rule};
use crate::edn::{Form, FormKind};
use crate::error::{Error, Result};

pub(super) fn rules(form: &Form) -> Result<Vec<Rule>> {
    let forms = form
        .as_seq()
        .ok_or_else(|| invalid(form, format!("rules are a vector of rules, not {}", show(form))))?;
    let rules: Vec<Rule> = forms.iter().map(rule).collect::<Result<_>>()?;
    agree(&rules)?;
    Ok(rules)
}

fn rule(form: &Form) -> Result<Rule> {
    let (head, body) = match form.as_seq().and_then(<[Form]>::split_first) {
        Some((Form { kind: FormKind::List(head), .. }, body)) => (head, body),
        _ => {
            return Err(invalid(form, format!("{} is not a rule", show(form)))
                .hint("a rule is a vector of a head and clauses: [(parent ?a ?b) [?b :person/father ?a]]"));
        }
    };
    let Some((name, vars)) = head.split_first().and_then(|(name, vars)| Some((plain_name(name)?, vars)))
    else {
        return Err(invalid(form, format!("{} does not begin with a rule's name", show(form))));
    };
    if clause::RESERVED.contains(&name.as_str()) {
        return Err(invalid(form, format!("`{name}` cannot be the name of a rule")));
    }
    let (vars, best) = best(name, vars)?;
    let (required, args) = join_variables(&vars, &format!("the head of `{name}`"))
        .map_err(|error| Error { keyword: "db.error/invalid-rule", ..error })?;
    if args.is_empty() {
        return Err(invalid(form, format!("the rule `{name}` has no variables")));
    }
    if body.is_empty() {
        return Err(invalid(form, format!("the rule `{name}` has no clauses")));
    }
    let best = best.map(|Best { at, greatest }| Best { at: at + required.saturating_sub(1), greatest });
    Ok(Rule { name: name.clone(), required, args, best, body: clause::clauses(body, 0)?, span: form.span })
}

/// The head's variables, and which of them stands in `(min ?d)` or `(max ?d)`.
fn best(name: &Symbol, forms: &[Form]) -> Result<(Vec<Form>, Option<Best>)> {
    let mut best = None;
    let mut vars = forms.to_vec();
    for (at, form) in vars.iter_mut().enumerate() {
        let FormKind::List(parts) = &form.kind else { continue };
        let greatest = match parts.first().and_then(plain_name).map(Symbol::as_str) {
            Some("min") => Some(false),
            Some("max") => Some(true),
            _ => None,
        };
        let (Some(greatest), [_, var]) = (greatest, parts.as_slice()) else {
            return Err(invalid(form, format!("{} in the head of `{name}` is no variable", show(form)))
                .hint("an argument is a variable, or (min ?d) or (max ?d)"));
        };
        if best.replace(Best { at, greatest }).is_some() {
            return Err(invalid(form, format!("the head of `{name}` takes the best of two arguments"))
                .hint("one argument of a head can be (min ?d) or (max ?d)"));
        }
        *form = var.clone();
    }
    Ok((vars, best))
}

/// All definitions of a name take the same number of arguments, and require the same of them.
fn agree(rules: &[Rule]) -> Result<()> {
    let mut first: HashMap<&str, &Rule> = HashMap::new();
    for rule in rules {
        let known = *first.entry(rule.name.as_str()).or_insert(rule);
        let name = &rule.name;
        if known.args.len() != rule.args.len() {
            let message = format!(
                "the rule `{name}` has definitions of {} and {} arguments",
                known.args.len(),
                rule.args.len()
            );
            return Err(Error::incorrect("db.error/rule-arity", message).at(rule.span));
        }
        if known.best != rule.best {
            let message = format!("definitions of the rule `{name}` do not take the same least or greatest");
            return Err(Error::incorrect("db.error/invalid-rule", message)
                .hint("write (min ?d) or (max ?d) in every head, in the same place")
                .at(rule.span));
        }
        if known.required != rule.required {
            let message = format!(
                "definitions of the rule `{name}` require {} and {} bound arguments",
                known.required, rule.required
            );
            return Err(Error::incorrect("db.error/invalid-rule", message).at(rule.span));
        }
    }
    Ok(())
}

fn invalid(form: &Form, message: String) -> Error {
    Error::incorrect("db.error/invalid-rule", message).at(form.span)
}
