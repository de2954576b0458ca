//! Text to tree: TOML syntax, and the place of each value.
//!
//! Knows the grammar only. All that a parser can recover from is reported, at a bounded depth: a
//! tree is walked by recursion later, and a hostile file must not end the process.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::problem::{Place, Problem, Problems};
use super::tree::{Node, Value};

/// Levels of tables and arrays in one another. The deepest key of the schema has six.
pub const MAX_DEPTH: usize = 64;

/// Parses one file. The tree holds what could be understood, also where there are problems.
pub fn parse(file: &Arc<str>, text: &str, problems: &mut Problems) -> Node {
    let lines = Lines::new(file, text);
    if let Some(offset) = too_deep(text) {
        let what = format!("is nested more than {MAX_DEPTH} levels deep");
        problems.push(Problem::new(lines.place(offset), "", what));
        return empty(file);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last_line = 0;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let place = lines.place(span.start);
        // What follows on a line is mostly the same mistake seen again.
        if std::mem::replace(&mut last_line, place.line) == place.line {
            continue;
        }
        let mut what = error.message().lines().collect::<Vec<_>>().join(", ");
        if let (true, Some(key)) = (what == "duplicate key", text.get(span)) {
            what = format!("the key `{key}` is here for the second time");
        }
        problems.push(Problem::new(place, "", what));
    }
    let value = lines.table(table.into_inner(), problems);
    Node::new(Place::whole(file), 0, value)
}

/// A file without anything in it.
pub fn empty(file: &Arc<str>) -> Node {
    Node::new(Place::whole(file), 0, Value::Table(Default::default()))
}

/// The place just after a text.
pub fn end_of(file: &Arc<str>, text: &str) -> Place {
    Lines::new(file, text).place(text.len())
}

/// Where the nesting passes [`MAX_DEPTH`], counted on the tokens: brackets, and dots in keys.
fn too_deep(text: &str) -> Option<usize> {
    let (mut open, mut depth) = (Vec::new(), 0);
    let mut dots = 0;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                open.push(std::mem::take(&mut dots));
                depth += 1;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                depth -= dots;
                if let Some(outer) = open.pop() {
                    dots = outer;
                    depth -= 1;
                } else {
                    dots = 0;
                }
            }
            TokenKind::Dot => {
                dots += 1;
                depth += 1;
            }
            TokenKind::Comma | TokenKind::Newline => depth -= std::mem::take(&mut dots),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(token.span().start());
        }
    }
    None
}

/// Turns byte offsets into lines and columns.
struct Lines<'t> {
    file: &'t Arc<str>,
    /// Where each line begins.
    starts: Vec<usize>,
    /// Bytes that only continue a character: all in a line before an offset are found by two
    /// searches, where counting characters would take a file of one long line forever.
    continuations: Vec<usize>,
    length: usize,
}

impl<'t> Lines<'t> {
    fn new(file: &'t Arc<str>, text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(i, _)| i + 1);
        let continues = |&(_, byte): &(usize, u8)| byte & 0b1100_0000 == 0b1000_0000;
        Self {
            file,
            starts: std::iter::once(0).chain(ends).collect(),
            continuations: text.bytes().enumerate().filter(continues).map(|(i, _)| i).collect(),
            length: text.len(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts[line - 1];
        let offset = offset.min(self.length);
        let continued = |to: usize| self.continuations.partition_point(|&at| at < to);
        let characters = offset - start - (continued(offset) - continued(start));
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: self.file.clone(), line: number(line), column: number(characters + 1) }
    }

    fn table(&self, table: DeTable<'_>, problems: &mut Problems) -> Value {
        let entries = table.into_iter().filter_map(|(key, value)| {
            let place = self.place(key.span().start);
            let value = self.value(value.into_inner(), &place, problems)?;
            Some((key.into_inner().into_owned(), Node::new(place, 0, value)))
        });
        Value::Table(entries.collect())
    }

    fn array(&self, items: Vec<(Range<usize>, DeValue<'_>)>, problems: &mut Problems) -> Value {
        let nodes = items.into_iter().enumerate().filter_map(|(ordinal, (span, value))| {
            let place = self.place(span.start);
            let value = self.value(value, &place, problems)?;
            Some(Node::new(place, ordinal, value))
        });
        Value::Array(nodes.collect())
    }

    fn value(&self, value: DeValue<'_>, place: &Place, problems: &mut Problems) -> Option<Value> {
        let mut refuse = |what: String| {
            problems.push(Problem::new(place.clone(), "", what));
            None
        };
        match value {
            DeValue::String(text) => Some(Value::String { text: text.into_owned(), written: None }),
            DeValue::Boolean(value) => Some(Value::Boolean(value)),
            DeValue::Datetime(value) => Some(Value::Datetime(value.to_string())),
            DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
                Ok(value) => Some(Value::Integer(value)),
                Err(_) => refuse("the whole number does not fit 64 bits".to_owned()),
            },
            // JSON, in which plugins get their configuration, has no word for these.
            DeValue::Float(value) => match value.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => Some(Value::Float(value)),
                _ => refuse("the number is not finite".to_owned()),
            },
            DeValue::Table(table) => Some(self.table(table, problems)),
            DeValue::Array(array) => {
                let items = array.into_iter().map(|item| (item.span(), item.into_inner()));
                Some(self.array(items.collect(), problems))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::path::KeyPath;

    fn parsed(text: &str) -> (Node, String) {
        let mut problems = Problems::default();
        let tree = parse(&"p.toml".into(), text, &mut problems);
        (tree, problems.sorted().to_string())
    }

    #[test]
    fn values_know_their_places() {
        let (tree, errors) = parsed(
            "[services.web]\nendpoints = [\n  { 'ä' = 1, weight = 2 },\n]\n[[routes]]\nx = 1\n",
        );
        assert_eq!(errors, "");
        let place = |path: &KeyPath| tree.locate(path).place.to_string();
        let web = KeyPath::root("services").key("web");
        assert_eq!(place(&web), "p.toml:1:11");
        let endpoint = web.key("endpoints").index(0);
        assert_eq!(place(&endpoint), "p.toml:3:3");
        assert_eq!(place(&endpoint.key("weight")), "p.toml:3:14");
        assert_eq!(place(&endpoint.key("missing")), "p.toml:3:3");
        assert_eq!(place(&KeyPath::root("routes").index(0)), "p.toml:5:1");
    }

    #[test]
    fn depth_is_bounded_however_it_is_written() {
        let deep = 10_000;
        for text in [
            format!("a = {}", "[".repeat(deep)),
            format!("a = {}1{}", "[".repeat(deep), "]".repeat(deep)),
            format!("a = {}", "{a=".repeat(deep)),
            format!("[{}a]", "a.".repeat(deep)),
            format!("{}a = 1", "a.".repeat(deep)),
            format!("a = {}", "{ a.a.a.a = ".repeat(deep)),
        ] {
            assert!(parsed(&text).1.contains("nested more than 64 levels"), "{text:.20}");
        }
        let wide = "[a.b]\nx = [1.5, 2.5]\ny.z = { p.q = [[]] }\n".replace("b", "c.d.e.f");
        assert_eq!(parsed(&wide).1, "");
    }
}
