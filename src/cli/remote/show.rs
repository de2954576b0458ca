//! Printing: a table for people, with colours on a terminal alone; JSON for programs.

use std::io::{IsTerminal, Write};

use comfy_table::presets::NOTHING as NO_LINES;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use serde_json::Value;

/// A column: its title, and where its value is.
pub(super) type Column = (&'static str, &'static str);

/// Prints what was answered: the things at `items`, or the answer itself where that is empty.
pub(super) fn show(answer: &Value, as_json: bool, columns: &[Column]) {
    if as_json {
        print(&format!("{answer:#}\n"));
        return;
    }
    let items = match answer["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![answer.clone()],
    };
    print(&format!("{}\n", table(&items, columns).trim_fmt()));
    if let Some(next) = answer.get("next").filter(|next| !next.is_null()) {
        eprintln!("there is more: --after {}", text(next));
    }
}

/// Prints one thing, a line for each of its values.
pub(super) fn show_one(thing: &Value, as_json: bool) {
    if as_json {
        print(&format!("{thing:#}\n"));
        return;
    }
    let mut lines = bare_table();
    for (name, value) in thing.as_object().into_iter().flatten() {
        lines.add_row(vec![Cell::new(name), cell(value)]);
    }
    print(&format!("{}\n", lines.trim_fmt()));
}

/// Whoever reads may leave: that is no mistake.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn bare_table() -> Table {
    let mut table = Table::new();
    table.load_style(NO_LINES).set_content_arrangement(ContentArrangement::Disabled);
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        table.force_no_tty();
    }
    table
}

fn table(items: &[Value], columns: &[Column]) -> Table {
    let mut table = bare_table();
    table.set_header(columns.iter().map(|(title, _)| *title));
    for item in items {
        let cells = columns.iter().map(|(_, place)| item.pointer(place).unwrap_or(&Value::Null));
        table.add_row(cells.map(cell).collect::<Vec<_>>());
    }
    table
}

fn cell(value: &Value) -> Cell {
    let text = text(value);
    let color = match text.as_str() {
        "passing" | "active" | "delivered" => Some(Color::Green),
        "warning" | "maintenance" | "draining" => Some(Color::Yellow),
        "critical" | "failing" => Some(Color::Red),
        _ => None,
    };
    let cell = Cell::new(text);
    match color {
        Some(color) => cell.fg(color),
        None => cell,
    }
}

/// A value in a line.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // What an instance says of itself does not steer the terminal.
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(entries) if entries.is_empty() => "-".to_owned(),
        Value::Object(entries) => {
            let pair = |(key, value): (&String, &Value)| format!("{key}={}", text(value));
            entries.iter().map(pair).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
