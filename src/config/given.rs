//! The given settings, from the file and from the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::entry::{KeyEntry, ValueKind};
use super::fault::ValueFault;
use super::leftover;
use super::names::{self, UnreadVariable};
use super::notes::ReadingNotes;
use super::problem::SettingPlace;
use super::source::{Environment, FILE_VARIABLE};
use super::table::KeyTable;
use super::tree::{self, YamlEntry, YamlNode, YamlValue};

/// A given setting.
#[derive(Clone, Debug)]
pub(super) struct GivenSetting {
    /// The value as written.
    pub(super) node: YamlNode,
    /// Where it was written.
    pub(super) place: SettingPlace,
}

/// All given settings, by their path in the file.
#[derive(Debug)]
pub(super) struct GivenSettings {
    table: KeyTable,
    found: BTreeMap<&'static str, GivenSetting>,
}

impl GivenSettings {
    /// Empty. Only settings of the `table` are accepted.
    pub(super) const fn new(table: KeyTable) -> Self {
        Self { table, found: BTreeMap::new() }
    }

    /// The setting as given. `null` and empty text count as not given.
    pub(super) fn get(&self, key: &KeyEntry) -> Option<&GivenSetting> {
        self.found.get(key.path).filter(|found| match &found.node.value {
            YamlValue::Null => false,
            YamlValue::Text(text) => !text.is_empty(),
            YamlValue::List(_) | YamlValue::Map(_) => true,
        })
    }

    /// Adds the file's text. Call it before [`Self::take_environment`], which wins.
    pub(super) fn take_file(&mut self, path: &Path, text: &str, notes: &mut ReadingNotes) {
        let place = |line| SettingPlace::File(path.to_owned(), line);
        match tree::parse(text) {
            Ok(YamlNode { value: YamlValue::Null, .. }) => {}
            Ok(YamlNode { value: YamlValue::Map(entries), .. }) => {
                self.take_section(path, "", entries, notes);
            }
            Ok(node) => {
                let remedy = "Begin with sections such as `listen:` and `coder:`";
                notes.unread_file(place(node.line), ValueFault::new("is not a mapping", remedy));
            }
            Err(error) => {
                let remedy = "Check indentation, quotes and brackets on that line and the one before";
                notes.unread_file(place(error.line), ValueFault::new(error.what, remedy));
            }
        }
    }

    /// Adds the entries of a section; `prefix` is empty or ends with a dot.
    fn take_section(&mut self, path: &Path, prefix: &str, entries: Vec<YamlEntry>, notes: &mut ReadingNotes) {
        let mut seen = BTreeSet::new();
        for YamlEntry { key, line, node } in entries {
            let name = format!("{prefix}{key}");
            let place = SettingPlace::File(path.to_owned(), line);
            if !seen.insert(name.clone()) {
                notes.problem(&name, place, "is set twice", "Keep one of them");
                continue;
            }
            if let Some(key) = self.table.find(&name) {
                self.take(key, GivenSetting { node, place }, notes);
                continue;
            }
            match node.value {
                _ if !self.table.has_section(&name) => self.note_unknown_key(&name, place, notes),
                YamlValue::Map(entries) => self.take_section(path, &format!("{name}."), entries, notes),
                YamlValue::Null => {}
                _ => notes.problem(&name, place, "is not a mapping", "Put its keys below it, indented"),
            }
        }
    }

    /// Adds a setting. A name that occurs twice in a map is a problem, because one of the two values would be lost.
    /// (Rules check their own names.)
    fn take(&mut self, key: &'static KeyEntry, given: GivenSetting, notes: &mut ReadingNotes) {
        if key.kind != ValueKind::Rules {
            for (name, line) in given.node.twice() {
                let place = given.place.at_line(line);
                notes.problem(key.path, place, format!("has `{name}` twice"), "Keep one of them");
            }
        }
        self.found.insert(key.path, given);
    }

    fn note_unknown_key(&self, name: &str, place: SettingPlace, notes: &mut ReadingNotes) {
        let remedy = did_you_mean(names::meant(name, self.table).map(|key| key.path));
        notes.problem(name, place, "is not a key of the gateway", remedy);
    }

    /// Adds the variables of all settings. They override the file.
    pub(super) fn take_environment(&mut self, environment: &Environment, notes: &mut ReadingNotes) {
        for key in self.table.all() {
            let Some(text) = environment.get(key.variable) else { continue };
            let place = SettingPlace::Variable(key.variable.to_owned());
            for form in self.table.forms(key) {
                let replaced = |found: &GivenSetting| matches!(found.place, SettingPlace::File(..));
                if self.found.get(form.path).is_some_and(replaced) {
                    self.found.remove(form.path);
                }
            }
            match node_of_variable(key, text) {
                Ok(node) => self.take(key, GivenSetting { node, place }, notes),
                Err(fault) => notes.fault(key, place, fault),
            }
        }
        for (name, value) in environment.iter() {
            let known = name == FILE_VARIABLE || self.table.has_variable(name);
            if !known && let Some(unread) = names::unread(name, value, self.table) {
                note_unread_variable(name, unread, notes);
            }
        }
    }
}

/// A variable's value: maps and rules are YAML, as Coder reads its own, and hence JSON; everything else is text.
fn node_of_variable(key: &KeyEntry, text: &str) -> Result<YamlNode, ValueFault> {
    if !matches!(key.kind, ValueKind::Map | ValueKind::Rules) {
        return Ok(YamlNode { line: 0, value: YamlValue::Text(text.to_owned()) });
    }
    let node = tree::parse(text).map_err(|error| ValueFault::new(error.what, "Write it as JSON"))?;
    match (&node.value, leftover::of(text, true)) {
        (YamlValue::Text(_), Some(fault)) => Err(fault),
        _ => Ok(node),
    }
}

/// Notes a variable that nothing reads: as a problem where the wrong people could otherwise sign in.
fn note_unread_variable(name: &str, unread: UnreadVariable, notes: &mut ReadingNotes) {
    let place = SettingPlace::Variable(name.to_owned());
    let variable = |key: &'static KeyEntry| key.variable;
    match unread {
        UnreadVariable::Own(key) => {
            let what = "is not a variable of the gateway";
            notes.problem("", place, what, did_you_mean(key.map(variable)));
        }
        UnreadVariable::Decides(key) => {
            let what =
                "is not a variable of Coder or the gateway, but looks like one that decides who may sign in";
            notes.problem("", place, what, did_you_mean(Some(variable(key))));
        }
        UnreadVariable::Oidc(key) => {
            let what = "is not a variable of Coder or the gateway that this version knows, and has no effect";
            notes.warning(name, what, did_you_mean(key.map(variable)));
        }
    }
}

/// The remedy for a name that nothing reads. `meant` is the name of the setting that was probably meant.
fn did_you_mean(meant: Option<&str>) -> String {
    match meant {
        Some(name) => format!("Did you mean {name}? Otherwise remove it"),
        None => "Remove it, or look up the right name in docs/configuration.md".to_owned(),
    }
}
