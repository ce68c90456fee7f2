//! The bytes of the worked examples in `docs/format.md`, which tests hold to the code.

const FORMAT: &str = include_str!("../../docs/format.md");

/// The bytes of the page's block under this mark: each line is bytes, a bar, and what they mean.
pub(crate) fn bytes(mark: &str) -> Vec<u8> {
    let start = format!("```{mark}\n");
    let block = FORMAT.split(&start).nth(1).and_then(|rest| rest.split("```").next());
    let lines = block.expect("a block with this mark").lines();
    lines.flat_map(|line| of_hex(line.split('|').next().unwrap_or_default())).collect()
}

/// Bytes written as pairs of digits.
pub(crate) fn of_hex(text: &str) -> impl Iterator<Item = u8> {
    let digits = text.split_whitespace();
    digits.map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
}
