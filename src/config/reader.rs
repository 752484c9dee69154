//! Settings by key, from whichever source wins, with every fault noted on the way.

mod environment;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::types::Secret;

use super::keys::{self, Key, Kind, Role};
use super::leftover;
use super::names;
use super::parse::{self, Fault};
use super::problem::{Place, Problem, Warning};
use super::source;
use super::tree::{self, Entry, Node, Value};

/// A setting that was given.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) node: Node,
    pub(super) place: Place,
}

/// All settings that were given, and everything that was wrong with them so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    found: BTreeMap<&'static str, Found>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    /// The file could not be understood: what seems missing may well stand in it.
    unread: bool,
}

impl Reader {
    /// Reads the file's text. To be called before [`Self::environment`], which wins.
    pub(super) fn file(&mut self, path: &Path, text: &str) {
        match tree::parse(text) {
            Ok(Node { value: Value::Null, .. }) => {}
            Ok(Node { value: Value::Map(entries), .. }) => self.section(path, "", entries),
            Ok(node) => self.unread(
                Place::File(path.to_owned(), node.line),
                "is not a mapping",
                "Begin with sections such as `listen:` and `coder:`",
            ),
            Err(error) => self.unread(
                Place::File(path.to_owned(), error.line),
                &error.what,
                "Check indentation, quotes and brackets on that line and the one before",
            ),
        }
    }

    /// Notes that nothing of the file could be taken. What then seems to be missing is not complained about.
    pub(super) fn unread(&mut self, place: Place, what: &str, remedy: &str) {
        self.unread = true;
        self.problem("", place, what, remedy);
    }

    /// Takes the entries of a section; `prefix` is empty or ends with a dot.
    fn section(&mut self, path: &Path, prefix: &str, entries: Vec<Entry>) {
        let mut seen = BTreeSet::new();
        for Entry { key, line, node } in entries {
            let name = format!("{prefix}{key}");
            let place = Place::File(path.to_owned(), line);
            if !seen.insert(name.clone()) {
                self.problem(&name, place, "is set twice", "Keep one of them");
                continue;
            }
            if let Some(key) = keys::find(&name) {
                self.take(key, Found { node, place });
                continue;
            }
            let below = format!("{name}.");
            match node.value {
                _ if !keys::all().any(|key| key.path.starts_with(&below)) => self.unknown_key(&name, place),
                Value::Map(entries) => self.section(path, &below, entries),
                Value::Null => {}
                _ => self.problem(&name, place, "is not a mapping", "Put its keys below it, indented"),
            }
        }
    }

    /// Takes a setting. What is there twice within a map is a problem: one of the two would count for nothing. (Rules
    /// know their own keys.)
    fn take(&mut self, key: &'static Key, found: Found) {
        let twice = if key.kind == Kind::Rules { Vec::new() } else { found.node.twice() };
        for (name, line) in twice {
            self.problem(
                key.path,
                at_line(&found.place, line),
                &format!("has `{name}` twice"),
                "Keep one of them",
            );
        }
        self.found.insert(key.path, found);
    }

    fn unknown_key(&mut self, name: &str, place: Place) {
        let remedy = match names::meant(name) {
            Some(key) => format!("Did you mean {}? Otherwise remove it", key.path),
            None => "Remove it, or look up the right name in docs/configuration.md".to_owned(),
        };
        self.problem(name, place, "is not a key of the gateway", &remedy);
    }

    /// A setting as it was given; `null` and empty text count as not given.
    pub(super) fn given(&self, path: &str) -> Option<&Found> {
        self.found.get(path).filter(|found| match &found.node.value {
            Value::Null => false,
            Value::Text(text) => !text.is_empty(),
            Value::List(_) | Value::Map(_) => true,
        })
    }

