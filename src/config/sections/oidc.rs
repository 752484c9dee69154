//! The section `oidc`.

use std::time::Duration;

use url::Url;

use crate::types::{EmailDomain, InvalidIssuer, Issuer};

use super::super::parse::{self, Fault};
use super::super::reader::{Reader, at_line};
use super::super::settings::{ClientAuthentication, Coder, Oidc, Pkce};
use super::super::tree::Value;
use super::coder_only::coder_only;
use super::internal;

const PARAMS: &str = "oidc.authURLParams";

/// The names that `oidc.algorithms` may have (RFC 7518 §3.1, RFC 8037 §3.1): no `none`, no `HS*`.
pub const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/// Another name of one of them (RFC 9864 §2.2), and the name that it is kept under.
const ED25519: (&str, &str) = ("Ed25519", "EdDSA");

/// The words of `oidc.clientAuthentication`.
const CLIENT_AUTHENTICATION: [(&str, ClientAuthentication); 3] = [
    ("auto", ClientAuthentication::Auto),
    ("basic", ClientAuthentication::Basic),
    ("post", ClientAuthentication::Post),
];

/// Parameters of an authorization request that the gateway sets itself, or that have no place in one. `prompt` and
/// `max_age` have keys of their own here and none in Coder: see [`Params`].
const PROTOCOL_PARAMETERS: [&str; 12] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
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
    let params = auth_url_params(r);
    let internal_url = internal::url(r, danger_allow_http == Some(true));
    let email_domains = r.list("oidc.emailDomain", parse::email_domain);
    let email_field = r.value("oidc.emailField", parse::line);
    let username_field = r.value("oidc.usernameField", parse::line);
    let ignore_email_verified = r.value("oidc.ignoreEmailVerified", parse::boolean);
    let ignore_user_info = r.value("oidc.ignoreUserInfo", parse::boolean);
    let (group_field, groups_allowed) = groups(r, scopes.as_deref());
    let sign_in_text = r.value("oidc.signInText", parse::text);
    let icon_url = r.optional("oidc.iconURL", |text| icon(text, coder)).flatten();
    let (prompt, max_age) = prompt_and_max_age(r, params.as_ref());
    let algorithms = algorithms(r);
    let pkce = r.word("oidc.pkce", &[("auto", Pkce::Auto), ("require", Pkce::Require)]);
    let danger_access_token_as_id_token = r.value("oidc.dangerAccessTokenAsIDToken", parse::boolean);
    let coder_only = coder_only(r);
    if let (Some((ours, _)), Some(coder)) = (&client_secret, coder)
        && *ours == coder.issuer.client_secret
    {
        r.warning(
            "coder.issuer.clientSecret",
            "is the same as oidc.clientSecret, so Coder learns the provider's client secret",
            "Generate a separate secret: openssl rand -hex 32",
        );
    }
    if danger_allow_http == Some(true) {
        r.warning(
            "oidc.dangerAllowHTTP",
            "lets anyone on the network between the gateway and the provider sign in as any user",
            "Reach the provider over https",
        );
    }
    if danger_access_token_as_id_token == Some(true) {
        r.warning(
            "oidc.dangerAccessTokenAsIDToken",
            "passes the provider's access token to Coder, and puts it into the sign-out URL",
            "Configure the provider to send a separate ID token",
        );
    }
    warn_of_an_open_door(r, email_domains.as_deref(), groups_allowed.as_deref());
    Some(Oidc {
        issuer: issuer?,
        client_id: client_id?,
        client_secret: client_secret?.0,
        client_authentication: client_authentication?,
        scopes: scopes?,
        internal_url,
        auth_url_params: params?.rest,
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
        pkce: pkce?,
        danger_access_token_as_id_token: danger_access_token_as_id_token?,
        danger_allow_http: danger_allow_http?,
        coder_only: coder_only?,
    })
}

/// What the examples of authentik's own guides have in place of an application's slug.
const PLACEHOLDER_SLUGS: [&str; 3] = ["application_slug", "application-slug", "your-slug"];

