//! Questions about a value's type, and logic over truth (everything but nil and false is true).

use crate::edn::{Edn, Real};

use super::{Fault, Function, MANY, function, holds};

macro_rules! kind {
    ($name:literal, $pattern:pat) => {
        function($name, 1, 1, |args| Ok(Edn::Bool(matches!(args[0], $pattern))))
    };
}

pub(super) const TABLE: &[Function] = &[
    kind!("nil?", Edn::Nil),
    function("some?", 1, 1, |args| Ok(Edn::Bool(args[0] != Edn::Nil))),
    kind!("true?", Edn::Bool(true)),
    kind!("false?", Edn::Bool(false)),
    kind!("boolean?", Edn::Bool(_)),
    kind!("string?", Edn::String(_)),
    kind!("char?", Edn::Char(_)),
    kind!("keyword?", Edn::Keyword(_)),
    kind!("symbol?", Edn::Symbol(_)),
    kind!("ident?", Edn::Keyword(_) | Edn::Symbol(_)),
    kind!("uuid?", Edn::Uuid(_)),
    kind!("uri?", Edn::Uri(_)),
    kind!("inst?", Edn::Inst(_)),
    kind!("bytes?", Edn::Bytes(_)),
    kind!("number?", Edn::Int(_) | Edn::BigInt(_) | Edn::BigDec(_) | Edn::Float(_) | Edn::Double(_)),
    kind!("int?", Edn::Int(_)),
    kind!("integer?", Edn::Int(_) | Edn::BigInt(_)),
    kind!("float?", Edn::Float(_) | Edn::Double(_)),
    kind!("double?", Edn::Double(_)),
    kind!("decimal?", Edn::BigDec(_)),
    function("NaN?", 1, 1, |args| match args[0] {
        Edn::Float(Real(x)) | Edn::Double(Real(x)) => Ok(Edn::Bool(x.is_nan())),
        _ => Err(Fault::Types),
    }),
    kind!("list?", Edn::List(_)),
    kind!("vector?", Edn::Vector(_)),
    kind!("sequential?", Edn::List(_) | Edn::Vector(_)),
    kind!("set?", Edn::Set(_)),
    kind!("map?", Edn::Map(_)),
    kind!("coll?", Edn::List(_) | Edn::Vector(_) | Edn::Set(_) | Edn::Map(_)),
    function("not", 1, 1, |args| Ok(Edn::Bool(!holds(&args[0])))),
    function("boolean", 1, 1, |args| Ok(Edn::Bool(holds(&args[0])))),
    function("and", 0, MANY, |args| {
        Ok(args.iter().find(|arg| !holds(arg)).or(args.last()).cloned().unwrap_or(Edn::Bool(true)))
    }),
    function("or", 0, MANY, |args| {
        Ok(args.iter().find(|arg| holds(arg)).or(args.last()).cloned().unwrap_or(Edn::Nil))
    }),
    function("identity", 1, 1, |args| Ok(args[0].clone())),
    function("ground", 1, 1, |args| Ok(args[0].clone())),
];
