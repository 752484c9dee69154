//! The section `oidc`.

use std::time::Duration;

use url::Url;

use crate::types::{InvalidIssuer, Issuer};

use super::super::keys::{self, Kind, Role};
use super::super::parse::{self, Fault};
use super::super::reader::Reader;
use super::super::settings::{ClientAuthentication, Coder, CoderOnly, Oidc};
use super::super::tree::Value;

/// The names that `oidc.algorithms` may have (RFC 7518 §3.1, RFC 8037 §3.1): no `none`, no `HS*`.
pub const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// The words of `oidc.clientAuthentication`.
const CLIENT_AUTHENTICATION: [(&str, ClientAuthentication); 3] = [
    ("auto", ClientAuthentication::Auto),
    ("basic", ClientAuthentication::Basic),
    ("post", ClientAuthentication::Post),
];

/// Parameters of an authorization request that the gateway sets itself, or that have no place in one.
const PROTOCOL_PARAMETERS: [&str; 14] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

pub(super) fn oidc(r: &mut Reader, coder: Option<&Coder>) -> Option<Oidc> {
    let danger_allow_http = r.value("oidc.dangerAllowHTTP", parse::boolean);
    let issuer = r.required("oidc.issuerURL", |text| issuer(text, danger_allow_http == Some(true)));
    let client_id = r.required("oidc.clientID", parse::line);
    let client_secret = r.secret("oidc.clientSecret");
    let client_authentication = r.word("oidc.clientAuthentication", &CLIENT_AUTHENTICATION);
    let scopes = scopes(r);
    let auth_url_params = auth_url_params(r);
    let email_domains = r.list("oidc.emailDomain", parse::email_domain);
    let email_field = r.value("oidc.emailField", parse::line);
    let username_field = r.value("oidc.usernameField", parse::line);
    let ignore_email_verified = r.value("oidc.ignoreEmailVerified", parse::boolean);
    let ignore_user_info = r.value("oidc.ignoreUserInfo", parse::boolean);
    let (group_field, groups_allowed) = groups(r, scopes.as_deref());
    let sign_in_text = r.value("oidc.signInText", parse::text);
    let icon_url = r.optional("oidc.iconURL", |text| icon(text, coder)).flatten();
    let prompt = r.optional("oidc.prompt", parse::prompt);
    let max_age = r.optional("oidc.maxAge", whole_seconds);
    let algorithms = algorithms(r);
    let coder_only = coder_only(r);
    if let (Some((ours, _)), Some(coder)) = (&client_secret, coder)
        && *ours == coder.issuer.client_secret
    {
        r.warning(
            "coder.issuer.clientSecret",
            "is the provider's secret, so that Coder gets it too",
            "Make another one up: openssl rand -hex 32",
        );
    }
    if danger_allow_http == Some(true) {
        r.warning(
            "oidc.dangerAllowHTTP",
            "lets whoever is on the network between sign in as anybody",
            "Reach the provider by https",
        );
    }
    Some(Oidc {
        issuer: issuer?,
        client_id: client_id?,
        client_secret: client_secret?.0,
        client_authentication: client_authentication?,
        scopes: scopes?,
        auth_url_params: auth_url_params?,
        email_domains: email_domains?,
        email_field: email_field?,
        username_field: username_field?,
        ignore_email_verified: ignore_email_verified?,
        ignore_user_info: ignore_user_info?,
        group_field,
        groups_allowed: groups_allowed?,
        sign_in_text: sign_in_text?,
        icon_url,
        prompt,
        max_age,
        algorithms: algorithms?,
        danger_allow_http: danger_allow_http?,
        coder_only: coder_only?,
    })
}

fn issuer(text: &str, danger_allow_http: bool) -> Result<Issuer, Fault> {
    Issuer::parse(text, danger_allow_http).map_err(|error| {
        let remedy = match error {
            InvalidIssuer::NotHttps => {
                "Write https, or accept with oidc.dangerAllowHTTP that tokens can be read and changed on the way"
            }
            InvalidIssuer::NotAUrl | InvalidIssuer::NotPlain | InvalidIssuer::TooLong => {
                "Copy the issuer from the provider: `https://authentik.example.com/application/o/<slug>/`"
            }
        };
        (error.to_string(), remedy.to_owned())
    })
}

fn scopes(r: &mut Reader) -> Option<Vec<String>> {
    let scopes = r.list("oidc.scopes", |text| {
        // RFC 6749 §3.3: a scope is visible ASCII without quotation mark and backslash.
        if text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            return Ok(text.to_owned());
        }
        let remedy = "Write single words, as a list or with commas between";
        Err(("has an entry that is no scope".to_owned(), remedy.to_owned()))
    })?;
    if !scopes.iter().any(|scope| scope == "openid") {
        r.wrong("oidc.scopes", "lacks openid, without which there is no ID token", "Add `openid`");
    }
    if !scopes.iter().any(|scope| scope == "offline_access") {
        r.warning(
            "oidc.scopes",
            "lacks offline_access, so that a session ends with its first access token",
            "Add `offline_access`, here and among the scopes of the provider in authentik",
        );
    }
    Some(scopes)
}

