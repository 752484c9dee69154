//! Problems of a configuration, and their remedies.

use std::fmt;
use std::path::PathBuf;

use super::source::{DEFAULT_FILES, FILE_VARIABLE};

/// Where something was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingPlace {
    /// A line of the file, counted from 1; 0 when unknown.
    File(PathBuf, u64),
    /// A variable of the environment.
    Variable(String),
    /// Nowhere: it is missing, or several settings contradict each other.
    Nowhere,
}

/// One problem. Never holds a value, which might be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting's path in the file (`oidc.clientID`), or empty.
    pub key: String,
    /// Where it was set.
    pub place: SettingPlace,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// All problems: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigProblem>);

/// A setting that is allowed but probably not intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The setting's path in the file, or the name of an unknown variable.
    pub key: String,
    /// What will happen.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl ConfigErrors {
    pub(super) fn new(problems: Vec<ConfigProblem>) -> Self {
        Self(problems)
    }

    /// Prepends that no configuration file was found.
    pub(super) fn without_a_file(mut self) -> Self {
        let problem = ConfigProblem {
            key: String::new(),
            place: SettingPlace::Nowhere,
            what: format!(
                "No configuration file was found: there is neither {}",
                DEFAULT_FILES.join(" nor ")
            ),
            remedy: format!("Name one with --config or {FILE_VARIABLE}, or set everything with variables"),
        };
        self.0.insert(0, problem);
        self
    }

    /// Each problem, in the order of the file, then of the variables.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigProblem> {
        self.0.iter()
    }
}

impl SettingPlace {
    /// The place of an entry within a setting. A `line` of 0 is unknown.
    pub(super) fn at_line(&self, line: u64) -> Self {
        match self {
            Self::File(path, _) if line > 0 => Self::File(path.clone(), line),
            _ => self.clone(),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SettingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Nowhere => Ok(()),
        }
    }
}

impl fmt::Display for ConfigProblem {
    /// `vestibule.yaml:7: oidc.issuerURL is not an absolute URL. Write ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.key.is_empty()) {
            (SettingPlace::Nowhere, true) => {}
            (SettingPlace::Nowhere, false) => write!(f, "{} ", self.key)?,
            // The file or the variable itself is the subject of the sentence.
            (SettingPlace::File(_, 0) | SettingPlace::Variable(_), true) => write!(f, "{} ", self.place)?,
            (SettingPlace::File(..), true) => write!(f, "{}: the file ", self.place)?,
            (place, false) => write!(f, "{place}: {} ", self.key)?,
        }
        write!(f, "{}. {}.", self.what, self.remedy)
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}. {}.", self.key, self.what, self.remedy)
    }
}
