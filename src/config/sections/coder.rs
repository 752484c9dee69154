//! The section `coder`.

use url::Url;

use crate::types::is_loopback;

use super::super::parse;
use super::super::reader::Reader;
use super::super::settings::{Coder, CoderIssuer};

pub(super) fn coder(r: &mut Reader) -> Option<Coder> {
    let url = r.required("coder.url", parse::origin);
    let access_url = r.required("coder.accessURL", parse::origin);
    let wildcard_access_url = r.optional("coder.wildcardAccessURL", parse::wildcard);
    let danger_allow_http = r.value("coder.dangerAllowHTTP", parse::boolean);
    let issuer = issuer(r);
    if let (Some(access_url), Some(danger)) = (&access_url, danger_allow_http) {
        check_access_url(r, access_url, danger);
    }
    Some(Coder {
        url: url?,
        access_url: access_url?,
        wildcard_access_url,
        danger_allow_http: danger_allow_http?,
        issuer: issuer?,
    })
}

fn check_access_url(r: &mut Reader, access_url: &Url, danger: bool) {
    if access_url.scheme() == "https" || is_loopback(access_url) {
        return;
    }
    if danger {
        r.warning(
            "coder.dangerAllowHTTP",
            "lets anyone on the network read session cookies",
            "Serve https, with listen.tls or a proxy in front of the gateway",
        );
    } else {
        r.wrong(
            "coder.accessURL",
            "uses plain http outside loopback",
            "Use https. Only if session cookies may be read on the network, set coder.dangerAllowHTTP: true",
        );
    }
}

fn issuer(r: &mut Reader) -> Option<CoderIssuer> {
    let listen = r.value("coder.issuer.listen", parse::address);
    let url = r.required("coder.issuer.url", |text| match parse::url(text)? {
        url if url.query().is_some() => Err(("has a query".to_owned(), "Remove it from the URL".to_owned())),
        url => Ok(url),
    });
    let secret = r.secret("coder.issuer.clientSecret");
    if let Some(url) = &url
        && url.scheme() == "http"
        && !is_loopback(url)
    {
        r.warning(
            "coder.issuer.url",
            "uses plain http outside loopback: tokens and the client secret can be read between Coder and the gateway",
            "Keep both on one machine or in one protected network, or put TLS between them",
        );
    }
    let (client_secret, client_secret_file) = secret?;
    Some(CoderIssuer { listen: listen?, url: url?, client_secret, client_secret_file })
}
