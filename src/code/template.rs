//! Transaction data with holes, and the clauses that fill them.
//!
//! ```text
//!   {:in      [?id ?amount]                                   the arguments, as in :in of a query
//!    :require [[[[(> ?amount 0)]] :bank/amount "…"]]          each: clauses that must have a row, else this refusal
//!    :where   [[?a :account/id ?id] [?a :account/balance ?b] [(+ ?b ?amount) ?new]]
//!    :tx      [[:db/add ?a :account/balance ?new]]}
//! ```
//!
//! `:tx` is filled once for each row of `:where` over the database before. Requirements are tried in their order, before
//! it; the first that has no row refuses.

use std::collections::HashMap;
use std::sync::Arc;

use annals_query::ast::Query;
use annals_query::edn::{Edn, Form, FormKind};
use annals_query::{Prepared, parse};
use annals_storage::datom::{Keyword, Symbol};

use super::Refusal;
use super::stored::{asked, invalid};
use crate::database::Db;
use crate::error::Result;

/// Clauses over inputs, and what is made of their rows.
#[derive(Debug)]
pub(crate) struct Template {
    requirements: Vec<Requirement>,
    rows: Arc<Prepared>,
    /// The variables of the rows, in their order.
    vars: Vec<Symbol>,
    /// What is made of each row.
    tx: Vec<Edn>,
}

/// Clauses that must hold of the arguments.
#[derive(Debug)]
struct Requirement {
    query: Arc<Prepared>,
    code: Keyword,
    message: String,
}

const KEYS: [&str; 4] = ["in", "where", "require", "tx"];

impl Template {
    /// Reads the map.
    pub(super) fn read(form: &Form) -> Result<Template> {
        let FormKind::Map(pairs) = &form.kind else { return Err(invalid("it is no map")) };
        let mut parts: HashMap<&str, &Form> = HashMap::new();
        for (key, part) in pairs {
            match key.as_atom() {
                Some(Edn::Keyword(name)) if KEYS.contains(&name.as_str()) => {
                    parts.insert(name.as_str(), part);
                }
                _ => return Err(invalid(&format!("{} is no key of it", key.to_edn()))),
            }
        }
        let seq = |key: &str| -> Result<Vec<Form>> {
            match parts.get(key).map(|part| part.as_seq()) {
                None => Ok(Vec::new()),
                Some(Some(parts)) => Ok(parts.to_vec()),
                Some(None) => Err(invalid(&format!(":{key} is no vector"))),
            }
        };
        let (inputs, clauses) = (seq("in")?, seq("where")?);
        let tx: Vec<Edn> = seq("tx")?.iter().map(Form::to_edn).collect();
        let mut vars = Vec::new();
        tx.iter().for_each(|form| holes(form, &mut vars));
        let requirement = |form: &Form| requirement(&inputs, form);
        let requirements = seq("require")?.iter().map(requirement).collect::<Result<_>>()?;
        let rows = query(&inputs, &vars, &clauses)?;
        Ok(Template { requirements, rows, vars, tx })
    }

    /// The query whose rows fill it.
    pub(super) fn rows(&self) -> &Query {
        self.rows.query()
    }

    /// The transaction data of all rows.
    pub(super) fn fill(&self, db: &Db, name: &Keyword, args: &[Edn]) -> Result<Edn> {
        self.require(db, name, args)?;
        if self.tx.is_empty() {
            return Ok(Edn::Vector(Vec::new()));
        }
        let rows = match asked(db, name, &self.rows, args)? {
            annals_query::Answer::Relation(rows) => rows.into_rows(),
            _ => Vec::new(),
        };
        let mut filled = Vec::with_capacity(rows.len() * self.tx.len());
        for row in &rows {
            let values: HashMap<&Symbol, &Edn> = self.vars.iter().zip(row).collect();
            filled.extend(self.tx.iter().map(|form| fill(form, &values)));
        }
        Ok(Edn::Vector(filled))
    }

    /// Whether the requirements hold and there is a row.
    pub(super) fn holds(&self, db: &Db, name: &Keyword, args: &[Edn]) -> Result<bool> {
        self.require(db, name, args)?;
        Ok(!asked(db, name, &self.rows, args)?.is_empty())
    }

