//! What users hand in: transaction data, names of entities. Text is kept as text until it is needed, so that handing
//! in never fails and reading errors come with their place.

use annals_query::edn::{self, Edn, Form};
use annals_storage::datom::{EntityId, Keyword};

use crate::error::Result;

/// Transaction data: EDN text (one vector), a form, or EDN values.
///
/// ```
/// use annals::{Edn, TxData};
/// let text = TxData::from("[{:person/name \"Ann\"}]");
/// let built = TxData::from(Edn::Vector(vec![Edn::Map(
///     [(Edn::keyword("person/name"), Edn::string("Ann"))].into(),
/// )]));
/// # let _ = (text, built);
/// ```
#[derive(Clone, Debug)]
pub struct TxData(Data);

#[derive(Clone, Debug)]
enum Data {
    Text(String),
    Form(Form),
}

impl TxData {
    /// The data, read.
    pub(crate) fn form(self) -> Result<Form> {
        match self.0 {
            Data::Text(text) => Ok(edn::read_one(&text)?),
            Data::Form(form) => Ok(form),
        }
    }
}

impl From<&str> for TxData {
    fn from(text: &str) -> TxData {
        TxData(Data::Text(text.to_owned()))
    }
}

impl From<String> for TxData {
    fn from(text: String) -> TxData {
        TxData(Data::Text(text))
    }
}

impl From<&String> for TxData {
    fn from(text: &String) -> TxData {
        TxData(Data::Text(text.clone()))
    }
}

impl From<Form> for TxData {
    fn from(form: Form) -> TxData {
        TxData(Data::Form(form))
    }
}

impl From<Edn> for TxData {
    fn from(edn: Edn) -> TxData {
        TxData(Data::Form(Form::from(edn)))
    }
}

impl From<Vec<Edn>> for TxData {
    fn from(edns: Vec<Edn>) -> TxData {
        TxData::from(Edn::Vector(edns))
    }
}

/// How an entity is named: by id, by ident, or by a lookup ref.
///
/// ```
/// use annals::{Edn, EntityName};
/// let by_id = EntityName::from(17);
/// let by_ident = EntityName::from(":country/CA");
/// let by_value = EntityName::from("[:person/email \"ann@example.org\"]");
/// let the_same = EntityName::from((":person/email", "ann@example.org"));
/// # let _ = (by_id, by_ident, by_value, the_same);
/// ```
#[derive(Clone, Debug)]
pub struct EntityName(Data);

impl EntityName {
    /// The name, read.
    pub(crate) fn form(self) -> Result<Form> {
        TxData(self.0).form()
    }
}

impl From<EntityId> for EntityName {
    fn from(e: EntityId) -> EntityName {
        EntityName::from(Edn::from(e))
    }
}

impl From<i64> for EntityName {
    fn from(id: i64) -> EntityName {
        EntityName::from(Edn::Int(id))
    }
}

impl From<Keyword> for EntityName {
    fn from(ident: Keyword) -> EntityName {
        EntityName::from(Edn::Keyword(ident))
    }
}

impl From<&str> for EntityName {
    /// EDN text: an id, an ident or a lookup ref.
    fn from(text: &str) -> EntityName {
        EntityName(Data::Text(text.to_owned()))
    }
}

impl From<Edn> for EntityName {
    fn from(edn: Edn) -> EntityName {
        EntityName(Data::Form(Form::from(edn)))
    }
}

impl<V: Into<Edn>> From<(&str, V)> for EntityName {
    /// A lookup ref: an attribute's name, with or without its colon, and a value.
    fn from((attribute, v): (&str, V)) -> EntityName {
        let attribute = Edn::keyword(attribute.strip_prefix(':').unwrap_or(attribute));
        EntityName::from(Edn::Vector(vec![attribute, v.into()]))
    }
}