/// Where a discovery document is, below its issuer (OpenID Connect Discovery 1.0 §4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

fn issuer(text: &str, danger_allow_http: bool) -> Result<Issuer, Fault> {
    let fault = |what: &str, remedy: &str| Err((what.to_owned(), remedy.to_owned()));
    if text.contains(['<', '>']) || text.contains("%3C") {
        return fault(
            "still contains a placeholder in angle brackets",
            "Replace it with the slug of the application. The provider's page in authentik shows the complete value: \
             \"OpenID Configuration Issuer\"",
        );
    }
    if text.trim_end_matches('/').ends_with(DISCOVERY_PATH) {
        return fault(
            "is the address of the discovery document, not the issuer",
            "Remove `.well-known/openid-configuration` from the end; with authentik, keep the slash before it",
        );
    }
    parse::url_characters(text)?;
    let issuer = parsed(text, danger_allow_http)?;
    match issuer.authentik_slug() {
        Some(slug) if PLACEHOLDER_SLUGS.contains(&slug) => fault(
            "still contains a placeholder instead of the application's slug",
            "Replace it with the slug. The provider's page in authentik shows the complete value: \"OpenID Configuration \
             Issuer\"",
        ),
        Some(_) if !text.ends_with('/') => fault(
            "lacks the trailing slash that authentik's issuers have",
            "Write `https://authentik.example.com/application/o/<slug>/`, with the slash at the end",
        ),
        _ => Ok(issuer),
    }
}

fn parsed(text: &str, danger_allow_http: bool) -> Result<Issuer, Fault> {
    Issuer::parse(text, danger_allow_http).map_err(|error| {
        let remedy = match error {
            InvalidIssuer::NotHttps => {
                "Write https. Only if tokens may be read and changed on the network, set oidc.dangerAllowHTTP: true"
            }
            InvalidIssuer::NotAUrl | InvalidIssuer::NotPlain | InvalidIssuer::TooLong => {
                "Copy the issuer from the provider: `https://authentik.example.com/application/o/<slug>/`"
            }
        };
        (error.to_string(), remedy.to_owned())
    })
}

/// The scopes. One entry may hold several with spaces between: Coder joins its list with spaces (RFC 6749 §3.3), so
/// that `openid profile email` as one value works there.
fn scopes(r: &mut Reader) -> Option<Vec<String>> {
    let entries = r.list("oidc.scopes", |text| {
        let scopes: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        // RFC 6749 §3.3: a scope is visible ASCII without quotation mark and backslash.
        let good = |scope: &String| scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !scopes.is_empty() && scopes.iter().all(good) {
            return Ok(scopes);
        }
        let remedy = "Write one word for each scope, as a list or separated by commas or spaces";
        Err(("has an entry that is not a scope".to_owned(), remedy.to_owned()))
    })?;
    let scopes: Vec<String> = entries.into_iter().flatten().collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        r.wrong("oidc.scopes", "lacks openid, without which there is no ID token", "Add `openid`");
    }
    if !scopes.iter().any(|scope| scope == "offline_access") {
        r.warning(
            "oidc.scopes",
            "lacks offline_access, without which most providers send no refresh token: a session then ends with its \
             first access token",
            "Add `offline_access`; with authentik, also select it among the scopes of the provider. With Keycloak, leave \
             it out: Keycloak sends a refresh token without it, and with it sends no back-channel logout",
        );
    }
    Some(scopes)
}

/// `oidc.authURLParams`, with what has a key of its own here taken out.
struct Params {
    /// The parameters that are sent as they are, in the order written.
    rest: Vec<(String, String)>,
    prompt: Option<String>,
    max_age: Option<Duration>,
}

