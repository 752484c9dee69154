//! Settings: one YAML file and the environment, read once and checked as a whole.
//!
//! A setting is one item (`key::Key`) next to the code that reads it, in the file of its section. From these items
//! come the reader, the error messages, `docs/configuration.md` and `config/vestibule.yaml`. A variable wins over the
//! file. Every fault is reported at once ([`ConfigErrors`]), with key, place and remedy, never with a
//! value, which might be a secret. The section `oidc` is Coder's own.
//!
//! | part | file |
//! | --- | --- |
//! | the sources of settings | `source.rs`, `tree.rs`, `csv.rs` |
//! | a setting; all of them | `entry.rs`, `key.rs`, `words.rs`; `table.rs` |
//! | given settings, and names that nothing reads | `given.rs`, `names.rs` |
//! | values from text, and leftovers of tools | `parse.rs`, `leftover.rs` |
//! | settings by key | `reader.rs` |
//! | each section: its settings, their values, its rules | `sections/` |
//! | faults and warnings | `fault.rs`, `notes.rs`, `problem.rs` |
//!
//! Tier 7: a setting is read into the type of the module that uses it. Imported only by `app` and `cli`.

mod csv;
mod entry;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod given;
mod key;
mod leftover;
mod names;
mod notes;
mod parse;
mod problem;
mod reader;
mod sections;
mod source;
mod table;
mod tree;
mod words;

use std::path::Path;

pub use problem::{ConfigErrors, ConfigProblem, ConfigWarning, SettingPlace};
pub use sections::admin::AdminConfig;
pub use sections::coder::{CoderConfig, IssuerListenerConfig};
pub use sections::listen::{PublicListenerConfig, TlsFiles};
pub use sections::oidc::{CoderSetting, CoderSettings, SignInButtonConfig};
pub use sections::outbound_tls::OutboundTlsConfig;
pub use sections::relay::RelayConfig;
pub use sections::sign_in_out::SignOutConfig;
pub use sections::store::EmbeddedStoreConfig;
pub use source::{DEFAULT_FILES, Environment, FILE_VARIABLE};

use crate::gateway::SignInMode;
use crate::grant::GrantSettings;
use crate::oidc::ProviderSettings;
use crate::policy::Rules;
use crate::telemetry::LogSettings;
use reader::SettingsReader;
use sections::{
    TABLE, admin, coder, listen, log, oidc, policy, relay, session, sign_in_out, store, together,
};

/// The name of [`Config::from_text`]'s text in errors.
const TEXT_NAME: &str = "vestibule.yaml";

/// The complete, valid configuration. A setting that is required or has a default is never an `Option`.
///
/// Made only by [`Config::load`] and [`Config::from_text`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The public listener.
    pub listen: PublicListenerConfig,
    /// The operator's listeners.
    pub admin: AdminConfig,
    /// The Coder deployment behind the gateway.
    pub coder: CoderConfig,
    /// The provider, and who may sign in.
    pub oidc: ProviderSettings,
    /// TLS towards the provider.
    pub oidc_tls: OutboundTlsConfig,
    /// The sign-in button.
    pub button: SignInButtonConfig,
    /// What `vestibule coder-env` passes on of the section `oidc`.
    pub for_coder: CoderSettings,
    /// How long a sign-in lasts.
    pub grants: GrantSettings,
    /// Where a browser without a session is sent.
    pub sign_in: SignInMode,
    /// What a sign-out ends.
    pub sign_out: SignOutConfig,
    /// The policy.
    pub rules: Rules,
    /// Coder's relay.
    pub relay: RelayConfig,
    /// Where grants are kept.
    pub store: EmbeddedStoreConfig,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Warnings about settings that are allowed but probably not intended.
    pub warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Reads the file and the environment. The file is `named`, else the one of [`FILE_VARIABLE`], else the first of
    /// [`DEFAULT_FILES`] that exists, else none.
    ///
    /// # Errors
    /// Everything that is missing or wrong.
    pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut reader = SettingsReader::new(TABLE);
        let Some(path) = source::file(named, environment) else {
            return Self::finish(reader, environment).map_err(ConfigErrors::without_a_file);
        };
        match source::read_file(&path) {
            Ok(text) => reader.take_file(&path, &text),
            Err(fault) => reader.unread_file(path, fault),
        }
        Self::finish(reader, environment)
    }

    /// Reads the text of a file, without an environment.
    ///
    /// # Errors
    /// Everything that is missing or wrong.
    pub fn from_text(yaml: &str) -> Result<Self, ConfigErrors> {
        let mut reader = SettingsReader::new(TABLE);
        reader.take_file(Path::new(TEXT_NAME), yaml);
        Self::finish(reader, &Environment::default())
    }

    fn finish(mut reader: SettingsReader, environment: &Environment) -> Result<Self, ConfigErrors> {
        reader.take_environment(environment);
        let config = Self::read(&mut reader);
        let (problems, warnings) = reader.into_notes();
        match config {
            Some(config) if problems.is_empty() => Ok(Self { warnings, ..config }),
            _ => Err(ConfigErrors::new(problems)),
        }
    }

    /// Reads all sections. `None` when a setting is missing or wrong; the reader knows which.
    fn read(r: &mut SettingsReader) -> Option<Self> {
        r.refuse_what_has_no_place();
        r.warn_of_leftovers();
        let listen = listen::read(r);
        let store = store::read(r);
        let admin = admin::read(r, store.as_ref());
        let coder = coder::read(r);
        let oidc = oidc::read(r, coder.as_ref());
        let session = session::read(r);
        let sign_in = sign_in_out::read_sign_in(r);
        let sign_out = sign_in_out::read_sign_out(r);
        let rules = policy::read(r, session.as_ref(), sign_in);
        let relay_policy = policy::read_relay(r);
        let relay = relay::read(r, relay_policy);
        let grace = session::grace(r);
        let log = log::read(r);
        together::check(r, listen.as_ref(), admin.as_ref(), coder.as_ref());
        let (oidc, session) = (oidc?, session?);
        Some(Self {
            listen: listen?,
            admin: admin?,
            coder: coder?,
            oidc: oidc.provider,
            oidc_tls: oidc.tls,
            button: oidc.button,
            for_coder: oidc.for_coder,
            grants: GrantSettings {
                recheck: session.recheck,
                grace: grace?,
                sign_out_with_provider: session.sign_out_with_provider,
                max_age: session.max_age,
                idle: session.idle,
                ..GrantSettings::default()
            },
            sign_in: sign_in?,
            sign_out: sign_out?,
            rules: rules?,
            relay: relay?,
            store: store?,
            log: log?,
            warnings: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
