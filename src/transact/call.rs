//! Calls in transaction data: a function gives transaction data, which takes the call's place, calls in it included.
//!
//! Every function is handed the state before the transaction, however deep its call stands: none sees what another gives.

use annals_query::edn::{Edn, Form};
use annals_storage::datom::Keyword;

use super::expand::Expander;
use crate::code::{self, Context};
use crate::error::{Error, Result, brief};

/// How deep calls may give calls.
const MAX_CALLS_DEEP: usize = 50;
/// How many forms all calls of a transaction may give together.
const MAX_FORMS: usize = 1 << 20;

/// What calls have given so far.
#[derive(Default)]
pub(super) struct Calls {
    depth: usize,
    forms: usize,
}

impl Expander<'_> {
    /// Unfolds a call of the function with this name.
    pub(super) fn call(&mut self, form: &Form, operation: &Form, args: &[Form]) -> Result<()> {
        let name = match operation.as_atom() {
            Some(Edn::Keyword(name)) => name.clone(),
            Some(Edn::Symbol(name)) => Keyword::new(name.as_str()),
            _ => return Err(unknown(operation)),
        };
        if self.calls.depth >= MAX_CALLS_DEEP {
            let why = format!("calls give calls deeper than {MAX_CALLS_DEEP}");
            return Err(code::failed(name.as_str(), &why, Vec::new()));
        }
        let args: Vec<Edn> = args.iter().map(Form::to_edn).collect();
        let db = self.db.clone();
        let given = code::call(&Context::before(&db, self.instant, self.allowance), &name, &args);
        let given = given.map_err(|error| error.without_span().at(form.span))?;
        let given = given.ok_or_else(|| unknown(operation))?;
        self.unfold(form, &name, given, args)
    }

    /// Takes what a function gave as transaction data, in the place of its call.
    pub(super) fn unfold(&mut self, form: &Form, name: &Keyword, given: Edn, args: Vec<Edn>) -> Result<()> {
        let forms = match given {
            Edn::Vector(forms) | Edn::List(forms) => forms,
            Edn::Nil => Vec::new(),
            other => {
                let why =
                    format!("it gave {}, and transaction data is a vector of maps and lists", brief(&other));
                return Err(code::failed(name.as_str(), &why, args).at(form.span));
            }
        };
        self.calls.forms += forms.len();
        if self.calls.forms > MAX_FORMS {
            let why = format!("calls gave more than {MAX_FORMS} forms");
            return Err(code::failed(name.as_str(), &why, Vec::new()).at(form.span));
        }
        self.calls.depth += 1;
        let done = forms.into_iter().try_for_each(|part| self.form(&Form::from(part)));
        self.calls.depth -= 1;
        done.map_err(|error| {
            let told = error.with_data("db.error/function", name.clone());
            told.at(form.span)
        })
    }
}

fn unknown(operation: &Form) -> Error {
    let message = format!("{} is no operation and no function of this database", operation.to_edn());
    Error::incorrect("db.error/not-a-data-function", message)
        .with_hint(
            "there are :db/add, :db/retract, :db/retractEntity and :db/cas, and functions stored under :db/fn",
        )
        .at(operation.span)
}
