//! YAML as a tree that knows its lines, so that every fault in a file can be shown with its place, all at once.
//!
//! JSON is YAML. Scalars keep their text as written: a client id of `0123` is no number here. No error shows
//! any text of the file but the names of keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, NonFiniteFloatPolicy, Spanned};

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The line, counted from 1.
    pub(super) line: u64,
    /// What it is.
    pub(super) value: Value,
}

/// A value.
#[derive(Clone)]
pub(super) enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// Text, a number or a truth value, as written.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order written, duplicates included.
    Map(Vec<Entry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// The key's line.
    pub(super) line: u64,
    /// What stands there.
    pub(super) node: Node,
}

/// A text is not YAML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The line, counted from 1; 0 when there is none.
    pub(super) line: u64,
    /// What is wrong. No text of the file.
    pub(super) what: String,
}

impl fmt::Debug for Value {
    /// Shape only: what stands there may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Text(_) => f.write_str("Text([redacted])"),
            Self::List(nodes) => f.debug_list().entries(nodes).finish(),
            Self::Map(entries) => f.debug_list().entries(entries).finish(),
        }
    }
}

/// Reads one document.
pub(super) fn parse(source: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    let parsed: Spanned<Parsed> =
        serde_saphyr::from_str_with_options(source, options).map_err(|error| syntax_error(&error))?;
    Ok(node(source, parsed))
}

/// The parser's own words where they cannot hold text of the file, otherwise ours.
fn syntax_error(error: &Error) -> SyntaxError {
    let what = match error {
        Error::Message { msg, .. } => format!("is not valid YAML: {msg}"),
        Error::MultipleDocuments { .. } => "holds more than one YAML document".to_owned(),
        Error::UnknownAnchor { .. } => {
            "is not valid YAML: an unknown anchor (a value that begins with * needs quotes)".to_owned()
        }
        Error::Budget { .. } => "is nested too deep or too large".to_owned(),
        _ => "is not valid YAML".to_owned(),
    };
    SyntaxError { line: error.location().map_or(0, |location| location.line()), what }
}

/// What the YAML reader makes of a value: typed scalars lose how they were written.
enum Parsed {
    Null,
    Text(String),
    /// A number or truth value, whose text is taken from the source.
    Typed(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn node(source: &str, parsed: Spanned<Parsed>) -> Node {
    let line = parsed.referenced.line();
    let value = match parsed.value {
        Parsed::Null => Value::Null,
        Parsed::Text(text) => Value::Text(text),
        Parsed::Typed(text) => {
            let span = parsed.defined.span();
            Value::Text(written(source, span.byte_offset(), span.byte_len()).map_or(text, str::to_owned))
        }
        Parsed::List(items) => Value::List(items.into_iter().map(|item| node(source, item)).collect()),
        Parsed::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    line: key.referenced.line(),
                    key: key.value,
                    node: node(source, value),
                })
                .collect(),
        ),
    };
    Node { line, value }
}

fn written(source: &str, offset: Option<u64>, length: Option<u64>) -> Option<&str> {
    let start = usize::try_from(offset?).ok()?;
    let end = start.checked_add(usize::try_from(length?).ok()?)?;
    source.get(start..end)
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParsedVisitor)
    }
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Parsed, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Parsed::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Parsed, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Parsed::Map(entries))
    }
}

impl Node {
    /// As JSON, with every scalar as text: the syntax of Coder's variables that hold a map.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Text(text) => serde_json::Value::String(text.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_at(source: &str, key: &str) -> String {
        let Value::Map(entries) = parse(source).unwrap().value else { panic!("no mapping") };
        let entry = entries.into_iter().find(|entry| entry.key == key).unwrap();
        let Value::Text(text) = entry.node.value else { panic!("no text") };
        text
    }

    #[test]
    fn scalars_keep_the_text_that_was_written() {
        for text in ["0123", "1_000", "yes", "1e9", "1.50", "0x1F", "00", ".nan", "+7", "TRUE"] {
            assert_eq!(text_at(&format!("# é\nk: {text} # c\n"), "k"), text);
            assert_eq!(text_at(&format!("{{\"k\": \"{text}\"}}"), "k"), text);
            assert_eq!(text_at(&format!("a: &x {text}\nk: *x\n"), "k"), text);
        }
    }

    #[test]
    fn duplicate_keys_are_both_kept_with_their_lines() {
        let Value::Map(entries) = parse("a: 1\nb: 2\na: 3\n").unwrap().value else { panic!("no mapping") };
        assert_eq!(
            entries.iter().map(|e| (e.key.as_str(), e.line)).collect::<Vec<_>>(),
            [("a", 1), ("b", 2), ("a", 3)]
        );
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line_and_none_of_its_text() {
        let cases = [
            "a: [canary",
            "a: *canary",
            "a: !canary%zz x",
            "a: \"canary\n",
            "a: %canary\n  - @canary: @canary",
            "a: 1\n---\ncanary: 2",
            "a: b: canary",
            "a: !!binary canary!",
            "{canary",
            "? [canary]\n: 1",
            "a: !!int canary",
            "a: !!canary canary",
        ];
        for source in cases {
            match parse(source) {
                Err(error) => {
                    assert!(!error.what.contains("canary"), "{source:?}: {}", error.what);
                    assert!(error.line > 0, "{source:?}: {}", error.what);
                }
                Ok(node) => assert!(!format!("{node:?}").contains("Text(canary"), "{source:?}"),
            }
        }
        let deep = "[".repeat(10_000);
        assert!(parse(&deep).is_err());
        let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                      d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(parse(laughs).is_err());
    }
}
