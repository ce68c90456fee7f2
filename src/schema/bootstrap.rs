//! The facts every database is born with: transaction 0, at 1970-01-01.
//!
//! Ids are fixed for ever, because stored facts name attributes by them. All lie in the schema partition below
//! [`FIRST_FREE`]; what a user defines starts there.
//!
//! ```text
//!   0  3  4        partitions db, tx, user (an id is the partition's number)
//!   8 ..           attributes
//!  64 ..           value types, at 64 + the type's number on disk
//!  96 ..           cardinalities and kinds of uniqueness
//! 112 ..           names of built-in operations
//! ```
//!
//! Adding a name means taking a free id; a database made before simply lacks the facts about it.

use annals_storage::datom::{AttrId, EntityId, Keyword, Partition, Tag, Value};
use annals_storage::log::{LogDatom, LoggedTx, Op};

/// The first counter of the schema partition that a user's attribute can have.
pub(crate) const FIRST_FREE: u64 = 256;

/// The first counter of the user partition.
pub(crate) const FIRST_USER: u64 = 1;

macro_rules! attributes {
    ($($name:ident = $id:literal $ident:literal $tag:ident $many:ident $unique:ident $doc:literal;)*) => {
        $(#[allow(dead_code, reason = "what is only stored is named too")]
        pub(crate) const $name: AttrId = AttrId($id);)*

        const ATTRIBUTES: &[Birth] = &[$(Birth {
            id: $id,
            ident: $ident,
            tag: Tag::$tag,
            many: stringify!($many).len() == 4,
            unique: kind_of(stringify!($unique)),
            doc: $doc,
        }),*];
    };
}

struct Birth {
    id: u64,
    ident: &'static str,
    tag: Tag,
    many: bool,
    unique: Option<EntityId>,
    doc: &'static str,
}

/// The kind of uniqueness that a word of the table stands for.
const fn kind_of(word: &str) -> Option<EntityId> {
    match word.as_bytes() {
        b"identity" => Some(UNIQUE_IDENTITY),
        b"value" => Some(UNIQUE_VALUE),
        _ => None,
    }
}

attributes! {
    IDENT = 8 "db/ident" Keyword one identity "The entity's name, a keyword";
    VALUE_TYPE = 9 "db/valueType" Ref one plain "The type of an attribute's values";
    CARDINALITY = 10 "db/cardinality" Ref one plain "Whether an entity has one or many values of an attribute";
    UNIQUE = 11 "db/unique" Ref one plain "Whether a value of the attribute names one entity";
    IS_COMPONENT = 12 "db/isComponent" Boolean one plain "Whether what the attribute refers to is a part of the entity";
    INDEX = 13 "db/index" Boolean one plain "Whether values are to be found by value";
    NO_HISTORY = 14 "db/noHistory" Boolean one plain "Whether past values may be forgotten";
    DOC = 15 "db/doc" String one plain "What the entity is for";
    FULLTEXT = 16 "db/fulltext" Boolean one plain "Whether words of the text are indexed";
    TUPLE_ATTRS = 17 "db/tupleAttrs" Tuple one plain "The attributes a composite tuple is made of";
    TUPLE_TYPE = 18 "db/tupleType" Keyword one plain "The type of every slot of a tuple of one type";
    TUPLE_TYPES = 19 "db/tupleTypes" Tuple one plain "The types of the slots of a tuple";
    ATTR_PREDS = 20 "db.attr/preds" Symbol many plain "Predicates every value of the attribute must pass";
    ENTITY_ATTRS = 21 "db.entity/attrs" Keyword many plain "Attributes an entity of this spec must have";
    ENTITY_PREDS = 22 "db.entity/preds" Symbol many plain "Predicates an entity of this spec must pass";
    ENSURE = 23 "db/ensure" Ref many plain "The specs to check an entity against; never stored";
    INSTALL_PARTITION = 24 "db.install/partition" Ref many plain "The partitions of this database";
    INSTALL_VALUE_TYPE = 25 "db.install/valueType" Ref many plain "The value types of this database";
    INSTALL_ATTRIBUTE = 26 "db.install/attribute" Ref many plain "The attributes of this database";
    INSTALL_FUNCTION = 27 "db.install/function" Ref many plain "The functions of this database";
    TX_INSTANT = 28 "db/txInstant" Instant one plain "When the transaction was made";
    EXCISE = 29 "db/excise" Ref one plain "The entity or attribute whose facts are to be removed for ever";
    EXCISE_ATTRS = 30 "db.excise/attrs" Ref many plain "The attributes whose facts are to be removed";
    EXCISE_BEFORE = 31 "db.excise/before" Instant one plain "Removal stops before this instant";
    EXCISE_BEFORE_T = 32 "db.excise/beforeT" Long one plain "Removal stops before this transaction";
    TX_KEY = 33 "db.tx/key" String one value "The key by which a request that is sent again is recognised";
    TX_DIGEST = 34 "db.tx/digest" Uuid one plain "What tells the request of a key from others";
    TX_TEMPIDS = 35 "db.tx/tempids" String one plain "What the tempids of a request with a key became, as EDN";
    TX_REFUSAL = 36 "db.tx/refusal" String one plain "Why a request with a key was refused, as EDN";
    FN = 37 "db/fn" String one plain "Code that transactions call by the entity's ident";
    FN_LANG = 38 "db.fn/lang" Keyword one plain "The language of the code, if it is not Datalog";
    CONSTRAINT = 39 "db/constraint" String one plain "A query that must have no answer after any transaction";
    INTAKE_KEY = 40 "db.intake/key" String one value "The key of a request that was taken in to be carried out later";
    INTAKE_REQUEST = 41 "db.intake/request" String one plain "The request that was taken in, as EDN";
    INTAKE_OPEN = 42 "db.intake/open" Boolean one plain "Whether the request is still to be carried out";
    COMMAND_ARGS = 43 "db.command/args" String one plain "What a command takes, as EDN";
    COMMAND_ENSURE = 44 "db.command/ensure" String one plain "Code that must hold after the command";
    TX_COMMAND = 45 "db.tx/command" Ref one plain "The command that the transaction carried out";
    FILLING = 46 "db.attr/filling" Boolean one plain "Whether the tuples of older entities are still being made";
}