fn auth_url_params(r: &mut Reader) -> Option<Vec<(String, String)>> {
    let path = "oidc.authURLParams";
    let Some(found) = r.given(path).cloned() else {
        return Some(vec![("access_type".to_owned(), "offline".to_owned())]);
    };
    let Value::Map(entries) = found.node.value else {
        r.wrong(path, "is not a map", "Write `{name: value}`, in a variable as JSON");
        return None;
    };
    let mut params = Vec::new();
    for entry in entries {
        match entry.node.value {
            _ if PROTOCOL_PARAMETERS.contains(&entry.key.as_str()) => {
                let what = "has a parameter that the gateway sets itself";
                r.wrong(path, what, &format!("Take `{}` out", entry.key));
            }
            Value::Text(value) => params.push((entry.key, value)),
            _ => r.wrong(path, "has a parameter that is not text", "Write one value for each name"),
        }
    }
    Some(params)
}

/// The group claim and the allowed groups. As in Coder, a scope `groups` makes that the claim.
fn groups(r: &mut Reader, scopes: Option<&[String]>) -> (Option<String>, Option<Vec<String>>) {
    let field = r.optional("oidc.groupField", parse::line);
    let given = r.given("oidc.groupField").is_some();
    let by_scope = scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope == "groups"));
    let allowed = r.list("oidc.groupAllowed", parse::line);
    if !given && !by_scope && allowed.as_ref().is_some_and(|allowed| !allowed.is_empty()) {
        r.wrong(
            "oidc.groupAllowed",
            "is given, but no claim to find groups in",
            "Set oidc.groupField, with authentik to `groups`",
        );
    }
    (field.or_else(|| (by_scope && !given).then(|| "groups".to_owned())), allowed)
}

/// An absolute URL, or a path at Coder such as `/icon/x.svg`. Without a usable section `coder` there is no
/// configuration anyway; a path is then as good as any.
fn icon(text: &str, coder: Option<&Coder>) -> Result<Option<Url>, Fault> {
    if !text.starts_with('/') || text.starts_with("//") {
        return parse::url(text).map(Some);
    }
    let Some(coder) = coder else { return Ok(None) };
    coder.access_url.join(text).map(Some).map_err(|_| {
        let remedy = "Write `https://...`, or a path such as `/icon/x.svg`";
        ("is not a URL".to_owned(), remedy.to_owned())
    })
}

fn whole_seconds(text: &str) -> Result<Duration, Fault> {
    match parse::duration(text)? {
        duration if duration.subsec_nanos() == 0 && !duration.is_zero() => Ok(duration),
        _ => {
            let remedy = "Write whole seconds from `1s` up; `oidc.prompt: login` asks every time";
            Err(("is not a number of whole seconds".to_owned(), remedy.to_owned()))
        }
    }
}

fn algorithms(r: &mut Reader) -> Option<Vec<&'static str>> {
    let names = r.list("oidc.algorithms", |text| {
        ALGORITHMS.iter().find(|name| **name == text).copied().ok_or_else(|| {
            let remedy = format!("Choose from {}", ALGORITHMS.join(", "));
            ("has an entry that is no algorithm that can be taken".to_owned(), remedy)
        })
    })?;
    if names.is_empty() {
        r.wrong("oidc.algorithms", "is empty, so that no signature would be taken", "Take the line out");
    }
    Some(names)
}

/// What is Coder's business alone and differs from Coder's default, in the syntax of Coder's variables.
fn coder_only(r: &mut Reader) -> Option<Vec<CoderOnly>> {
    let mut settings = Some(Vec::new());
    for key in keys::all().filter(|key| key.role == Role::Coder) {
        if r.given(key.path).is_none() {
            continue;
        }
        let value = match key.kind {
            Kind::Bool => r.optional(key.path, parse::boolean).map(|value| value.to_string()),
            Kind::List => r.list(key.path, parse::line).map(|items| csv(&items)),
            Kind::Map => map(r, key.path),
            _ => r.optional(key.path, parse::text),
        };
        match (value, &mut settings) {
            (Some(value), Some(settings)) if Some(value.as_str()) != key.default() => {
                settings.push(CoderOnly { key, value });
            }
            (Some(_), _) => {}
            (None, _) => settings = None,
        }
    }
    settings
}

fn map(r: &mut Reader, path: &str) -> Option<String> {
    let node = r.given(path)?.node.clone();
    if matches!(node.value, Value::Map(_)) {
        return Some(node.to_json().to_string());
    }
    r.wrong(path, "is not a map", "Write `{name: value}`, in a variable as JSON");
    None
}

/// One line of CSV, as Coder's variables with lists have it.
pub fn csv(items: &[String]) -> String {
    let quoted = |item: &str| item.contains(['"', ',', '\n', '\r']) || item.trim() != item;
    let field = |item: &String| {
        if quoted(item) { format!("\"{}\"", item.replace('"', "\"\"")) } else { item.clone() }
    };
    items.iter().map(field).collect::<Vec<_>>().join(",")
}