    fn require(&self, db: &Db, name: &Keyword, args: &[Edn]) -> Result<()> {
        for required in &self.requirements {
            if asked(db, name, &required.query, args)?.is_empty() {
                let refusal = Refusal::conflict(required.code.as_str(), required.message.clone());
                return Err(refusal.with("db.error/args", args.to_vec()).into_error(name.as_str()));
            }
        }
        Ok(())
    }
}

/// `[clauses :code "message"]`
fn requirement(inputs: &[Form], form: &Form) -> Result<Requirement> {
    let wrong = || invalid("a requirement is [clauses :my/code \"message\"]");
    let parts = form.as_seq().ok_or_else(wrong)?;
    let (clauses, code, message) = match parts {
        [clauses, code] => (clauses, code, None),
        [clauses, code, message] => (clauses, code, Some(message)),
        _ => return Err(wrong()),
    };
    let Some(Edn::Keyword(code)) = code.as_atom() else { return Err(wrong()) };
    let message = match message.map(Form::as_atom) {
        None => format!("{code}"),
        Some(Some(Edn::String(text))) => text.to_string(),
        Some(_) => return Err(wrong()),
    };
    let clauses = clauses.as_seq().ok_or_else(wrong)?;
    Ok(Requirement { query: query(inputs, &[], clauses)?, code: code.clone(), message })
}

/// `[:find vars :in $ inputs :where clauses]`; a row of nothing but a constant if no variable is asked for.
fn query(inputs: &[Form], vars: &[Symbol], clauses: &[Form]) -> Result<Arc<Prepared>> {
    const HELD: &str = "?held-by-all-of-it";
    let word = |word: &str| Form::from(Edn::keyword(word));
    let symbol = |name: &str| Form::from(Edn::symbol(name));
    let vector = |parts: Vec<Form>| Form { kind: FormKind::Vector(parts), span: None };
    let ground =
        Form { kind: FormKind::List(vec![symbol("ground"), Form::from(Edn::Bool(true))]), span: None };
    let mut parts = vec![word("find")];
    match vars {
        [] => parts.push(symbol(HELD)),
        vars => parts.extend(vars.iter().map(|var| symbol(var.as_str()))),
    }
    parts.extend([word("in"), symbol("$")]);
    parts.extend(inputs.iter().cloned());
    parts.push(word("where"));
    parts.push(vector(vec![ground, symbol(HELD)]));
    parts.extend(clauses.iter().cloned());
    let query = parse::query(&vector(parts)).map_err(|error| invalid(&error.message))?;
    annals_query::check::query(&query, &[]).map_err(|error| invalid(&error.message))?;
    Ok(Arc::new(Prepared::from(query)))
}

/// The variables that stand in a form, each once.
fn holes(form: &Edn, vars: &mut Vec<Symbol>) {
    match form {
        Edn::Symbol(name) if name.as_str().starts_with('?') && !vars.contains(name) => {
            vars.push(name.clone())
        }
        Edn::Vector(parts) | Edn::List(parts) => parts.iter().for_each(|part| holes(part, vars)),
        Edn::Set(parts) => parts.iter().for_each(|part| holes(part, vars)),
        Edn::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            holes(key, vars);
            holes(value, vars);
        }),
        _ => {}
    }
}

/// The form with values for its variables.
fn fill(form: &Edn, values: &HashMap<&Symbol, &Edn>) -> Edn {
    let all = |parts: &[Edn]| parts.iter().map(|part| fill(part, values)).collect();
    match form {
        Edn::Symbol(name) => values.get(name).map_or_else(|| form.clone(), |value| (*value).clone()),
        Edn::Vector(parts) => Edn::Vector(all(parts)),
        Edn::List(parts) => Edn::List(all(parts)),
        Edn::Set(parts) => Edn::Set(parts.iter().map(|part| fill(part, values)).collect()),
        Edn::Map(pairs) => {
            Edn::Map(pairs.iter().map(|(key, value)| (fill(key, values), fill(value, values))).collect())
        }
        _ => form.clone(),
    }
}
