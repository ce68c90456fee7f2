//! `annals pull`: a tree of facts about one entity.

use std::io::Write;

use annals::{EntityName, edn};

use super::{open, output, shifted, storage, told, view};
use crate::cli::PullArgs;
use crate::present::Shown;
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: PullArgs, settings: &Settings, terminal: &Terminal) -> Result<()> {
    let (own, [pattern, entity]) = shifted(args.storage, [args.pattern, args.entity]);
    let (Some(pattern), Some(entity)) = (pattern, entity) else {
        return Err(Problem::usage("a pull needs a pattern and an entity")
            .hint("annals pull STORAGE '[*]' '[:file/path \"README.md\"]'"));
    };
    let name = edn::read_one(&entity).map_err(annals::Error::from);
    let name =
        EntityName::from(name.map_err(|error| told(error.into(), &entity, terminal.color_err))?.to_edn());
    let conn = open(storage(own.as_deref(), settings)?, settings)?;
    let tree = view(&conn, &args.view)?.pull(&pattern, name);
    let tree = tree.map_err(|error| told(error.into(), &pattern, terminal.color_err))?;
    let mut out = output();
    Shown::Value(tree).print(&terminal.style(settings), None, &mut out)?;
    Ok(out.flush()?)
}
