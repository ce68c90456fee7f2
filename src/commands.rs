//! The commands and functions of a database: what there is to call, for people and tools.

use std::ops::ControlFlow;

use annals_query::edn::{Edn, read_one};
use annals_storage::datom::{AttrId, EntityId, Keyword, Pattern, Value};
use annals_storage::snapshot::View;

use crate::database::Db;
use crate::error::Result;
use crate::schema::bootstrap as at;

/// Something that can be called in a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandInfo {
    /// Its name.
    pub name: Keyword,
    /// What it takes, as it is declared (`:db.command/args`); a command has this.
    pub args: Option<Edn>,
    /// Its `:db/doc`.
    pub doc: Option<String>,
    /// Its code, if it is stored.
    pub code: Option<String>,
    /// True if it is written in Rust and registered by the program.
    pub native: bool,
}

impl Db {
    /// Every command and transaction function, by name: those that are stored, and those of the program.
    pub fn commands(&self) -> Result<Vec<CommandInfo>> {
        let basis = self.basis();
        let mut stored: Vec<EntityId> = Vec::new();
        for a in [at::FN, at::COMMAND_ARGS] {
            basis.each_in(&View::default(), &Pattern::attribute(a), &mut |e, _, _, _| {
                stored.push(e);
                ControlFlow::Continue(())
            })?;
        }
        stored.sort_unstable();
        stored.dedup();
        let native = basis.home.options.code.transactions();
        let mut found: Vec<CommandInfo> = Vec::new();
        for e in stored {
            let Some(name) = basis.schema.ident(e) else { continue };
            let args = self.text_of(e, at::COMMAND_ARGS)?.and_then(|text| read_one(&text).ok());
            found.push(CommandInfo {
                name: name.clone(),
                args: args.map(|form| form.to_edn()),
                doc: self.text_of(e, at::DOC)?,
                code: self.text_of(e, at::FN)?,
                native: native.contains(&name),
            });
        }
        for name in native {
            if !found.iter().any(|known| known.name == *name) {
                let (args, doc, code) = (None, None, None);
                found.push(CommandInfo { name: name.clone(), args, doc, code, native: true });
            }
        }
        found.sort_by(|x, y| x.name.cmp(&y.name));
        Ok(found)
    }

    /// The text that an entity has.
    pub(crate) fn text_of(&self, e: EntityId, a: AttrId) -> Result<Option<String>> {
        Ok(self.basis().value(e, a)?.and_then(|(v, _)| match v {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        }))
    }
}
