//! Reads settings by key, from whichever source wins, and notes every fault.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::types::{Watched, WatchedSecret, read_secret};

use super::csv;
use super::entry::{KeyEntry, KeyRole, ValueKind, WhenAbsent};
use super::fault::ValueFault;
use super::given::{GivenSetting, GivenSettings};
use super::key::{Key, ListKey, SecretFileKey};
use super::leftover;
use super::notes::ReadingNotes;
use super::parse;
use super::problem::{ConfigProblem, ConfigWarning, SettingPlace};
use super::source::{self, Environment};
use super::table::KeyTable;
use super::tree::{YamlNode, YamlValue};

/// Reads settings. It notes what is wrong with one, and continues.
#[derive(Debug)]
pub(super) struct SettingsReader {
    table: KeyTable,
    given: GivenSettings,
    notes: ReadingNotes,
}

impl SettingsReader {
    /// A reader of the settings in a table.
    pub(super) fn new(table: KeyTable) -> Self {
        Self { table, given: GivenSettings::new(table), notes: ReadingNotes::default() }
    }

    /// Reads a file's text. Call it before [`Self::take_environment`], which wins.
    pub(super) fn take_file(&mut self, path: &Path, text: &str) {
        self.given.take_file(path, text, &mut self.notes);
    }

    /// Notes that a file cannot be read.
    pub(super) fn unread_file(&mut self, path: PathBuf, fault: ValueFault) {
        self.notes.unread_file(SettingPlace::File(path, 0), fault);
    }

    /// Reads the variables of the environment.
    pub(super) fn take_environment(&mut self, environment: &Environment) {
        self.given.take_environment(environment, &mut self.notes);
    }

    /// Every setting, in the order of the file.
    pub(super) fn table(&self) -> KeyTable {
        self.table
    }

    /// A setting as given. `null` and empty text count as not given.
    pub(super) fn given(&self, key: &KeyEntry) -> Option<&GivenSetting> {
        self.given.get(key)
    }

    /// A setting of one value, or its default. `None` when it is wrong, or when it has no default and is not given.
    pub(super) fn get<T: Clone>(&mut self, key: &'static Key<T>) -> Option<T> {
        self.get_and(key, Ok)
    }

    /// The same, with another conversion of the value.
    pub(super) fn get_and<T: Clone, U>(
        &mut self,
        key: &'static Key<T>,
        then: impl Fn(T) -> Result<U, ValueFault>,
    ) -> Option<U> {
        let entry = key.entry();
        let parse = |text: &str| key.parse(text).and_then(&then);
        match entry.absent {
            _ if self.given(entry).is_some() => self.one(entry, parse),
            WhenAbsent::Default(text) => self.parsed(entry, SettingPlace::Nowhere, parse(text)),
            WhenAbsent::Nothing => None,
            WhenAbsent::Required => {
                self.note_missing(entry);
                None
            }
        }
    }

    /// The single value given for a setting.
    pub(super) fn one<T>(
        &mut self,
        key: &KeyEntry,
        parse: impl Fn(&str) -> Result<T, ValueFault>,
    ) -> Option<T> {
        let GivenSetting { node, place } = self.given(key)?.clone();
        let YamlValue::Text(text) = &node.value else {
            self.notes.problem(key.path, place, "is not a single value", "Write one value on the key's line");
            return None;
        };
        self.parsed(key, place, parse(text))
    }

    /// A setting that is a list, or its default. `None` when it is wrong.
    pub(super) fn list<T>(&mut self, key: &'static ListKey<T>) -> Option<Vec<T>> {
        self.many(key.entry(), |text| key.parse(text))
    }

    /// The list given for a setting, or its default.
    pub(super) fn many<T>(
        &mut self,
        key: &KeyEntry,
        parse: impl Fn(&str) -> Result<T, ValueFault>,
    ) -> Option<Vec<T>> {
        let parse_all = |text: &str| csv::read(text)?.iter().map(|item| parse(item)).collect();
        let Some(GivenSetting { node, place }) = self.given(key).cloned() else {
            let items = parse_all(key.default().unwrap_or_default());
            return self.parsed(key, SettingPlace::Nowhere, items);
        };
        match node.value {
            YamlValue::Text(text) => self.parsed(key, place, parse_all(&text)),
            YamlValue::List(nodes) => {
                // Every entry is read, so that every fault is reported.
                let items: Vec<Option<T>> = (1..)
                    .zip(&nodes)
                    .map(|(number, node)| {
                        let parse = |text: &str| parse(text).map_err(|fault| fault.of_entry(number));
                        self.item(key, place.at_line(node.line), node, parse)
                    })
                    .collect();
                items.into_iter().collect()
            }
            YamlValue::Null | YamlValue::Map(_) => {
                let remedy = "Write `[a, b]`, or one entry a line after `- `";
                self.notes.problem(key.path, place, "is not a list", remedy);
                None
            }
        }
    }

