//! Where the provider is reached: at its own address, or at the one inside (`oidc.internalURL`).
//!
//! Everything that the gateway itself asks goes through [`ProviderClient`]. What browsers are sent to does not, and keeps the
//! public address.

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use url::{Origin, Url};

use super::settings::ProviderSettings;
use crate::web::ClientError;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The HTTP client for the provider.
#[derive(Clone, Debug)]
pub(super) struct ProviderClient {
    http: crate::web::Client,
    inside: Option<Inside>,
}

/// The provider's address inside, in the place of the issuer's origin.
#[derive(Clone, Debug)]
struct Inside {
    /// Scheme, host and port of the issuer. Endpoints elsewhere are asked where they are.
    public: Origin,
    public_host: HeaderValue,
    public_scheme: HeaderValue,
    scheme: Scheme,
    authority: Authority,
    /// What comes before an endpoint's path: empty, or begins with a slash and ends without one.
    prefix: String,
}

impl ProviderClient {
    /// A client for the provider of these settings.
    pub(super) fn new(http: crate::web::Client, settings: &ProviderSettings) -> Self {
        Self { http, inside: settings.internal_url.as_ref().and_then(|url| Inside::new(settings, url)) }
    }

    /// Sends a request to the provider and reads the whole answer.
    pub(super) async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        if let Some(inside) = &self.inside {
            inside.redirect(&mut request);
        }
        self.http.send(request).await
    }

    /// Where a URL of the provider is asked for, to be shown to an operator.
    pub(super) fn reached(&self, url: &str) -> String {
        let moved = self.inside.as_ref().and_then(|inside| inside.moved(&url.parse().ok()?));
        moved.map_or_else(|| url.to_owned(), |moved| moved.to_string())
    }
}

impl Inside {
    /// From the issuer and the URL inside. Nothing when one of them has no host, which no configuration lets through.
    fn new(settings: &ProviderSettings, inside: &Url) -> Option<Self> {
        let issuer = Url::parse(settings.issuer.as_str()).ok()?;
        let inside_uri: Uri = inside.as_str().parse().ok()?;
        Some(Self {
            public: issuer.origin(),
            public_host: HeaderValue::from_str(&authority(&issuer)?).ok()?,
            public_scheme: HeaderValue::from_str(issuer.scheme()).ok()?,
            scheme: inside_uri.scheme()?.clone(),
            authority: inside_uri.authority()?.clone(),
            prefix: inside.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Turns a request for the public address into one for the address inside. The provider is still told the public
    /// one: by `Host`, which authentik, Zitadel and others take their issuer from, and for the scheme by the headers of
    /// a reverse proxy, whose place the gateway has here.
    fn redirect(&self, request: &mut Request<Bytes>) {
        let Some(uri) = self.moved(request.uri()) else { return };
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, self.public_host.clone());
        headers.insert(FORWARDED_HOST, self.public_host.clone());
        headers.insert(FORWARDED_PROTO, self.public_scheme.clone());
    }

    /// The address inside of a URL at the issuer's origin; nothing for others.
    fn moved(&self, uri: &Uri) -> Option<Uri> {
        if Url::parse(&uri.to_string()).ok()?.origin() != self.public {
            return None;
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.prefix))
            .build()
            .ok()
    }
}

/// Host and port as the header `Host` has them (RFC 9110 §7.2): the scheme's own port is left out.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
