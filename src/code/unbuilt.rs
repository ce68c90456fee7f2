//! Scripts in a library that is built without an engine for them: they are stored like any other fact, and not called.
//!
//! The same types as in `js`, as far as they are used from outside.

use std::sync::Arc;

use annals_query::edn::Edn;
use annals_storage::anomaly::Category;
use annals_storage::datom::Keyword;

use super::{Code, Context, Role};
use crate::error::{Error, Result};

/// Nothing is left, for nothing runs.
pub(crate) struct Allowance;

impl Allowance {
    pub(crate) fn new(_: &Code) -> Allowance {
        Allowance
    }
}

/// Nothing is kept, for nothing is read.
#[derive(Debug, Default)]
pub(crate) struct Scripts;

impl Scripts {
    pub(crate) fn of(&self, _: &str) -> Result<Arc<Script>> {
        Ok(Arc::new(Script))
    }
}

/// Any script.
#[derive(Debug)]
pub(crate) struct Script;

impl Script {
    /// It may play any role, where there is an engine; a post-condition is asked after the command only.
    pub(crate) fn plays(&self, role: Role) -> bool {
        role != Role::Ensure
    }

    pub(crate) fn run(&self, role: Role, _: &Context<'_>, name: &Keyword, _: Vec<Edn>) -> Result<Edn> {
        let message = format!(
            "{} is a {} in JavaScript, and this library is built without the feature `js`",
            name.as_str(),
            role.name()
        );
        Err(Error::new(Category::Unsupported, "db.error/unsupported-language", message)
            .with_hint("build with `--features js`, which needs a C compiler, or write it in Datalog")
            .with_data("db.error/function", name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_stored_and_not_called() {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        let script =
            r#"[{:db/ident :my/f :db.fn/lang :db.lang/js :db/fn "export const transaction = () => []"}]"#;
        conn.transact(script).unwrap();
        let refused = conn.transact("[[:my/f]]").unwrap_err();
        let of = (refused.keyword(), refused.category());
        assert_eq!(of, ("db.error/unsupported-language", Category::Unsupported));
        assert!(
            refused.message().contains("my/f") && refused.message().contains("feature `js`"),
            "{refused}"
        );
    }
}
