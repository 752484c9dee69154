//! All settings, in the order of the file.

use super::entry::KeyEntry;

/// The settings of all sections. The reader finds settings in this table, and the documentation is generated from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyTable(&'static [&'static [&'static KeyEntry]]);

impl KeyTable {
    /// From the settings of each section.
    pub(super) const fn new(sections: &'static [&'static [&'static KeyEntry]]) -> Self {
        Self(sections)
    }

    /// Every setting, in the order of the file.
    pub(super) fn all(self) -> impl Iterator<Item = &'static KeyEntry> {
        self.0.iter().copied().flatten().copied()
    }

    /// The setting at a path in the file.
    pub(super) fn find(self, path: &str) -> Option<&'static KeyEntry> {
        self.all().find(|key| key.path == path)
    }

    /// Whether a variable belongs to a setting.
    pub(super) fn has_variable(self, name: &str) -> bool {
        self.all().any(|key| key.variable == name)
    }

    /// Whether a path in the file is that of a section.
    pub(super) fn has_section(self, path: &str) -> bool {
        let is_below = |key: &KeyEntry| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.all().any(is_below)
    }

    /// The ways to give a setting that exclude each other: a secret as text, or as a file.
    pub(super) fn forms(self, key: &'static KeyEntry) -> impl Iterator<Item = &'static KeyEntry> {
        let value = key.file_of.unwrap_or(key);
        self.all().filter(move |other| *other == value || other.file_of == Some(value))
    }
}