/// Partitions, cardinalities, kinds of uniqueness, operations: entities that only have a name.
const NAMES: &[(u64, &str)] = &[
    (0, "db.part/db"),
    (3, "db.part/tx"),
    (4, "db.part/user"),
    (CARDINALITY_ONE.0, "db.cardinality/one"),
    (CARDINALITY_MANY.0, "db.cardinality/many"),
    (UNIQUE_VALUE.0, "db.unique/value"),
    (UNIQUE_IDENTITY.0, "db.unique/identity"),
    (112, "db/add"),
    (113, "db/retract"),
    (114, "db/retractEntity"),
    (115, "db/cas"),
];

/// `:db.part/db`
pub(crate) const PART_DB: EntityId = EntityId(0);
/// `:db.part/tx`
pub(crate) const PART_TX: EntityId = EntityId(3);
pub(crate) const CARDINALITY_ONE: EntityId = EntityId(96);
pub(crate) const CARDINALITY_MANY: EntityId = EntityId(97);
pub(crate) const UNIQUE_VALUE: EntityId = EntityId(98);
pub(crate) const UNIQUE_IDENTITY: EntityId = EntityId(99);

/// The entity of a value type: `:db.type/long` and its like.
pub(crate) fn type_entity(tag: Tag) -> EntityId {
    EntityId::new(Partition::DB, 64 + tag as u64)
}

/// The value type an entity stands for.
pub(crate) fn type_of_entity(e: EntityId) -> Option<Tag> {
    let number = e.0.checked_sub(64).filter(|_| e.partition() == Partition::DB)?;
    Tag::from_number(u8::try_from(number).ok()?)
}

/// True if the entity is one that every database is born with.
pub(crate) fn is_system(e: EntityId) -> bool {
    e.partition() == Partition::DB && e.counter() < FIRST_FREE
}

/// Transaction 0.
pub(crate) fn transaction() -> LoggedTx {
    let mut datoms = vec![fact(EntityId::of_t(0), TX_INSTANT, Value::Instant(0))];
    for (id, name) in NAMES {
        datoms.push(ident(EntityId(*id), name));
    }
    for tag in Tag::ALL {
        datoms.push(ident(type_entity(tag), &format!("db.type/{}", tag.name())));
        datoms.push(fact(PART_DB, INSTALL_VALUE_TYPE, Value::Ref(type_entity(tag))));
    }
    for partition in [Partition::DB, Partition::TX, Partition::USER] {
        let entity = EntityId(u64::from(partition.0));
        datoms.push(fact(PART_DB, INSTALL_PARTITION, Value::Ref(entity)));
    }
    ATTRIBUTES.iter().for_each(|birth| birth.push(&mut datoms));
    LoggedTx { t: 0, instant: 0, datoms }
}

impl Birth {
    fn push(&self, datoms: &mut Vec<LogDatom>) {
        let e = EntityId(self.id);
        let cardinality = if self.many { CARDINALITY_MANY } else { CARDINALITY_ONE };
        datoms.push(ident(e, self.ident));
        datoms.push(fact(e, VALUE_TYPE, Value::Ref(type_entity(self.tag))));
        datoms.push(fact(e, CARDINALITY, Value::Ref(cardinality)));
        datoms.push(fact(e, DOC, Value::string(self.doc)));
        datoms.push(fact(PART_DB, INSTALL_ATTRIBUTE, Value::Ref(e)));
        if let Some(kind) = self.unique {
            datoms.push(fact(e, UNIQUE, Value::Ref(kind)));
        }
        if self.tag == Tag::Tuple {
            datoms.push(fact(e, TUPLE_TYPE, Value::keyword("db.type/keyword")));
        }
    }
}

fn ident(e: EntityId, name: &str) -> LogDatom {
    fact(e, IDENT, Value::Keyword(Keyword::new(name)))
}

fn fact(e: EntityId, a: AttrId, v: Value) -> LogDatom {
    LogDatom { e, a, v, op: Op::Assert }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_and_no_name_is_given_twice() {
        let tx = transaction();
        let idents: Vec<_> = tx.datoms.iter().filter(|datom| datom.a == IDENT).collect();
        let ids: HashSet<_> = idents.iter().map(|datom| datom.e).collect();
        let names: HashSet<_> = idents.iter().map(|datom| datom.v.clone()).collect();
        assert_eq!((ids.len(), names.len()), (idents.len(), idents.len()));
        assert!(ids.iter().all(|e| is_system(*e)));
    }

    #[test]
    fn a_type_and_its_entity_convert_both_ways() {
        for tag in Tag::ALL {
            assert_eq!(type_of_entity(type_entity(tag)), Some(tag));
        }
        assert_eq!(type_of_entity(CARDINALITY_ONE), None);
        assert_eq!(type_of_entity(EntityId::new(Partition::USER, 66)), None);
    }
}
