//! A page cut into prose and fenced blocks, and put together again.

use std::path::{Path, PathBuf};

/// A fenced block: its kind, the number of its first line, and what stands in it.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) line: usize,
    pub(crate) body: String,
}

/// Where a file of `docs/` is.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The text cut into prose and blocks; there is one more piece of prose than there are blocks.
pub(crate) fn pieces(text: &str) -> (Vec<String>, Vec<Block>) {
    let (mut prose, mut blocks) = (vec![String::new()], Vec::<Block>::new());
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(kind) if !inside => {
                blocks.push(Block { kind: kind.to_owned(), line: number + 1, body: String::new() });
                inside = true;
            }
            Some(_) => {
                prose.push(String::new());
                inside = false;
            }
            None => {
                let text =
                    if inside { blocks.last_mut().map(|block| &mut block.body) } else { prose.last_mut() };
                let text = text.expect("a text has prose, and blocks once one is open");
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(!inside, "the last block is never closed");
    (prose, blocks)
}

/// The text again.
pub(crate) fn together(prose: &[String], blocks: &[Block]) -> String {
    let fenced = blocks.iter().map(|block| format!("```{}\n{}```\n", block.kind, block.body));
    prose.iter().zip(fenced.chain([String::new()])).map(|(prose, block)| prose.clone() + &block).collect()
}
