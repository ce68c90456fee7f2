//! The commands of a database as rows.

use annals::{CommandInfo, Edn};

use super::Sheet;

/// What there is to call: what it takes (nil if it does not say), whether it is of the program, and what it is for.
pub fn sheet(commands: &[CommandInfo]) -> Sheet {
    let row = |command: &CommandInfo| {
        vec![
            Edn::Keyword(command.name.clone()),
            command.args.clone().unwrap_or(Edn::Nil),
            Edn::Bool(command.native),
            Edn::string(command.doc.as_deref().unwrap_or_default()),
        ]
    };
    Sheet::of_maps(&["command", "takes", "native", "doc"], commands.iter().map(row).collect())
}
