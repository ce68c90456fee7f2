//! Requests as text: transaction data alone, or a map with what goes with it, as HTTP takes it.

use annals::edn::{self, Edn, Form, FormKind};
use annals::{Error, TxRequest};

/// What is under a name, if the form is a map that has it.
pub fn part<'f>(form: &'f Form, name: &str) -> Option<&'f Form> {
    let FormKind::Map(pairs) = &form.kind else { return None };
    pairs.iter().find(|(key, _)| key.as_atom() == Some(&Edn::keyword(name))).map(|(_, part)| part)
}

/// `[…]`, or `{:tx […] :key "k" :expect […]}`.
///
/// # Errors
/// If it is no EDN.
///
/// # Panics
/// If the key is no text: what is not understood must not pass.
pub fn read(text: &str) -> Result<TxRequest, Error> {
    let form = edn::read_one(text)?;
    let Some(data) = part(&form, "tx") else { return Ok(form.into()) };
    let mut request = TxRequest::from(data.clone());
    match part(&form, "key").map(Form::as_atom) {
        None => {}
        Some(Some(Edn::String(key))) => request = request.key(&**key),
        other => panic!("{other:?} is no key"),
    }
    let expectations = part(&form, "expect").and_then(Form::as_seq).unwrap_or_default();
    Ok(expectations.iter().fold(request, |request, one| request.expect(one.clone())))
}
