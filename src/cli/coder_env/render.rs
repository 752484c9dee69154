//! Writes the variables in each format, quoted so that Coder reads each value unchanged.

use std::io::{self, Write};
use std::path::Path;

use super::variable::{EnvValue, Variable};
use crate::types::printable;

/// The Kubernetes secret in the Helm values, used when the gateway reads the client secret from a file.
const KUBERNETES_SECRET: (&str, &str) = ("vestibule", "coder-client-secret");

/// The placeholder for an unknown gateway address. Coder refuses to start with it.
pub(super) const GATEWAY_PLACEHOLDER: &str = "<the gateway's address as Coder sees it, such as 10.0.0.5/32>";

/// `NAME='value'` lines, for `set -a; . FILE` and for systemd's `EnvironmentFile=`.
pub(super) fn shell(variables: &[Variable], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# For a shell (set -a; . FILE), or for /etc/coder.d/coder.env.")?;
    for variable in variables {
        comment(variable, "", out)?;
        writeln!(out, "{}={}", variable.name, shell_quoted(&text(&variable.value)))?;
    }
    Ok(())
}

/// A map of names and values.
pub(super) fn yaml(variables: &[Variable], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# For `environment:` of a container.")?;
    if variables.iter().any(|variable| text(&variable.value).contains('$')) {
        writeln!(
            out,
            "# Docker Compose replaces a variable after a dollar sign: write each dollar sign twice."
        )?;
    }
    for variable in variables {
        comment(variable, "", out)?;
        writeln!(out, "{}: {}", variable.name, yaml_quoted(&text(&variable.value)))?;
    }
    Ok(())
}

/// Values for Coder's Helm chart.
pub(super) fn helm(variables: &[Variable], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Values for Coder's Helm chart.\ncoder:\n  env:")?;
    for variable in variables {
        comment(variable, "    ", out)?;
        writeln!(out, "    - name: {}", variable.name)?;
        if let EnvValue::SecretIn(_) = variable.value {
            let (name, key) = KUBERNETES_SECRET;
            writeln!(
                out,
                "      valueFrom:\n        secretKeyRef:\n          name: {name}\n          key: {key}"
            )?;
        } else {
            writeln!(out, "      value: {}", yaml_quoted(&text(&variable.value)))?;
        }
    }
    Ok(())
}

fn comment(variable: &Variable, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{indent}# {}", variable.why)?;
    match &variable.value {
        EnvValue::SecretIn(file) => {
            writeln!(out, "{indent}# The gateway reads it from {}: use the same secret here.", shown(file))
        }
        EnvValue::UnknownGateway => {
            writeln!(out, "{indent}# Unknown: enter the address, or run this command with --gateway CIDR.")
        }
        EnvValue::Text(_) | EnvValue::Secret(_) => Ok(()),
    }
}

/// The longest path printed, in characters (`PATH_MAX` of Linux).
const MAX_PATH: usize = 4096;

/// A path on one line of a comment.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), MAX_PATH)
}

fn text(value: &EnvValue) -> String {
    match value {
        EnvValue::Text(text) => text.clone(),
        EnvValue::Secret(secret) => secret.expose().to_owned(),
        EnvValue::SecretIn(_) => "<the content of that file>".to_owned(),
        EnvValue::UnknownGateway => GATEWAY_PLACEHOLDER.to_owned(),
    }
}

/// Quotes with single quotes, in which a POSIX shell and systemd change nothing but the quote itself.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes with double quotes and JSON's escapes, which YAML 1.2 §5.7 shares.
fn yaml_quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
