//! Every fault of a configuration, collected while it is read.

use super::entry::KeyEntry;
use super::fault::ValueFault;
use super::problem::{ConfigProblem, ConfigWarning, SettingPlace};

/// Problems and warnings.
#[derive(Debug, Default)]
pub(super) struct ReadingNotes {
    problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigWarning>,
    /// The file could not be parsed, so a setting that seems to be missing may be in it.
    file_unread: bool,
}

impl ReadingNotes {
    /// Notes that something is wrong. `key` is the setting's path in the file, or empty.
    pub(super) fn problem(
        &mut self,
        key: &str,
        place: SettingPlace,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (what, remedy) = (what.into(), remedy.into());
        self.problems.push(ConfigProblem { key: key.to_owned(), place, what, remedy });
    }

    /// Notes that the value of a setting is wrong.
    pub(super) fn fault(&mut self, key: &KeyEntry, place: SettingPlace, fault: ValueFault) {
        self.problem(key.path, place, fault.what, fault.remedy);
    }

    /// Notes that the file could not be read at all. From then on nothing is reported as missing.
    pub(super) fn unread_file(&mut self, place: SettingPlace, fault: ValueFault) {
        self.file_unread = true;
        self.problem("", place, fault.what, fault.remedy);
    }

    /// Notes that a required setting is missing.
    pub(super) fn missing(&mut self, key: &KeyEntry, may_be_in_a_file: bool) {
        if self.file_unread {
            return;
        }
        let file = if may_be_in_a_file { " (or name a file with it)" } else { "" };
        let remedy = format!("Set {} in the file{file}, or {}", key.path, key.variable);
        self.problem(key.path, SettingPlace::Nowhere, "is missing", remedy);
    }

    /// Notes that something is probably not intended. `key` is the setting's path, or the name of a variable.
    pub(super) fn warning(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.warnings.push(ConfigWarning { key: key.to_owned(), what, remedy });
    }

    /// All of it. Problems are in the order of the file, then of the variables, then the rest.
    pub(super) fn into_parts(self) -> (Vec<ConfigProblem>, Vec<ConfigWarning>) {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| match &problem.place {
            SettingPlace::File(_, line) => (0, *line),
            SettingPlace::Variable(_) => (1, 0),
            SettingPlace::Nowhere => (2, 0),
        });
        (problems, self.warnings)
    }
}
