//! Setting up the log.

use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people. The default.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// How the log is written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The level or filter: `info`, or `info,vestibule::grant=debug`. Default: `info`.
    pub filter: String,
    /// How lines look.
    pub format: Format,
}

/// The filter cannot be read, or a log is set up already.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the log cannot be set up: {0}")]
pub struct SettingsError(String);

/// Writes the log to standard error from now on.
pub fn init(settings: &Settings) -> Result<(), SettingsError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| SettingsError(error.to_string()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match settings.format {
        Format::Text => lines.with_ansi(false).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    set.map_err(|error| SettingsError(error.to_string()))
}