    fn item<T>(
        &mut self,
        key: &KeyEntry,
        place: SettingPlace,
        node: &YamlNode,
        parse: impl Fn(&str) -> Result<T, ValueFault>,
    ) -> Option<T> {
        match &node.value {
            YamlValue::Text(text) if !text.is_empty() => self.parsed(key, place, parse(text)),
            _ => {
                let remedy = "Write one value for each entry";
                self.notes.problem(key.path, place, "has an entry that is not text", remedy);
                None
            }
        }
    }

    /// A secret given as text or as a file. `None` when it is missing or wrong.
    pub(super) fn secret(&mut self, key: &'static SecretFileKey) -> Option<Arc<WatchedSecret>> {
        let (secret, file) = (key.secret(), key.file());
        match (self.given(secret.entry()).is_some(), self.given(file.entry()).is_some()) {
            (true, true) => {
                let what = format!("is set, and so is {}", file.entry().path);
                self.wrong(secret.entry(), what, "Keep one of them");
                None
            }
            (false, true) => {
                let path = self.get(file)?;
                let read = {
                    let path = path.clone();
                    move || read_secret(&path)
                };
                match Watched::load(file.entry().path, vec![path], read) {
                    Ok(secret) => Some(secret),
                    Err(error) => {
                        let fault = source::secret_fault(error);
                        self.wrong(file.entry(), fault.what, fault.remedy);
                        None
                    }
                }
            }
            (_, false) => self.get(secret).map(Watched::fixed),
        }
    }

    fn parsed<T>(&mut self, key: &KeyEntry, place: SettingPlace, result: Result<T, ValueFault>) -> Option<T> {
        result
            .map_err(|fault| {
                // Leftover quotes or `${...}` explain why the value is not valid.
                let fault = self.leftover(key).unwrap_or(fault);
                self.notes.fault(key, place, fault);
            })
            .ok()
    }

    /// What the tool that wrote a setting left in it.
    fn leftover(&self, key: &KeyEntry) -> Option<ValueFault> {
        let found = self.given(key)?;
        let by_variable = matches!(found.place, SettingPlace::Variable(_));
        let texts = found.node.texts();
        // The quotation marks of CSV are not part of the values.
        let is_list = matches!(key.kind, ValueKind::List | ValueKind::Networks);
        let items = || texts.iter().map(|text| csv::read(text)).collect::<Result<Vec<_>, _>>().ok();
        match is_list.then(items).flatten() {
            Some(items) => items.iter().flatten().find_map(|text| leftover::of(text, by_variable)),
            None => texts.iter().find_map(|text| leftover::of(text, by_variable)),
        }
    }

    /// Warns about valid but probably unintended values: with quotes around them, or with `${...}` in them.
    pub(super) fn warn_of_leftovers(&mut self) {
        for key in self.table.all() {
            let Some(ValueFault { what, remedy }) = self.leftover(key) else { continue };
            let remedy = match self.given(key).map(|found| &found.place) {
                Some(place @ SettingPlace::Variable(_)) => format!("{remedy} ({place})"),
                _ => remedy,
            };
            self.warn(key, what, remedy);
        }
    }

    /// Notes settings that cannot work behind the gateway.
    pub(super) fn refuse_what_has_no_place(&mut self) {
        for key in self.table.all() {
            let (KeyRole::Refused(why) | KeyRole::Ignored(why)) = key.role else { continue };
            let Some(found) = self.given(key) else { continue };
            let off = match &found.node.value {
                YamlValue::Text(text) => {
                    key.default() == Some(text)
                        || key.kind == ValueKind::Bool && parse::boolean(text) == Ok(false)
                }
                YamlValue::List(items) => items.is_empty(),
                YamlValue::Null | YamlValue::Map(_) => false,
            };
            match key.role {
                _ if off => {}
                KeyRole::Ignored(_) => self.warn(key, "has no effect", why),
                _ => self.wrong(key, "cannot be used", why),
            }
        }
    }

    fn note_missing(&mut self, key: &'static KeyEntry) {
        let may_be_in_a_file = self.table.forms(key).count() > 1;
        self.notes.missing(key, may_be_in_a_file);
    }

    /// Notes that a setting is wrong, at its place.
    pub(super) fn wrong(&mut self, key: &KeyEntry, what: impl Into<String>, remedy: impl Into<String>) {
        let place = self.given(key).map_or(SettingPlace::Nowhere, |found| found.place.clone());
        self.notes.problem(key.path, place, what, remedy);
    }

    /// Notes that a part of a setting is wrong, at the place of that part.
    pub(super) fn wrong_at(&mut self, key: &KeyEntry, place: SettingPlace, fault: ValueFault) {
        self.notes.fault(key, place, fault);
    }

    /// Notes that a setting is probably not intended.
    pub(super) fn warn(&mut self, key: &KeyEntry, what: impl Into<String>, remedy: impl Into<String>) {
        self.notes.warning(key.path, what, remedy);
    }

    /// All notes. Problems are in the order of the file, then of the variables, then the rest.
    pub(super) fn into_notes(self) -> (Vec<ConfigProblem>, Vec<ConfigWarning>) {
        self.notes.into_parts()
    }
}
