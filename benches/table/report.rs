//! The table: what was measured, the bar, and whether it holds. Markdown that also reads well in a
//! terminal.

use std::fmt;

/// One line.
pub struct Row {
    what: String,
    measured: String,
    bar: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Holds,
    Broken,
    /// It could not be measured.
    Unknown,
    /// There is no bar.
    Information,
}

impl Row {
    /// A figure that has a bar.
    pub fn judged(what: impl Into<String>, measured: String, bar: String, holds: bool) -> Self {
        let verdict = if holds { Verdict::Holds } else { Verdict::Broken };
        Self { what: what.into(), measured, bar, verdict }
    }

    /// A figure to compare with.
    pub fn information(what: impl Into<String>, measured: String) -> Self {
        Self { what: what.into(), measured, bar: String::new(), verdict: Verdict::Information }
    }

    /// A measurement that could not be made.
    pub fn failed(what: impl Into<String>, error: &anyhow::Error) -> Self {
        let measured = format!("failed: {error:#}").replace('\n', " ");
        Self { what: what.into(), measured, bar: String::new(), verdict: Verdict::Unknown }
    }

    fn cells(&self) -> [&str; 4] {
        let verdict = match self.verdict {
            Verdict::Holds => "yes",
            Verdict::Broken => "NO",
            Verdict::Unknown => "?",
            Verdict::Information => "",
        };
        [&self.what, &self.measured, &self.bar, verdict]
    }
}

/// All lines, in the order of measuring.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    pub fn add(&mut self, row: Row) {
        eprintln!("  {}", row.cells().join(" | "));
        self.0.push(row);
    }

    /// Whether every bar holds, and everything could be measured.
    pub fn holds(&self) -> bool {
        self.0.iter().all(|row| !matches!(row.verdict, Verdict::Broken | Verdict::Unknown))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "measured", "bar", "holds?"];
        let lines = || std::iter::once(head).chain(self.0.iter().map(Row::cells));
        let widths: [usize; 4] = std::array::from_fn(|column| {
            lines().map(|cells| cells[column].chars().count()).max().unwrap_or(0)
        });
        for (number, cells) in lines().enumerate() {
            for (cell, width) in cells.iter().zip(widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                widths.iter().try_for_each(|width| write!(f, "|{}", "-".repeat(width + 2)))?;
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