    /// A setting that may be missing.
    pub(super) fn optional<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        let found = self.given(path)?.clone();
        let Value::Text(text) = &found.node.value else {
            self.problem(path, found.place, "is not a single value", "Write one value on the key's line");
            return None;
        };
        self.parsed(path, found.place, parse(text))
    }

    /// A setting with a default in the table of keys. Nothing only when it is wrong.
    pub(super) fn value<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        if self.given(path).is_some() {
            return self.optional(path, parse);
        }
        let default = keys::find(path).and_then(Key::default).unwrap_or_default();
        self.parsed(path, Place::Nowhere, parse(default))
    }

    /// A setting that must be there. Nothing when it is missing or wrong.
    pub(super) fn required<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        if self.given(path).is_none() {
            self.missing(path);
        }
        self.optional(path, parse)
    }

    /// A list, or its default.
    pub(super) fn list<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<T>> {
        let Some(Found { node, place }) = self.given(path).cloned() else {
            let default = keys::find(path).and_then(Key::default).unwrap_or_default();
            let items = parse::list(default).and_then(|items| items.iter().map(|item| parse(item)).collect());
            return self.parsed(path, Place::Nowhere, items);
        };
        match node.value {
            Value::Text(text) => {
                let items =
                    parse::list(&text).and_then(|items| items.iter().map(|item| parse(item)).collect());
                self.parsed(path, place, items)
            }
            Value::List(nodes) => {
                // Every entry is read, so that every fault is shown.
                let items: Vec<Option<T>> = (1..)
                    .zip(&nodes)
                    .map(|(number, node)| {
                        let parse = |text: &str| {
                            parse(text).map_err(|(what, remedy)| (format!("{what} (entry {number})"), remedy))
                        };
                        self.item(path, at_line(&place, node.line), node, parse)
                    })
                    .collect();
                items.into_iter().collect()
            }
            Value::Null | Value::Map(_) => {
                self.problem(path, place, "is not a list", "Write `[a, b]`, or one entry a line after `- `");
                None
            }
        }
    }

    fn item<T>(
        &mut self,
        path: &str,
        place: Place,
        node: &Node,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        match &node.value {
            Value::Text(text) if !text.is_empty() => self.parsed(path, place, parse(text)),
            _ => {
                self.problem(path, place, "has an entry that is not text", "Write one value for each entry");
                None
            }
        }
    }

    /// One of some words, or the default.
    pub(super) fn word<T: Copy>(&mut self, path: &str, words: &[(&str, T)]) -> Option<T> {
        self.value(path, |text| word(text, words))
    }

    /// A secret given as text or as a file, and that file. Nothing when it is missing or wrong.
    pub(super) fn secret(&mut self, path: &str) -> Option<(Secret, Option<PathBuf>)> {
        let file_path = format!("{path}File");
        match (self.given(path).is_some(), self.given(&file_path).is_some()) {
            (true, true) => {
                let (what, remedy) = (format!("is set, and so is {file_path}"), "Keep one of them");
                self.wrong(path, &what, remedy);
                None
            }
            (true, false) => {
                self.optional(path, |text| parse::line(text).map(Secret::new)).map(|secret| (secret, None))
            }
            (false, true) => {
                let file = self.optional(&file_path, parse::path)?;
                match source::read_secret(&file) {
                    Ok(secret) => Some((secret, Some(file))),
                    Err((what, remedy)) => {
                        self.wrong(&file_path, &what, remedy);
                        None
                    }
                }
            }
            (false, false) => {
                self.missing(path);
                None
            }
        }
    }

    fn parsed<T>(&mut self, path: &str, place: Place, result: Result<T, Fault>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                // Quotes or `${...}` that were left in explain why the value is not one.
                let (what, remedy) = self.leftover(path).unwrap_or(fault);
                self.problem(path, place, &what, &remedy);
                None
            }
        }
    }

    /// What was left in a setting by the tool that wrote it.
    fn leftover(&self, path: &str) -> Option<Fault> {
        let found = self.given(path)?;
        let by_variable = matches!(found.place, Place::Variable(_));
        // The quotation marks of CSV are no part of the values.
        let items =
            keys::find(path).filter(|key| matches!(key.kind, Kind::List | Kind::Networks)).and_then(|_| {
                found.node.texts().into_iter().map(parse::list).collect::<Result<Vec<_>, _>>().ok()
            });
        match items {
            Some(items) => items.iter().flatten().find_map(|text| leftover::of(text, by_variable)),
            None => found.node.texts().into_iter().find_map(|text| leftover::of(text, by_variable)),
        }
    }

    /// Warns of values that can be used and are probably not meant: with quotes around them, with `${...}` in them.
    pub(super) fn warn_of_leftovers(&mut self) {
        for key in keys::all() {
            if let Some((what, remedy)) = self.leftover(key.path) {
                let remedy = match self.given(key.path).map(|found| &found.place) {
                    Some(place @ Place::Variable(_)) => format!("{remedy} ({place})"),
                    _ => remedy,
                };
                self.warning(key.path, &what, &remedy);
            }
        }
    }

    fn missing(&mut self, path: &str) {
        if self.unread {
            return;
        }
        let variable = keys::find(path).map_or("", |key| key.variable);
        let file =
            if keys::find(&format!("{path}File")).is_some() { " (or name a file with it)" } else { "" };
        let remedy = format!("Set {path} in the file{file}, or {variable}");
        self.problem(path, Place::Nowhere, "is missing", &remedy);
    }

    /// Notes that a setting is wrong, at its place.
    pub(super) fn wrong(&mut self, path: &str, what: &str, remedy: &str) {
        let place = self.given(path).map_or(Place::Nowhere, |found| found.place.clone());
        self.problem(path, place, what, remedy);
    }

    /// Notes that something is wrong.
    pub(super) fn problem(&mut self, key: &str, place: Place, what: &str, remedy: &str) {
        let problem =
            Problem { key: key.to_owned(), place, what: what.to_owned(), remedy: remedy.to_owned() };
        self.problems.push(problem);
    }

    /// Notes that something is probably not meant.
    pub(super) fn warning(&mut self, key: &str, what: &str, remedy: &str) {
        self.warnings.push(Warning { key: key.to_owned(), what: what.to_owned(), remedy: remedy.to_owned() });
    }

    /// Notes settings that have no place here.
    pub(super) fn refuse_what_has_no_place(&mut self) {
        for key in keys::all() {
            let (Role::Refused(why) | Role::Ignored(why)) = key.role else { continue };
            let Some(found) = self.given(key.path) else { continue };
            let off = match &found.node.value {
                Value::Text(text) => {
                    key.default() == Some(text) || key.kind == Kind::Bool && parse::boolean(text) == Ok(false)
                }
                Value::List(items) => items.is_empty(),
                Value::Null | Value::Map(_) => false,
            };
            match key.role {
                _ if off => {}
                Role::Ignored(_) => self.warning(key.path, "has no effect", why),
                _ => self.wrong(key.path, "cannot be used", why),
            }
        }
    }

    /// Everything noted: problems in the order of the file, then of the variables, then the rest.
    pub(super) fn into_notes(self) -> (Vec<Problem>, Vec<Warning>) {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| match &problem.place {
            Place::File(_, line) => (0, *line),
            Place::Variable(_) => (1, 0),
            Place::Nowhere => (2, 0),
        });
        (problems, self.warnings)
    }
}

/// The value that a word stands for.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        ("is not one of the accepted values".to_owned(), format!("Write one of {}", known.join(", ")))
    })
}

/// The place of an entry within a setting.
pub(super) fn at_line(place: &Place, line: u64) -> Place {
    match place {
        Place::File(path, _) if line > 0 => Place::File(path.clone(), line),
        _ => place.clone(),
    }
}
