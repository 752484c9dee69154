//! The head of a request: its host, path and client, and the class of its route.

use std::net::IpAddr;

use http::Method;

use super::access_url::AccessUrl;
use super::context::RequestContext;
use super::links::OWN_PATHS;
use super::refusals::RefusalCause;
use crate::coder::hosts::{HostKind, Hosts};
use crate::coder::routes::{self, Route};
use crate::listen::ConnInfo;
use crate::policy::RouteClass;
use crate::types::RequestId;
use crate::web::{Request, RequestKind, Target, TrustedProxies, check_message};

/// Reads the heads of requests.
pub(super) struct HeadReader {
    hosts: Hosts,
    access: AccessUrl,
    trusted_proxies: TrustedProxies,
}

impl HeadReader {
    /// For a deployment's hosts.
    pub(super) fn new(hosts: Hosts, access: AccessUrl, trusted_proxies: TrustedProxies) -> Self {
        Self { hosts, access, trusted_proxies }
    }

    /// The client's address.
    pub(super) fn client(&self, request: &Request, connection: &ConnInfo) -> IpAddr {
        self.trusted_proxies.client_ip(connection.peer.ip(), request.headers())
    }

    /// Reads a head. After that, a refusal can have the form that the client understands.
    ///
    /// # Errors
    /// When the message or its target is ambiguous, or the gateway does not serve the host.
    pub(super) fn read(
        &self,
        request: &Request,
        request_kind: RequestKind,
        connection: &ConnInfo,
        id: RequestId,
        client: IpAddr,
    ) -> Result<RequestContext, RefusalCause> {
        let host = check_message(request)?;
        let app_host = match self.hosts.judge(host.as_str()) {
            HostKind::Access => false,
            HostKind::App(_) => true,
            HostKind::Unknown => return Err(RefusalCause::Host),
        };
        // The names in the TLS handshake and in the request must lead to the same kind of host (CVE-2026-55430).
        if !names_agree(connection.server_name.as_deref(), host.name()) {
            return Err(RefusalCause::Host);
        }
        let target = Target::parse(request.uri(), |path| app_host || routes::is_app_path(path))?;
        // Behind a proxy that ends TLS, this connection is plain, but the client's is not.
        let scheme = if self.access.is_https() { "https" } else { connection.scheme.as_str() };
        Ok(RequestContext { request: id, client, request_kind, target, host, scheme, app_host })
    }

    /// The route of a request. The gateway's own paths are matched in the form that Coder routes on
    /// (GHSA-5wcc-hf24-rf5h).
    pub(super) fn route(&self, method: &Method, context: &RequestContext) -> Route {
        let upgrade = match &context.request_kind {
            RequestKind::Upgrade(protocol) => Some(protocol.as_str()),
            _ => None,
        };
        if context.app_host {
            return self.hosts.route(context.host.as_str());
        }
        if context.target.path().starts_with(OWN_PATHS) {
            return Route { class: RouteClass::Own, rule: None };
        }
        routes::classify(method, context.target.path(), upgrade)
    }
}

/// Whether the name of the handshake, if there was one, is the host of the request.
fn names_agree(in_handshake: Option<&str>, host: &str) -> bool {
    in_handshake.is_none_or(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::names_agree;

    /// CVE-2026-55430: a connection for one host carried requests for another's apps.
    #[test]
    fn the_name_of_the_handshake_must_be_the_host() {
        for (name, host) in [
            (None, "coder.company"),
            (Some("coder.company"), "coder.company"),
            (Some("Coder.Company"), "coder.company"),
        ] {
            assert!(names_agree(name, host), "{name:?} {host}");
        }
        for (name, host) in [
            ("coder.company", "app--ws--alice.coder.company"),
            ("app--ws--alice.coder.company", "coder.company"),
            ("app--ws--alice.coder.company", "app--ws--bob.coder.company"),
            ("coder.company.", "coder.company"),
            ("*.coder.company", "app.coder.company"),
            ("", "coder.company"),
        ] {
            assert!(!names_agree(Some(name), host), "{name} {host}");
        }
    }
}
