//! The provider's internal address (`oidc.internalURL`), where the gateway's own requests go in place of the public
//! one. Browsers are sent to the public address.

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};
use url::{Origin, Url};

use super::settings::ProviderSettings;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The internal address that takes the place of the issuer's origin.
#[derive(Clone, Debug)]
pub(super) struct InternalAddress {
    /// Scheme, host and port of the issuer. Requests to other origins are not redirected.
    public: Origin,
    public_host: HeaderValue,
    public_scheme: HeaderValue,
    scheme: Scheme,
    authority: Authority,
    /// The prefix of every path: empty, or with a leading slash and without a trailing one.
    prefix: String,
}

impl InternalAddress {
    /// The internal address of these settings. None when none is configured, or when it or the issuer has no host,
    /// which the configuration refuses.
    pub(super) fn new(settings: &ProviderSettings) -> Option<Self> {
        let issuer = Url::parse(settings.issuer.as_str()).ok()?;
        let internal = settings.internal_url.as_ref()?;
        let uri: Uri = internal.as_str().parse().ok()?;
        Some(Self {
            public: issuer.origin(),
            public_host: HeaderValue::from_str(&authority(&issuer)?).ok()?,
            public_scheme: HeaderValue::from_str(issuer.scheme()).ok()?,
            scheme: uri.scheme()?.clone(),
            authority: uri.authority()?.clone(),
            prefix: internal.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Redirects a request for the public address to the internal one. The provider still learns the public address:
    /// from `Host`, from which authentik, Zitadel and others derive their issuer, and the scheme from the headers of a
    /// reverse proxy, whose place the gateway takes here.
    pub(super) fn redirect(&self, request: &mut Request<Bytes>) {
        let Some(uri) = self.internal(request.uri()) else { return };
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, self.public_host.clone());
        headers.insert(FORWARDED_HOST, self.public_host.clone());
        headers.insert(FORWARDED_PROTO, self.public_scheme.clone());
    }

    /// The internal address of a URL at the issuer's origin; none for other URLs.
    pub(super) fn internal(&self, uri: &Uri) -> Option<Uri> {
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

/// Host and port as in the `Host` header (RFC 9110 §7.2), without the default port of the scheme.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
