//! EDN: the data language of queries, transactions and answers.
//!
//! [`Edn`] is a plain value. [`Form`] is the same with the place of every part in the text it was read from; the
//! parsers of queries, patterns and transactions take forms, so that their errors can point. Reading is [`read`]
//! (text to forms; atoms in `token`, known tags in `literal` and [`instant`]), printing is [`mod@print`] (values to text).

pub mod form;
pub mod instant;
mod literal;
pub mod print;
pub mod read;
mod token;
pub mod value;

pub use form::{Form, FormKind, Span};
pub use print::pretty;
pub use read::{Completeness, Reader, is_complete, read_all, read_next, read_one};
pub use value::{Edn, Real};
