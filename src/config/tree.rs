//! YAML as a tree that knows its lines, so that every fault in a file can be reported with its place, all at once.
//!
//! JSON is YAML. Scalars keep their text as written, byte for byte: a client id of `0123` or `12345e678` does not become
//! a number, and `yes` does not become a boolean. `null`, `~` and nothing at all are no value. Errors show no text of
//! the file except the names of keys.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, NonFiniteFloatPolicy, Spanned};

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct YamlNode {
    /// The line, counted from 1.
    pub(super) line: u64,
    /// The value.
    pub(super) value: YamlValue,
}

/// A value of YAML.
#[derive(Clone)]
pub(super) enum YamlValue {
    /// Nothing, `null` or `~`.
    Null,
    /// Text, a number or a boolean, as written.
    Text(String),
    /// A sequence.
    List(Vec<YamlNode>),
    /// A mapping, in the order written, duplicates included.
    Map(Vec<YamlEntry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct YamlEntry {
    /// The key.
    pub(super) key: String,
    /// The key's line.
    pub(super) line: u64,
    /// The value, and where it begins.
    pub(super) node: YamlNode,
}

/// Why a text is not YAML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    /// The line, counted from 1; 0 when there is none.
    pub(super) line: u64,
    /// What is wrong. Contains no text of the file.
    pub(super) what: String,
}

impl fmt::Debug for YamlValue {
    /// Shows the shape only: a text may be a secret.
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
pub(super) fn parse(source: &str) -> Result<YamlNode, YamlError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let parsed: Spanned<Parsed> =
        serde_saphyr::from_str_with_options(source, options).map_err(|error| syntax_error(&error))?;
    node(source, parsed)
}

/// The parser's own message where it cannot contain text of the file, otherwise ours.
fn syntax_error(error: &Error) -> YamlError {
    let what = match error {
        Error::Message { msg, .. } => format!("is not valid YAML: {msg}"),
        Error::MultipleDocuments { .. } => "holds more than one YAML document".to_owned(),
        Error::UnknownAnchor { .. } => {
            "is not valid YAML: an unknown anchor (a value that begins with * needs quotes)".to_owned()
        }
        Error::Budget { .. } => "is nested too deep or too large".to_owned(),
        Error::InvalidScalar { .. } | Error::TaggedScalarCannotDeserializeIntoString { .. } => {
            "has a value that does not fit its tag (leave tags such as !!int out: every value is taken as it is \
             written)"
                .to_owned()
        }
        _ => "is not valid YAML".to_owned(),
    };
    YamlError { line: error.location().map_or(0, |location| location.line()), what }
}

/// A value from the YAML parser, which does not report how a typed scalar was written.
enum Parsed {
    Null,
    Text(String),
    /// A number or a boolean, whose text is taken from the source.
    Typed(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

fn node(source: &str, parsed: Spanned<Parsed>) -> Result<YamlNode, YamlError> {
    let line = parsed.referenced.line();
    let value = match parsed.value {
        Parsed::Null => YamlValue::Null,
        Parsed::Text(text) => YamlValue::Text(text),
        Parsed::Typed(text) => YamlValue::Text(written(source, &parsed.defined).unwrap_or(text)),
        Parsed::List(items) => {
            YamlValue::List(items.into_iter().map(|item| node(source, item)).collect::<Result<_, _>>()?)
        }
        Parsed::Map(entries) => YamlValue::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let line = key.referenced.line();
                    Ok(YamlEntry { key: key_text(source, key)?, line, node: node(source, value)? })
                })
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(YamlNode { line, value })
}

/// A key as it was written, `null` included: every key is a name.
fn key_text(source: &str, key: Spanned<Parsed>) -> Result<String, YamlError> {
    match key.value {
        Parsed::Text(text) => Ok(text),
        Parsed::Typed(text) => Ok(written(source, &key.defined).unwrap_or(text)),
        Parsed::Null => Ok(written(source, &key.defined).unwrap_or_default()),
        Parsed::List(_) | Parsed::Map(_) => {
            let what = "has a key that is not text".to_owned();
            Err(YamlError { line: key.referenced.line(), what })
        }
    }
}

/// The text of a scalar that the parser read as something other than text. With a tag it may be in quotes
/// (`!!int "12"`), which are removed here, escapes included.
fn written(source: &str, place: &Location) -> Option<String> {
    let span = place.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    let text = source.get(start..end)?.trim();
    if text.starts_with(['"', '\'']) { serde_saphyr::from_str(text).ok() } else { Some(text.to_owned()) }
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

impl YamlNode {
    /// The keys that occur more than once in one mapping, at any depth, each with the line of the later one.
    pub(super) fn twice(&self) -> Vec<(&str, u64)> {
        match &self.value {
            YamlValue::Null | YamlValue::Text(_) => Vec::new(),
            YamlValue::List(items) => items.iter().flat_map(Self::twice).collect(),
            YamlValue::Map(entries) => {
                let mut seen = BTreeSet::new();
                let own = entries.iter().filter(|entry| !seen.insert(entry.key.as_str()));
                let mut found: Vec<_> = own.map(|entry| (entry.key.as_str(), entry.line)).collect();
                found.extend(entries.iter().flat_map(|entry| entry.node.twice()));
                found
            }
        }
    }

    /// Every text in it, at any depth, keys left out.
    pub(super) fn texts(&self) -> Vec<&str> {
        match &self.value {
            YamlValue::Null => Vec::new(),
            YamlValue::Text(text) => vec![text],
            YamlValue::List(items) => items.iter().flat_map(Self::texts).collect(),
            YamlValue::Map(entries) => entries.iter().flat_map(|entry| entry.node.texts()).collect(),
        }
    }

    /// As JSON, with every scalar as text: the syntax of Coder's variables that hold a map.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            YamlValue::Null => serde_json::Value::Null,
            YamlValue::Text(text) => serde_json::Value::String(text.clone()),
            YamlValue::List(items) => items.iter().map(Self::to_json).collect(),
            YamlValue::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
