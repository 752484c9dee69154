//! What the gateway accepts from the provider: algorithms, PKCE, and settings that weaken the protocol.

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, ListKey, keys};
use crate::config::reader::SettingsReader;
use crate::config::words::Words;
use crate::oidc::{Algorithm, Pkce};

keys! { KEYS;
    ALGORITHMS: ListKey<Algorithm> = ListKey::new(
        "oidc.algorithms", "VESTIBULE_OIDC_ALGORITHMS", ValueKind::List, "RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA", algorithm,
        "The signature algorithms that the gateway accepts, and that its issuer listener announces to Coder. `Ed25519` is another name for `EdDSA`. `none` and `HS256` are never accepted.",
    );
    PKCE: Key<Pkce> = Key::word(
        "oidc.pkce", "VESTIBULE_OIDC_PKCE",
        Words::new(&["auto", "require"], &[Pkce::Auto, Pkce::Require]), WhenAbsent::Default("auto"),
        "What the provider must announce about PKCE. The gateway always sends S256, and always refuses a provider that lists PKCE methods without S256. `auto` accepts a provider that lists no methods, such as Microsoft Entra ID and AWS Cognito; `require` refuses it.",
    );
    DANGER_ACCESS_TOKEN_AS_ID_TOKEN: Key<bool> = Key::switch(
        "oidc.dangerAccessTokenAsIDToken", "VESTIBULE_OIDC_DANGER_ACCESS_TOKEN_AS_ID_TOKEN", "false",
        "Accepts one token as both access token and ID token, as Casdoor sends it. Coder then receives the provider's access token as the ID token, and a sign-out at the provider puts it into a URL in the browser.",
    );
    DANGER_ALLOW_HTTP: Key<bool> = Key::switch(
        "oidc.dangerAllowHTTP", "VESTIBULE_OIDC_DANGER_ALLOW_HTTP", "false",
        "Accepts plain `http` for the provider outside loopback. Anyone on the network between the two can then sign in as any user.",
    );
}

/// Reads the algorithms, without duplicates.
pub(super) fn algorithms(r: &mut SettingsReader) -> Option<Vec<Algorithm>> {
    let mut algorithms: Vec<Algorithm> = Vec::new();
    for algorithm in r.list(&ALGORITHMS)? {
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    if algorithms.is_empty() {
        r.wrong(
            ALGORITHMS.entry(),
            "is empty, so no signature would be accepted",
            "Remove the line to accept the default",
        );
    }
    Some(algorithms)
}

fn algorithm(text: &str) -> Result<Algorithm, ValueFault> {
    text.parse().map_err(|_| {
        let remedy = format!("Choose from {}", Algorithm::ALL.map(Algorithm::as_str).join(", "));
        ValueFault::new("has an entry that is not a supported algorithm", remedy)
    })
}
