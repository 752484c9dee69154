//! The section `log`.

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, keys};
use crate::config::reader::SettingsReader;
use crate::config::words::Words;
use crate::telemetry::{LOG_LEVELS, LogFormat, LogSettings};

keys! { KEYS;
    LEVEL: Key<String> = Key::new(
        "log.level", "VESTIBULE_LOG_LEVEL", ValueKind::Text, WhenAbsent::Default("info"), level,
        "`error`, `warn`, `info`, `debug` or `trace`; also by module: `info,vestibule::grant=debug`.",
    );
    FORMAT: Key<LogFormat> = Key::word(
        "log.format", "VESTIBULE_LOG_FORMAT",
        Words::new(&["text", "json"], &[LogFormat::Text, LogFormat::Json]), WhenAbsent::Default("text"),
        "The format of log lines: `text` for people, `json` for machines.",
    );
}

/// Reads the section.
pub(crate) fn read(r: &mut SettingsReader) -> Option<LogSettings> {
    let filter = r.get(&LEVEL);
    let format = r.get(&FORMAT);
    Some(LogSettings { filter: filter?, format: format? })
}

/// `info`, or levels by module with commas between.
fn level(text: &str) -> Result<String, ValueFault> {
    let is_level = |word: &str| LOG_LEVELS.contains(&word);
    let is_module = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
    };
    let fits = |part: &str| match part.split_once('=') {
        None => is_level(part),
        Some((module, word)) => is_module(module) && is_level(word),
    };
    if text.split(',').all(fits) {
        return Ok(text.to_owned());
    }
    Err(ValueFault::new(
        "is not a log level",
        "Write `error`, `warn`, `info`, `debug` or `trace`, or by module `info,vestibule::grant=debug`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_level_may_be_by_module() {
        assert!(level("debug").is_ok() && level("info,vestibule::grant=debug,hyper=off").is_ok());
        for text in ["", "verbose", "info,", "vestibule=", "=info", "[x]=info", "info;debug"] {
            assert!(level(text).is_err(), "{text}");
        }
    }
}
