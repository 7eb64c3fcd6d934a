//! What people see: lines, headings and tables that fit the terminal, coloured only where that is wanted.

use std::io::{self, IsTerminal, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};
use serde::Serialize;

/// Columns of text that goes to a file or another program, and the fewest that tables fit in.
const USUAL_WIDTH: u16 = 80;
/// Wider tables are harder to read, not easier.
const MOST_WIDTH: u16 = 100;

/// No lines but one below the header.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Standard output and what it can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    width: u16,
    colour: bool,
}

/// How something stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Not at all.
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
    /// Done.
    Good,
    /// Somebody should look at it.
    Warn,
    /// Failed.
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Strong => "\x1b[1m",
            Tone::Faint => "\x1b[2m",
            Tone::Good => "\x1b[32m",
            Tone::Warn => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
        }
    }

    /// A cell in this tone.
    pub(crate) fn cell(self, text: impl ToString) -> Cell {
        let cell = Cell::new(text);
        match self {
            Tone::Plain => cell,
            Tone::Strong => cell.add_attribute(Attribute::Bold),
            Tone::Faint => cell.add_attribute(Attribute::Dim),
            Tone::Good => cell.fg(Color::Green),
            Tone::Warn => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
        }
    }
}

/// How a column of a table behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text that may be broken over lines.
    Text,
    /// Text that is broken at this width at the latest.
    Narrow(u16),
    /// Text that is never broken.
    Whole,
    /// A number, at the right.
    Number,
}

impl Screen {
    /// Standard output.
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let width = Table::new().width().unwrap_or(USUAL_WIDTH);
        Self {
            width: width.clamp(60, MOST_WIDTH),
            colour: terminal && !engine::config::no_colour(),
        }
    }

    /// A screen for tests: 80 columns, no colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { width: USUAL_WIDTH, colour: false }
    }

    /// Text in a tone.
    pub(crate) fn tinted(self, tone: Tone, text: &str) -> String {
        if self.colour && tone != Tone::Plain {
            format!("{}{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// A heading with a line above it and, in small, something at its right.
    pub(crate) fn heading(self, text: &str, beside: &str) -> io::Result<()> {
        let text_width = text.chars().count();
        let text = self.tinted(Tone::Strong, text);
        say("")?;
        if beside.is_empty() {
            return say(text);
        }
        let gap = usize::from(self.width).saturating_sub(text_width + beside.chars().count());
        say(format!("{text}{}{}", " ".repeat(gap.max(2)), self.tinted(Tone::Faint, beside)))
    }

    /// A paragraph, broken at the width.
    pub(crate) fn paragraph(self, tone: Tone, text: &str) -> io::Result<()> {
        for line in wrapped(text, usize::from(self.width) - 1) {
            say(format!(" {}", self.tinted(tone, &line)))?;
        }
        Ok(())
    }

    /// A table; nothing without rows.
    pub(crate) fn table(self, columns: &[(&str, Column)], rows: Vec<Vec<Cell>>) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        say(self.drawn(columns, rows))
    }

    /// A table as text.
    pub(crate) fn drawn(self, columns: &[(&str, Column)], rows: Vec<Vec<Cell>>) -> String {
        let mut table = Table::new();
        table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(self.width);
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let header = |(name, column): &(&str, Column)| {
            let cell = Tone::Faint.cell(name);
            if *column == Column::Number { cell.set_alignment(CellAlignment::Right) } else { cell }
        };
        table.set_header(columns.iter().map(header).collect::<Vec<_>>());
        table.add_rows(rows);
        for (column, (_, kind)) in table.column_iter_mut().zip(columns) {
            match kind {
                Column::Text => {}
                Column::Narrow(width) => {
                    column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(*width)));
                }
                Column::Whole => {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
                Column::Number => {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }
}

/// Prints a line or several.
pub(crate) fn say(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.as_ref())?;
    out.flush()
}

/// Asks a question that a yes answers; `None` = nobody is there to be asked.
pub(crate) fn ask(question: &str) -> io::Result<Option<bool>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
}

/// Prints JSON.
pub(crate) fn say_json(json: &impl Serialize) -> anyhow::Result<()> {
    Ok(say(serde_json::to_string_pretty(json)?)?)
}

/// Text in lines of at most `width` characters, broken at spaces; a word that is longer stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whether nobody reads standard output any more, as behind `| head`: no reason to complain.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { width: 40, colour: false };

    #[test]
    fn a_table_fits_its_width_and_breaks_text_only() {
        let columns = [("Name", Column::Whole), ("People", Column::Number), ("Why", Column::Text)];
        let row = |name: &str, number: u32, why: &str| {
            vec![Cell::new(name), Cell::new(number), Cell::new(why)]
        };
        let rows = vec![
            row("Zoë Müller", 7, "one sentence that does not fit"),
            row("李 明", 1234, "short"),
        ];
        let expected = "
 Name         People   Why
─────────────────────────────────────
 Zoë Müller        7   one sentence
                       that does not
                       fit
 李 明          1234   short";
        assert_eq!(format!("\n{}", PLAIN.drawn(&columns, rows)), expected);
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert!(wrapped(" ", 3).is_empty());
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert_eq!(PLAIN.tinted(Tone::Bad, "no"), "no");
        let colours = Screen { colour: true, ..PLAIN };
        assert_eq!(colours.tinted(Tone::Bad, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(colours.tinted(Tone::Plain, "no"), "no");
    }
}
