//! What users hand in: transaction data, names of entities. Text is kept as text until it is needed, so that handing
//! in never fails and reading errors come with their place.

use annals_query::edn::{self, Edn, Form};
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, EntityId, Keyword};

use crate::basis::Basis;
use crate::error::{Error, Result};
use crate::transact::ahead::Ahead;
use crate::transact::key::Key;

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

/// A transaction and what goes with it: a key by which it is recognised when it is sent again, and what it takes for
/// granted.
///
/// Anything that is transaction data is a request without either.
///
/// ```
/// # let conn = annals::connect("mem:")?.database("main")?;
/// use annals::TxRequest;
/// let order = || TxRequest::from("[{:db/ident :order/first}]").key("order-1");
/// let first = conn.transact(order())?;
/// // Sent again, say because the answer was lost: it is not carried out a second time.
/// let again = conn.transact(order())?;
/// assert_eq!((again.t, again.replayed), (first.t, true));
/// // Other data under the same key is refused.
/// let other = TxRequest::from("[{:db/ident :order/second}]").key("order-1");
/// assert_eq!(conn.transact(other).unwrap_err().keyword(), "db.error/idempotency-key-reused");
/// // Something that must still be so.
/// let stale = TxRequest::from("[{:db/ident :order/third}]").expect("{:basis 0}");
/// assert_eq!(conn.transact(stale).unwrap_err().keyword(), "db.error/expectation-failed");
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TxRequest {
    data: TxData,
    key: Option<String>,
    expectations: Vec<TxData>,
    direct: bool,
}

impl TxRequest {
    /// The same request under a key of up to 200 bytes, which no other request of this database has. What came of it is
    /// kept for good, and given again whenever the same request is sent with the same key.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> TxRequest {
        TxRequest { key: Some(key.into()), ..self }
    }

    /// Its key.
    pub fn key_text(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The same request with one more expectation, in EDN: it is refused as `db.error/expectation-failed` if the state
    /// before is not as expected. docs/transactions.md lists the forms.
    #[must_use]
    pub fn expect(mut self, expectation: impl Into<TxData>) -> TxRequest {
        self.expectations.push(expectation.into());
        self
    }

    /// The same request, to be written by this process or refused as `db.error/transactor-elsewhere`: it is not handed over
    /// to who writes.
    #[must_use]
    pub fn direct(self) -> TxRequest {
        TxRequest { direct: true, ..self }
    }

    /// The request, read, to be taken in.
    pub(crate) fn read_for_later(self) -> Result<Request> {
        if self.key.is_none() {
            return Err(Error::incorrect(
                "db.error/invalid-idempotency-key",
                "a request that is taken in for later needs a key",
            )
            .with_hint("what comes of it is found by its key"));
        }
        Ok(Request { mode: Mode::TakeIn, ..self.read()? })
    }

    /// The request, read.
    pub(crate) fn read(self) -> Result<Request> {
        let data = self.data.form()?;
        let expectations: Vec<Form> =
            self.expectations.into_iter().map(TxData::form).collect::<Result<_>>()?;
        let key = self.key.map(|key| Key::new(key, &data, &expectations)).transpose()?;
        let direct = self.direct;
        Ok(Request { data, key, expectations, mode: Mode::Now, ahead: Ahead::default(), direct })
    }
}

impl<D: Into<TxData>> From<D> for TxRequest {
    fn from(data: D) -> TxRequest {
        TxRequest { data: data.into(), key: None, expectations: Vec::new(), direct: false }
    }
}

/// A request that was read.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) data: Form,
    pub(crate) key: Option<Key>,
    pub(crate) expectations: Vec<Form>,
    pub(crate) mode: Mode,
    /// What was found out about it before its turn.
    pub(crate) ahead: Ahead,
    /// It is not to be handed over to another process.
    pub(crate) direct: bool,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Carry it out.
    Now,
    /// Take it in, durably, and carry it out afterwards. It has a key.
    TakeIn,
    /// It was taken in: carry it out, and keep whatever comes of it.
    Taken,
    /// Of the database itself: make the tuples of a composite, from this entity on.
    Fill(AttrId, EntityId),
}

impl From<Form> for Request {
    fn from(data: Form) -> Request {
        Request {
            data,
            key: None,
            expectations: Vec::new(),
            mode: Mode::Now,
            ahead: Ahead::default(),
            direct: false,
        }
    }
}

impl Request {
    /// The same request, with what can be found out about it before its turn.
    pub(crate) fn looked_ahead(self, basis: &Basis) -> Result<Request> {
        Ok(Request { ahead: Ahead::look(basis, &self.data)?, ..self })
    }

    /// Work of the database itself.
    pub(crate) fn fill(composite: AttrId, from: EntityId) -> Request {
        Request { mode: Mode::Fill(composite, from), ..Request::from(Form::from(Edn::Vector(Vec::new()))) }
    }

    /// The request as text that is kept with its key.
    pub(crate) fn to_text(&self) -> String {
        let expectations = self.expectations.iter().map(Form::to_edn).collect();
        Edn::Vector(vec![self.data.to_edn(), Edn::Vector(expectations)]).to_string()
    }

    /// The request that was taken in under a key.
    pub(crate) fn taken(key: &str, text: &str) -> Result<Request> {
        let form = Form::from(edn::read_one(text)?.to_edn());
        let Some([data, expectations]) = form.as_seq() else {
            let message = format!("what was taken in under the key {key:?} is no request");
            return Err(Error::new(Category::Fault, "db.error/corrupt", message));
        };
        let (data, expectations) = (data.clone(), expectations.as_seq().unwrap_or_default().to_vec());
        let key = Key::new(key.to_owned(), &data, &expectations)?;
        Ok(Request { key: Some(key), expectations, mode: Mode::Taken, ..Request::from(data) })
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
