//! Sets up the log.

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people. The default.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// The settings of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The level or filter: `info`, or `info,vestibule::grant=debug`. Default: `info`.
    pub filter: String,
    /// The format. Default: for people.
    pub format: LogFormat,
}

/// The filter cannot be parsed, or a log is already set up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the log cannot be set up: {0}")]
pub struct SettingsError(String);

/// Precedes the operator's own filter: audit events are written however quiet the log is, unless their target is named
/// (`warn,audit=off`).
const ALWAYS: &str = "audit=info";

/// The levels of the log, and `off`. Another single word would count as a target, and silence all others.
pub const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Writes the log to standard error from now on.
///
/// # Errors
/// The filter cannot be parsed, or a log is already set up.
pub fn init(settings: &LogSettings) -> Result<(), SettingsError> {
    let set = subscriber(settings, std::io::stderr)?.try_init();
    set.map_err(|error| SettingsError(error.to_string()))
}

/// Writes this thread's log to standard error during `work`.
///
/// # Errors
/// The filter cannot be parsed.
pub fn log_during<T>(settings: &LogSettings, work: impl FnOnce() -> T) -> Result<T, SettingsError> {
    Ok(tracing::subscriber::with_default(subscriber(settings, std::io::stderr)?, work))
}

/// The subscriber that writes the log. Text from outside is escaped: it can neither end a line nor colour a terminal.
pub(super) fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, SettingsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt().with_env_filter(filter(&settings.filter)?).with_writer(writer).with_ansi(false);
    Ok(match settings.format {
        LogFormat::Text => Box::new(lines.finish()),
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_current_span(false).with_span_list(false).finish())
        }
    })
}

fn filter(text: &str) -> Result<EnvFilter, SettingsError> {
    let one_word = !text.contains(['=', ',', '[']);
    if one_word && !LOG_LEVELS.iter().any(|level| text.trim().eq_ignore_ascii_case(level)) {
        return Err(SettingsError(format!("`{text}` is no level: use one of {}", LOG_LEVELS.join(", "))));
    }
    EnvFilter::try_new(format!("{ALWAYS},{text}")).map_err(|error| SettingsError(error.to_string()))
}
