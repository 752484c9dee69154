//! What `coder-env` prints.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::types::Secret;

/// The format of what `coder-env` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum EnvFormat {
    /// NAME='value' lines: for a shell, or for /etc/coder.d/coder.env
    Shell,
    /// A YAML map of names and values: for `environment:` in Docker Compose
    Yaml,
    /// Values for Coder's Helm chart
    Helm,
}

/// One environment variable for Coder.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) value: EnvValue,
    /// Why Coder needs it, in one line.
    pub(super) why: &'static str,
}

/// The value of a variable.
pub(super) enum EnvValue {
    /// Printed unchanged.
    Text(String),
    /// Printed only where the operator asks for it.
    Secret(Secret),
    /// The gateway reads the secret from this file.
    SecretIn(PathBuf),
    /// The gateway's address, which only the operator knows.
    UnknownGateway,
}
