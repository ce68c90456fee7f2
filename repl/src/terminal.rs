//! What is at the other end of our streams: a terminal, how wide, with colours or not.

use std::io::IsTerminal;

use crate::present::{Format, Style};
use crate::settings::Settings;

/// The streams as they were found at the start.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// A person types.
    pub input: bool,
    /// A person reads the answers.
    pub output: bool,
    /// A bar of progress can be drawn beside the answers.
    pub bars: bool,
    /// Colours are understood and wanted in answers.
    pub color: bool,
    /// Colours are understood and wanted in remarks.
    pub color_err: bool,
    /// How wide answers may be.
    pub width: usize,
}

/// How wide paper is that has no width.
const USUAL_WIDTH: usize = 80;

impl Terminal {
    /// Looks at the streams, and at the variables `NO_COLOR`, `TERM` and `COLUMNS`.
    pub fn look(variable: impl Fn(&str) -> Option<String>) -> Terminal {
        let output = std::io::stdout().is_terminal();
        let error = std::io::stderr().is_terminal();
        let color = wants_color(&variable);
        let measured = || comfy_table::Table::new().width().filter(|_| output).map(usize::from);
        let width = columns(&variable).or_else(measured).filter(|width| *width > 0).unwrap_or(USUAL_WIDTH);
        Terminal {
            input: std::io::stdin().is_terminal(),
            output,
            bars: error && !is_dumb(&variable),
            color: output && color,
            color_err: error && color,
            width,
        }
    }

    /// The paper that settings and terminal make.
    pub fn style(&self, settings: &Settings) -> Style {
        let format = if self.output { Format::Table } else { Format::Edn };
        Style {
            format: settings.format.unwrap_or(format),
            width: settings.width.unwrap_or(self.width),
            limit: settings.limit.unwrap_or(0),
            timing: settings.timing.unwrap_or(false),
        }
    }
}

fn wants_color(variable: &impl Fn(&str) -> Option<String>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|text| !text.is_empty());
    !refused && !is_dumb(variable)
}

/// True for a terminal that only adds text at its end.
fn is_dumb(variable: &impl Fn(&str) -> Option<String>) -> bool {
    variable("TERM").is_some_and(|term| term == "dumb")
}

fn columns(variable: &impl Fn(&str) -> Option<String>) -> Option<usize> {
    variable("COLUMNS")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_honoured() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        assert!(!wants_color(&with("NO_COLOR", "1")));
        assert!(wants_color(&with("NO_COLOR", "")));
        assert!(!wants_color(&with("TERM", "dumb")));
        assert_eq!(columns(&with("COLUMNS", "72")), Some(72));
        assert_eq!(columns(&with("COLUMNS", "wide")), None);
    }

    #[test]
    fn settings_win_over_what_is_there() {
        let terminal = Terminal::look(|_| None);
        let settings = Settings { width: Some(33), format: Some(Format::Csv), ..Settings::default() };
        let style = terminal.style(&settings);
        assert_eq!((style.width, style.format), (33, Format::Csv));
    }
}
