//! The provider's addresses: `oidc.issuerURL` and `oidc.internalURL`.

use url::Url;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::types::{InvalidIssuer, Issuer, is_loopback};

keys! { KEYS;
    ISSUER_URL: Key<String> = Key::new(
        "oidc.issuerURL", "CODER_OIDC_ISSUER_URL", ValueKind::Url, WhenAbsent::Required, as_written,
        "The provider's issuer, byte for byte as its discovery document has it. With authentik: `https://authentik.example.com/application/o/<slug>/`, with the slash at the end.",
    ).guards_sign_in();
    INTERNAL_URL: Key<Url> = Key::new(
        "oidc.internalURL", "VESTIBULE_OIDC_INTERNAL_URL", ValueKind::Url, WhenAbsent::Nothing, parse::url,
        "The address at which the gateway itself reaches the provider, if it differs from the public one: `https://authentik.internal:9443`. Browsers are still sent to the public address, and the issuer stays `oidc.issuerURL`. Plain `http` outside loopback needs `oidc.dangerAllowHTTP`. docs/configuration.md has a section about it.",
    );
}

/// The placeholder for an application's slug in the examples of authentik's own guides.
const PLACEHOLDER_SLUGS: [&str; 3] = ["application_slug", "application-slug", "your-slug"];

/// The path of a discovery document below its issuer (OpenID Connect Discovery 1.0 §4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// Reads the issuer. Plain http depends on `oidc.dangerAllowHTTP`.
pub(super) fn issuer_url(r: &mut SettingsReader, danger_allow_http: bool) -> Option<Issuer> {
    r.get_and(&ISSUER_URL, |text| issuer(&text, danger_allow_http))
}

/// Reads the URL at which the gateway itself reaches the provider, if one is given and can be used. Plain http
/// outside loopback needs `oidc.dangerAllowHTTP`, because the keys that verify everyone come over it.
pub(super) fn internal_url(r: &mut SettingsReader, danger_allow_http: bool) -> Option<Url> {
    let url = r.get(&INTERNAL_URL)?;
    if url.query().is_some() {
        r.wrong(
            INTERNAL_URL.entry(),
            "has a query",
            "Write scheme, host and port, and a path if the provider is served under one",
        );
        return None;
    }
    if url.scheme() == "http" && !danger_allow_http && !is_loopback(&url) {
        r.wrong(
            INTERNAL_URL.entry(),
            "uses plain http outside loopback",
            "Use https. With oidc.dangerAllowHTTP: true plain http is accepted, but then anyone on that network (in \
             Compose: every container in it) can read the client secret and sign in as any user",
        );
    }
    Some(url)
}

#[expect(clippy::unnecessary_wraps, reason = "the parser of a key may fail")]
fn as_written(text: &str) -> Result<String, ValueFault> {
    Ok(text.to_owned())
}

fn issuer(text: &str, danger_allow_http: bool) -> Result<Issuer, ValueFault> {
    if text.contains(['<', '>']) || text.contains("%3C") {
        return Err(ValueFault::new(
            "still contains a placeholder in angle brackets",
            "Replace it with the slug of the application. The provider's page in authentik shows the complete value: \
             \"OpenID Configuration Issuer\"",
        ));
    }
    if text.trim_end_matches('/').ends_with(DISCOVERY_PATH) {
        return Err(ValueFault::new(
            "is the address of the discovery document, not the issuer",
            "Remove `.well-known/openid-configuration` from the end; with authentik, keep the slash before it",
        ));
    }
    parse::url_characters(text)?;
    let issuer = Issuer::parse(text, danger_allow_http).map_err(|error| not_an_issuer(&error))?;
    match issuer.authentik_slug() {
        Some(slug) if PLACEHOLDER_SLUGS.contains(&slug) => Err(ValueFault::new(
            "still contains a placeholder instead of the application's slug",
            "Replace it with the slug. The provider's page in authentik shows the complete value: \"OpenID Configuration \
             Issuer\"",
        )),
        Some(_) if !text.ends_with('/') => Err(ValueFault::new(
            "lacks the trailing slash that authentik's issuers have",
            "Write `https://authentik.example.com/application/o/<slug>/`, with the slash at the end",
        )),
        _ => Ok(issuer),
    }
}

fn not_an_issuer(error: &InvalidIssuer) -> ValueFault {
    let remedy = match error {
        InvalidIssuer::NotHttps => {
            "Write https. Only if tokens may be read and changed on the network, set oidc.dangerAllowHTTP: true"
        }
        InvalidIssuer::NotAUrl | InvalidIssuer::NotPlain | InvalidIssuer::TooLong => {
            "Copy the issuer from the provider: `https://authentik.example.com/application/o/<slug>/`"
        }
    };
    ValueFault::new(error.to_string(), remedy)
}
