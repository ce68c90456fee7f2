//! Aligned columns that fit the terminal.
//!
//! Every column gets what it needs, if that fits. If not, the widest columns give way first, all to one common
//! width; numbers are never cut, for half a number is a lie. If even that leaves columns too narrow to read, rows
//! are shown one below the other, a line for each column.

use annals::Edn;
use comfy_table::{CellAlignment, ContentLineStyle, LineStyle, Table, TableStyle};
use unicode_width::UnicodeWidthStr;

use super::cell::{Cell, cut, escaped};

/// Columns narrower than this are not worth reading.
const NARROWEST: usize = 5;
/// What a column takes beside its text: a blank on either side, a line to the next.
const FRAME: usize = 3;

const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction('│'))
    .header_separator(LineStyle::none().fill('─').junction('┼'))
    .content_lines(ContentLineStyle::none().junction('│'));

/// Draws rows under their column names, in so many columns of the terminal.
pub fn draw(columns: &[String], rows: &[Vec<Edn>], width: usize) -> String {
    let cells: Vec<Vec<Cell<'_>>> = rows.iter().map(|row| row.iter().map(Cell::new).collect()).collect();
    let names: Vec<String> = columns.iter().map(|name| escaped(name)).collect();
    let needs: Vec<Need> =
        (0..names.len()).map(|i| Need::of(&names[i], cells.iter().map(|row| &row[i]))).collect();
    match widths(&needs, width) {
        Some(widths) => grid(&names, &cells, &needs, &widths),
        None => records(&names, &cells, width),
    }
}

/// What a column would like to have.
struct Need {
    width: usize,
    number: bool,
}

impl Need {
    fn of<'c>(name: &str, cells: impl Iterator<Item = &'c Cell<'c>>) -> Need {
        let mut need = Need { width: name.width().max(1), number: true };
        let mut any = false;
        for cell in cells {
            any = true;
            need.width = need.width.max(cell.width());
            need.number &= cell.is_number();
        }
        need.number &= any;
        need
    }
}

/// The width of each column, or `None` if they cannot be fitted.
fn widths(needs: &[Need], width: usize) -> Option<Vec<usize>> {
    let room = (width + 1).checked_sub(needs.len() * FRAME)?;
    let total: usize = needs.iter().map(|need| need.width).sum();
    if total <= room {
        return Some(needs.iter().map(|need| need.width).collect());
    }
    let fixed: usize = needs.iter().filter(|need| need.number).map(|need| need.width).sum();
    let mut texts: Vec<usize> = needs.iter().filter(|need| !need.number).map(|need| need.width).collect();
    texts.sort_unstable();
    let mut left = room.checked_sub(fixed)?;
    let mut cap = 0;
    for (i, &need) in texts.iter().enumerate() {
        let share = left / (texts.len() - i);
        cap = share;
        if need > share {
            break;
        }
        left -= need;
    }
    let fits = cap >= NARROWEST || texts.last().is_none_or(|widest| *widest <= cap);
    fits.then(|| {
        needs.iter().map(|need| if need.number { need.width } else { need.width.min(cap) }).collect()
    })
}

fn grid(names: &[String], cells: &[Vec<Cell<'_>>], needs: &[Need], widths: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).force_no_tty();
    table.set_header(names.iter().zip(widths).map(|(name, width)| cut(name, *width)));
    for row in cells {
        table.add_row(row.iter().zip(widths).map(|(cell, width)| cell.fitted(*width)));
    }
    for (column, need) in table.column_iter_mut().zip(needs) {
        column.set_cell_alignment(if need.number { CellAlignment::Right } else { CellAlignment::Left });
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Rows one below the other.
fn records(names: &[String], cells: &[Vec<Cell<'_>>], width: usize) -> String {
    let most = names.iter().map(|name| name.width()).max().unwrap_or(0).min(width / 3);
    let mut text = String::new();
    for (i, row) in cells.iter().enumerate() {
        let head = format!("─ row {} ", i + 1);
        text.push_str(&head);
        text.push_str(&"─".repeat(width.saturating_sub(head.width())));
        text.push('\n');
        for (name, cell) in names.iter().zip(row) {
            let name = cut(name, most);
            let pad = " ".repeat(most - name.width().min(most));
            let value = cell.fitted(width.saturating_sub(most + 2).max(1));
            let indent = format!("\n{}", " ".repeat(most + 2));
            text.push_str(&format!("{name}{pad}  {}\n", value.replace('\n', &indent)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn numbers_stand_right_and_text_left() {
        let rows = [vec![Edn::from(7), "a".into()], vec![Edn::from(1042), "bcd".into()]];
        let text = draw(&names(&["?e", "?name"]), &rows, 80);
        assert_eq!(text, "   ?e │ ?name\n──────┼───────\n    7 │ a\n 1042 │ bcd\n");
    }

    #[test]
    fn wide_characters_keep_the_columns_aligned() {
        let rows = [vec!["日本".into(), Edn::from(1)], vec!["abc".into(), Edn::from(2)]];
        let text = draw(&names(&["?a", "?b"]), &rows, 80);
        assert_eq!(text, " ?a   │ ?b\n──────┼────\n 日本 │  1\n abc  │  2\n");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let long = "lorem ipsum dolor sit amet ".repeat(9);
        let map = Edn::Map([(Edn::keyword("a/text"), Edn::string(long.as_str()))].into());
        let rows = [
            vec![Edn::from(17_592_186_045_418i64), long.as_str().into(), "short".into(), map],
            vec![Edn::from(1), "日本語".repeat(40).as_str().into(), "".into(), Edn::Nil],
        ];
        for width in [20, 33, 40, 64, 80, 120, 400] {
            let text = draw(&names(&["?e", "?text", "?short", "?map"]), &rows, width);
            for line in text.lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
            assert!(text.contains("17592186045418") || width < 30, "{text}");
        }
    }

    #[test]
    fn only_the_widest_columns_give_way() {
        let rows = [vec![Edn::from("x".repeat(100).as_str()), "twelve chars".into()]];
        let text = draw(&names(&["?a", "?b"]), &rows, 60);
        assert!(text.contains("│ twelve chars"), "{text}");
        assert!(text.contains("x…"), "{text}");
    }

    #[test]
    fn too_many_columns_become_records() {
        let columns: Vec<String> = (0..12).map(|i| format!("?c{i}")).collect();
        let rows = [columns.iter().map(|_| Edn::string("some words")).collect::<Vec<_>>()];
        let text = draw(&columns, &rows, 40);
        assert!(text.starts_with("─ row 1 ─"), "{text}");
        assert!(text.contains("\n?c11  some words\n"), "{text}");
    }
}
