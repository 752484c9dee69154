//! Properties of configuration files that hold for any bytes.

#![expect(clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]

use super::{Config, ConfigProblem, SettingPlace};

/// The secret's placeholder in the corpus.
const SECRET: &str = "canary";

/// A file is read or refused. Every problem states its place, and no output contains a secret.
///
/// # Panics
/// When the property does not hold.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.contains("/dev/") || text.contains("/proc/") {
        // A setting may name a file with a secret, and reading that may block.
        return;
    }
    let known = text.matches(SECRET).count();
    match Config::from_text(text) {
        Ok(config) => {
            let own = config.coder.issuer.client_secrets().map(|secret| secret.current());
            let secrets = own.chain(config.oidc.credential.secret());
            let secret: usize = secrets.map(|secret| secret.expose().matches(SECRET).count()).sum();
            let printed = format!("{config:?}\n{config:#?}");
            assert!(secret != known || !printed.contains(SECRET), "{printed}");
        }
        Err(errors) => {
            // In YAML a lone CR ends a line too.
            let breaks = text.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
            let lines = u64::try_from(breaks).unwrap() + 1;
            assert!(
                errors.iter().next().is_some() && errors.iter().all(|problem| is_placed(problem, lines)),
                "{errors}"
            );
            let in_place = text.matches("clientSecret: canary").count();
            assert!(in_place != known || !format!("{errors}\n{errors:?}").contains(SECRET), "{errors}");
        }
    }
}

/// Whether a problem names a line of the file, or a key that is missing.
fn is_placed(problem: &ConfigProblem, lines: u64) -> bool {
    match &problem.place {
        SettingPlace::File(_, line) => *line <= lines,
        SettingPlace::Variable(_) => false,
        SettingPlace::Nowhere => !problem.key.is_empty(),
    }
}
