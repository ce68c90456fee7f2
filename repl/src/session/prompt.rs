//! The prompt: database, basis, and how the view differs from now.

use annals::T;

use crate::view::View;

/// `main@1042> `, `main@1042 as-of 2024-05-01> `, `main@1042 what-if 2> `
pub fn text(database: &str, basis: T, view: &View, what_if: Option<usize>) -> String {
    let mut text = format!("{database}@{basis}");
    let what_if = what_if.map(|n| if n == 1 { "what-if".to_owned() } else { format!("what-if {n}") });
    for part in [what_if.unwrap_or_default(), view.label()] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(&part);
        }
    }
    text.push_str("> ");
    text
}

#[cfg(test)]
mod tests {
    use annals::TimePoint;

    use super::*;
    use crate::view::Moment;

    #[test]
    fn the_prompt_tells_the_view() {
        let as_of = Some(Moment { text: "2024-05-01".into(), point: TimePoint::Instant(0) });
        let view = View { as_of, ..View::default() };
        assert_eq!(text("main", 1042, &View::default(), None), "main@1042> ");
        assert_eq!(text("main", 1042, &view, None), "main@1042 as-of 2024-05-01> ");
        assert_eq!(text("main", 1042, &View::default(), Some(1)), "main@1042 what-if> ");
        assert_eq!(text("main", 1042, &view, Some(2)), "main@1042 what-if 2 as-of 2024-05-01> ");
    }
}
