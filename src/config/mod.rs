//! Settings: one YAML file and the environment, read once and checked whole.
//!
//! Every key stands in one table ([`keys`]) with its names, default and meaning. A variable wins over the
//! file. Whatever is wrong is reported at once ([`Errors`]), each with key, place and remedy, never with a
//! value, which might be a secret. The section `oidc` is Coder's own.
//!
//! Tier 1. Imported only by `app` and `cli`: other modules have settings of their own.

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod keys;
mod leftover;
mod names;
mod parse;
mod problem;
mod reader;
mod sections;
mod settings;
mod source;
mod tree;

use std::path::{Path, PathBuf};

pub use problem::{Errors, Place, Problem, Warning};
pub use sections::{ALGORITHMS, ROUTE_CLASSES, csv};
pub use settings::*;
pub use source::{DEFAULT_FILES, Environment, FILE_VARIABLE};

use reader::Reader;

/// What [`Config::from_text`] calls its text in errors.
const TEXT_NAME: &str = "vestibule.yaml";

impl Config {
    /// Reads the file and the environment. The file is the named one, else the one of [`FILE_VARIABLE`],
    /// else the first of [`DEFAULT_FILES`] that is there, else none.
    pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, Errors> {
        let mut reader = Reader::default();
        let Some(path) = Self::file(named, environment) else {
            return Self::finish(reader, environment).map_err(Errors::without_a_file);
        };
        match source::read_file(&path) {
            Ok(text) => reader.file(&path, &text),
            Err((what, remedy)) => reader.unread(Place::File(path, 0), &what, remedy),
        }
        Self::finish(reader, environment)
    }

    /// From the text of a file alone.
    pub fn from_text(yaml: &str) -> Result<Self, Errors> {
        let mut reader = Reader::default();
        reader.file(Path::new(TEXT_NAME), yaml);
        Self::finish(reader, &Environment::default())
    }

    /// The file that [`Self::load`] reads, if any.
    pub fn file(named: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
        source::file(named, environment)
    }

    fn finish(mut reader: Reader, environment: &Environment) -> Result<Self, Errors> {
        reader.environment(environment);
        let config = sections::config(&mut reader);
        let (problems, warnings) = reader.into_notes();
        match config {
            Some(config) if problems.is_empty() => Ok(Self { warnings, ..config }),
            _ => Err(Errors::new(problems)),
        }
    }
}

#[cfg(test)]
mod tests;
