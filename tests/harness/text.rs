//! Golden text: what was printed, compared with what is kept; one variable regenerates.

use std::path::Path;

/// Compares `actual` with the file, or writes the file when `ANNALS_BLESS` is set.
///
/// # Panics
/// If they differ; the message shows the first difference.
pub fn golden(path: &Path, actual: &str) {
    if std::env::var_os("ANNALS_BLESS").is_some() {
        std::fs::write(path, actual).expect("a writable golden file");
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return;
    }
    let first = expected.lines().zip(actual.lines()).position(|(e, a)| e != a);
    let line = first.unwrap_or_else(|| expected.lines().count().min(actual.lines().count()));
    panic!(
        "{} differs from line {} on\n  kept:    {:?}\n  printed: {:?}\nregenerate with ANNALS_BLESS=1 and review the diff\n--- printed\n{actual}",
        path.display(),
        line + 1,
        expected.lines().nth(line).unwrap_or("(end)"),
        actual.lines().nth(line).unwrap_or("(end)"),
    );
}