fn auth_url_params(r: &mut Reader) -> Option<Params> {
    let path = PARAMS;
    let mut params = Params { rest: Vec::new(), prompt: None, max_age: None };
    let Some(found) = r.given(path).cloned() else {
        params.rest.push(("access_type".to_owned(), "offline".to_owned()));
        return Some(params);
    };
    let Value::Map(entries) = found.node.value else {
        r.wrong(path, "is not a map", "Write `{name: value}`; in a variable, write JSON");
        return None;
    };
    for entry in entries {
        let place = at_line(&found.place, entry.line);
        let taken = match (entry.key.as_str(), entry.node.value) {
            (name, _) if PROTOCOL_PARAMETERS.contains(&name) => {
                let what = "has a parameter that the gateway sets itself";
                Err((what.to_owned(), format!("Take `{name}` out")))
            }
            ("prompt", Value::Text(text)) => parse::prompt(&text).map(|prompt| params.prompt = Some(prompt)),
            ("max_age", Value::Text(text)) => seconds(&text).map(|max_age| params.max_age = Some(max_age)),
            (_, Value::Text(value)) => {
                params.rest.push((entry.key, value));
                Ok(())
            }
            _ => {
                let what = "has a parameter that is not text";
                Err((what.to_owned(), "Write one value for each name".to_owned()))
            }
        };
        if let Err((what, remedy)) = taken {
            r.problem(path, place, &what, &remedy);
        }
    }
    Some(params)
}

/// `prompt` and `max_age` from their own keys, else from `oidc.authURLParams`, where Coder takes them.
fn prompt_and_max_age(r: &mut Reader, params: Option<&Params>) -> (Option<String>, Option<Duration>) {
    let prompt = r.optional("oidc.prompt", parse::prompt);
    let max_age = r.optional("oidc.maxAge", whole_seconds);
    let Some(params) = params else { return (prompt, max_age) };
    (
        one_of(r, prompt, params.prompt.clone(), "`prompt`", "oidc.prompt"),
        one_of(r, max_age, params.max_age, "`max_age`", "oidc.maxAge"),
    )
}

/// The value of a key or of the parameter that means the same. Both are refused when they differ.
fn one_of<T: PartialEq>(
    r: &mut Reader,
    own: Option<T>,
    param: Option<T>,
    name: &str,
    key: &str,
) -> Option<T> {
    if own.is_some() && param.is_some() && own != param {
        r.wrong(PARAMS, &format!("has {name} with a different value than {key}"), "Keep one of them");
    }
    own.or(param)
}

/// A warning when nothing but the provider decides who signs in.
fn warn_of_an_open_door(r: &mut Reader, domains: Option<&[EmailDomain]>, groups: Option<&[String]>) {
    if domains.is_some_and(<[_]>::is_empty) && groups.is_some_and(<[_]>::is_empty) {
        r.warning(
            "oidc.emailDomain",
            "is empty, and so is oidc.groupAllowed: everyone whom the provider lets in may sign in",
            "Set the domains of your users' email addresses, or the groups that may sign in",
        );
    }
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
            "is set, but no claim is named that holds the groups",
            "Set oidc.groupField; with authentik, to `groups`",
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

/// `max_age` as the parameter has it: whole seconds without a unit (OpenID Connect Core §3.1.2.1).
fn seconds(text: &str) -> Result<Duration, Fault> {
    match text.parse::<u32>() {
        Ok(_) => whole_seconds(&format!("{text}s")),
        Err(_) => Err((
            "has a `max_age` that is not a number of seconds".to_owned(),
            "Write `3600` for an hour".to_owned(),
        )),
    }
}

fn algorithms(r: &mut Reader) -> Option<Vec<&'static str>> {
    let mut names: Vec<&'static str> = Vec::new();
    for name in r.list("oidc.algorithms", algorithm)? {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        r.wrong(
            "oidc.algorithms",
            "is empty, so no signature would be accepted",
            "Remove the line to accept the default",
        );
    }
    Some(names)
}

fn algorithm(text: &str) -> Result<&'static str, Fault> {
    let text = if text == ED25519.0 { ED25519.1 } else { text };
    ALGORITHMS.iter().find(|name| **name == text).copied().ok_or_else(|| {
        let remedy = format!("Choose from {}", ALGORITHMS.join(", "));
        ("has an entry that is not a supported algorithm".to_owned(), remedy)
    })
}
