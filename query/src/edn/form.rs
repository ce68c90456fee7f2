//! EDN with places: what the reader makes of text.

use super::value::Edn;
use annals_storage::datom::Symbol;

/// A place in a text, in bytes: `start` included, `end` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// A piece of EDN and where it stands. A form made from data that was never text has no span.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// What it is.
    pub kind: FormKind,
    /// Where it stands.
    pub span: Option<Span>,
}

/// The kinds of forms.
#[derive(Clone, Debug, PartialEq)]
pub enum FormKind {
    /// Anything without parts; never a collection of [`Edn`].
    Atom(Edn),
    /// `( … )`
    List(Vec<Form>),
    /// `[ … ]`
    Vector(Vec<Form>),
    /// `{ … }`, in the order of the text; keys are distinct.
    Map(Vec<(Form, Form)>),
    /// `#{ … }`, in the order of the text; elements are distinct.
    Set(Vec<Form>),
    /// `#tag form`, for a tag the reader does not know.
    Tagged(Symbol, Box<Form>),
}

impl Form {
    /// The value, without places.
    pub fn to_edn(&self) -> Edn {
        match &self.kind {
            FormKind::Atom(edn) => edn.clone(),
            FormKind::List(forms) => Edn::List(forms.iter().map(Form::to_edn).collect()),
            FormKind::Vector(forms) => Edn::Vector(forms.iter().map(Form::to_edn).collect()),
            FormKind::Map(pairs) => Edn::Map(pairs.iter().map(|(k, v)| (k.to_edn(), v.to_edn())).collect()),
            FormKind::Set(forms) => Edn::Set(forms.iter().map(Form::to_edn).collect()),
            FormKind::Tagged(tag, form) => Edn::Tagged(tag.clone(), Box::new(form.to_edn())),
        }
    }

    /// The elements of a list or vector.
    pub fn as_seq(&self) -> Option<&[Form]> {
        match &self.kind {
            FormKind::List(forms) | FormKind::Vector(forms) => Some(forms),
            _ => None,
        }
    }

    /// The value of a form without parts.
    pub fn as_atom(&self) -> Option<&Edn> {
        match &self.kind {
            FormKind::Atom(edn) => Some(edn),
            _ => None,
        }
    }
}

impl From<Edn> for Form {
    fn from(edn: Edn) -> Form {
        let forms = |edns: Vec<Edn>| edns.into_iter().map(Form::from).collect();
        let kind = match edn {
            Edn::List(edns) => FormKind::List(forms(edns)),
            Edn::Vector(edns) => FormKind::Vector(forms(edns)),
            Edn::Map(pairs) => FormKind::Map(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect()),
            Edn::Set(edns) => FormKind::Set(edns.into_iter().map(Form::from).collect()),
            Edn::Tagged(tag, edn) => FormKind::Tagged(tag, Box::new(Form::from(*edn))),
            atom => FormKind::Atom(atom),
        };
        Form { kind, span: None }
    }
}
