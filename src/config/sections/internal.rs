//! `oidc.internalURL`: where the gateway itself reaches the provider.

use url::Url;

use crate::types::is_loopback;

use super::super::parse;
use super::super::reader::Reader;

const PATH: &str = "oidc.internalURL";

/// The URL, if one is given and can be used. Plain http beyond loopback is taken only with
/// `oidc.dangerAllowHTTP`, as everywhere: the keys that everybody is verified with come over it.
pub(super) fn url(r: &mut Reader, danger: bool) -> Option<Url> {
    let url = r.optional(PATH, parse::url)?;
    if url.query().is_some() {
        r.wrong(
            PATH,
            "has a query",
            "Write scheme, host and port, and a path if the provider is served under one",
        );
        return None;
    }
    if url.scheme() == "http" && !danger && !is_loopback(&url) {
        r.wrong(
            PATH,
            "uses plain http outside loopback",
            "Use https. With oidc.dangerAllowHTTP: true plain http is accepted, but then anyone on that network (in \
             Compose: every container in it) can read the client secret and sign in as any user",
        );
    }
    Some(url)
}
