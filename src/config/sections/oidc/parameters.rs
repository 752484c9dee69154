//! Parameters of the authorization request: `oidc.authURLParams`, `oidc.prompt` and `oidc.maxAge`.

use std::time::Duration;

use crate::config::entry::{KeyEntry, ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::given::GivenSetting;
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::config::tree::YamlValue;
use crate::oidc::RESERVED_PARAMETERS;

keys! { PARAMETER_KEYS;
    AUTH_URL_PARAMS: KeyEntry = KeyEntry::new(
        "oidc.authURLParams", "CODER_OIDC_AUTH_URL_PARAMS", ValueKind::Map, WhenAbsent::Default("{\"access_type\": \"offline\"}"),
        "Additional parameters of the authorization request. `prompt` and `max_age` among them count as `oidc.prompt` and `oidc.maxAge`.",
    );
}

keys! { REAUTHENTICATION_KEYS;
    PROMPT: Key<String> = Key::new(
        "oidc.prompt", "VESTIBULE_OIDC_PROMPT", ValueKind::Text, WhenAbsent::Nothing, prompt,
        "The `prompt` parameter at the provider: `login`, `consent`, `select_account`, or several of them separated by spaces. With `login`, users enter their credentials at the provider at every sign-in: the gateway adds a `max_age` of 3 seconds and refuses an earlier sign-in (`auth_time`).",
    );
    MAX_AGE: Key<Duration> = Key::new(
        "oidc.maxAge", "VESTIBULE_OIDC_MAX_AGE", ValueKind::Duration, WhenAbsent::Nothing, whole_seconds,
        "The longest time since the user last entered credentials at the provider (`max_age`). After that the provider asks for them again.",
    );
}

/// `oidc.authURLParams`, without those that have a key of their own.
pub(super) struct AuthorizationParameters {
    /// The parameters that are sent unchanged, in the order written.
    pub(super) rest: Vec<(String, String)>,
    prompt: Option<String>,
    max_age: Option<Duration>,
}

/// When users enter their credentials again.
pub(super) struct Reauthentication {
    /// The parameter `prompt` (OpenID Connect Core 1.0 §3.1.2.1). Default: none.
    pub(super) prompt: Option<String>,
    /// The parameter `max_age`, in whole seconds. Default: none.
    pub(super) max_age: Option<Duration>,
}

/// Reads the parameters. `None` when they are not a map.
pub(super) fn read(r: &mut SettingsReader) -> Option<AuthorizationParameters> {
    let mut parameters = AuthorizationParameters { rest: Vec::new(), prompt: None, max_age: None };
    let Some(GivenSetting { node, place }) = r.given(&AUTH_URL_PARAMS).cloned() else {
        parameters.rest.push(("access_type".to_owned(), "offline".to_owned()));
        return Some(parameters);
    };
    let YamlValue::Map(entries) = node.value else {
        r.wrong(&AUTH_URL_PARAMS, "is not a map", "Write `{name: value}`; in a variable, write JSON");
        return None;
    };
    for entry in entries {
        if let Err(fault) = parameters.take(entry.key, entry.node.value) {
            r.wrong_at(&AUTH_URL_PARAMS, place.at_line(entry.line), fault);
        }
    }
    Some(parameters)
}

impl AuthorizationParameters {
    fn take(&mut self, name: String, value: YamlValue) -> Result<(), ValueFault> {
        if RESERVED_PARAMETERS.contains(&name.as_str()) {
            let what = "has a parameter that the gateway sets itself";
            return Err(ValueFault::new(what, format!("Take `{name}` out")));
        }
        let YamlValue::Text(value) = value else {
            return Err(ValueFault::new("has a parameter that is not text", "Write one value for each name"));
        };
        match name.as_str() {
            "prompt" => self.prompt = Some(prompt(&value)?),
            "max_age" => self.max_age = Some(seconds(&value)?),
            _ => self.rest.push((name, value)),
        }
        Ok(())
    }
}

/// Reads `oidc.prompt` and `oidc.maxAge`, or finds them in `oidc.authURLParams`, where Coder has them.
pub(super) fn read_reauthentication(
    r: &mut SettingsReader,
    parameters: Option<&AuthorizationParameters>,
) -> Reauthentication {
    let prompt = r.get(&PROMPT);
    let max_age = r.get(&MAX_AGE);
    let Some(parameters) = parameters else { return Reauthentication { prompt, max_age } };
    Reauthentication {
        prompt: one_of(r, prompt, parameters.prompt.clone(), "prompt", PROMPT.entry()),
        max_age: one_of(r, max_age, parameters.max_age, "max_age", MAX_AGE.entry()),
    }
}

/// The value of a key, or of the equivalent parameter. Two different values are refused.
fn one_of<T: PartialEq>(
    r: &mut SettingsReader,
    own: Option<T>,
    parameter: Option<T>,
    name: &str,
    key: &KeyEntry,
) -> Option<T> {
    if own.is_some() && parameter.is_some() && own != parameter {
        let what = format!("has `{name}` with a different value than {}", key.path);
        r.wrong(&AUTH_URL_PARAMS, what, "Keep one of them");
    }
    own.or(parameter)
}

/// `login`, `consent`, `select_account`, or several. `none` would refuse everyone who is not already signed in at the
/// provider.
fn prompt(text: &str) -> Result<String, ValueFault> {
    let mut words = text.split(' ');
    if words.all(|word| matches!(word, "login" | "consent" | "select_account")) {
        return Ok(text.to_owned());
    }
    let remedy = "Write `login`, `consent` or `select_account`";
    Err(ValueFault::new("is not a supported value of prompt", remedy))
}

fn whole_seconds(text: &str) -> Result<Duration, ValueFault> {
    match parse::duration(text)? {
        duration if duration.subsec_nanos() == 0 && !duration.is_zero() => Ok(duration),
        _ => Err(ValueFault::new(
            "is not a number of whole seconds",
            "Write whole seconds from `1s` up; `oidc.prompt: login` asks every time",
        )),
    }
}

/// `max_age` in the parameter's syntax: whole seconds without a unit (OpenID Connect Core 1.0 §3.1.2.1).
fn seconds(text: &str) -> Result<Duration, ValueFault> {
    if text.parse::<u32>().is_err() {
        let what = "has a `max_age` that is not a number of seconds";
        return Err(ValueFault::new(what, "Write `3600` for an hour"));
    }
    whole_seconds(&format!("{text}s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_lets_nobody_in_is_refused() {
        assert!(prompt("login").is_ok() && prompt("login consent").is_ok());
        for text in ["none", "login none", "", "create", "login  consent"] {
            assert!(prompt(text).is_err(), "{text}");
        }
    }
}
