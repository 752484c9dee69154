//! Advice on a refusal of Coder's, recognised by its text: Coder gives its reasons no codes.

/// Words of a refusal, in lower case, and what to do. The first matching row applies.
const REMEDIES: [(&[&str], &str); 11] = [
    (
        &["invalid_client"],
        "The issuer listener does not accept Coder's client secret: set CODER_OIDC_CLIENT_SECRET to the value of \
         coder.issuer.clientSecret, as `vestibule coder-env` prints it, and restart Coder",
    ),
    (
        &["failed exchanging oauth code", "failed to obtain user information"],
        "Coder could not reach the issuer listener: coder.issuer.url must be reachable from Coder, and \
         CODER_OIDC_ISSUER_URL must be the value that `vestibule coder-env` prints",
    ),
    (
        &["verify the", "not verified", "email_verified"],
        "Coder checks the address again and needs the same CODER_OIDC_IGNORE_EMAIL_VERIFIED as the gateway. \
         Give Coder the environment that `vestibule coder-env` prints, and restart it",
    ),
    (
        &["authorized domain"],
        "Coder checks the domain again and needs the same CODER_OIDC_EMAIL_DOMAIN as the gateway. Give Coder \
         the environment that `vestibule coder-env` prints, and restart it",
    ),
    (
        &["signups", "sign ups", "signup"],
        "Coder does not create accounts for new users: create the user in Coder with the login type OpenID Connect, or \
         set oidc.allowSignups (CODER_OIDC_ALLOW_SIGNUPS) to true here and for Coder",
    ),
    (
        &["suspended", "not active", "dormant"],
        "Activate the user in Coder, on the Users page or with `coder users activate`",
    ),
    (
        &["fetching user's roles", "api key is invalid"],
        "Coder no longer knows the user of the session that it has just issued: the user was deleted in Coder. A new \
         sign-in creates the user again, or create the user in Coder with the login type OpenID Connect",
    ),
    (
        &["already linked", "linked to"],
        "Coder's account with this address is linked to another identity: the issuer or the subject mode of the \
         provider has changed. `coder server fix-oidc-links` repairs links",
    ),
    (
        &["login type", "login_type"],
        "Coder's account with this address signs in another way: the user converts it under Account, Security in \
         Coder, or an owner creates it with the login type OpenID Connect",
    ),
    (
        &["rate limit"],
        "Coder accepts 60 sign-in requests a minute from one address, and a sign-in takes two. If many users appear \
         under one address that is not theirs, set CODER_PROXY_TRUSTED_HEADERS and CODER_PROXY_TRUSTED_ORIGINS as \
         `vestibule coder-env` prints them",
    ),
    (
        &["not configured"],
        "OpenID Connect is not configured in Coder: give it the environment that `vestibule coder-env` prints, and restart it",
    ),
];

/// What an administrator can do about a refusal with these `words`, as a sentence without its full stop. `None` when
/// the text is not known.
pub(super) fn remedy(words: &str) -> Option<&'static str> {
    let words = words.to_lowercase();
    let row = REMEDIES.iter().find(|(parts, _)| parts.iter().any(|part| words.contains(part)))?;
    Some(row.1)
}
