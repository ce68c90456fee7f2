//! The commands and functions of a database: what there is to call, for people and tools.

use std::ops::ControlFlow;

use annals_query::edn::{Edn, read_one};
use annals_query::source::Source;
use annals_storage::datom::{EntityId, Keyword, Pattern};

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
    /// Every command and transaction function, by name: those that are stored at the moment this value shows (`as_of`),
    /// and those of the program.
    pub fn commands(&self) -> Result<Vec<CommandInfo>> {
        let moment = self.at_its_moment();
        let mut stored: Vec<EntityId> = Vec::new();
        for a in [at::FN, at::COMMAND_ARGS] {
            Source::scan(&moment, &Pattern::attribute(a), &mut |batch| {
                stored.extend((0..batch.len).map(|row| EntityId(batch.e.get(row))));
                ControlFlow::Continue(())
            })?;
        }
        stored.sort_unstable();
        stored.dedup();
        let native = self.basis().home.options.code.transactions();
        let mut found: Vec<CommandInfo> = Vec::new();
        for e in stored {
            let Some(name) = self.ident(e) else { continue };
            let args = moment.text(e, at::COMMAND_ARGS)?.and_then(|text| read_one(&text).ok());
            found.push(CommandInfo {
                native: native.contains(&&name),
                name,
                args: args.map(|form| form.to_edn()),
                doc: moment.text(e, at::DOC)?,
                code: moment.text(e, at::FN)?,
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
}
