//! One worker: takes a request through every step and answers it.

mod answer;
mod room;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Version};
use http_body::Body as _;
use tokio::time::Instant;

use super::context::Context;
use super::counts::Counts;
use super::{Gateway, RefusalCause};
use crate::coder::hosts::HostKind;
use crate::coder::routes::{self, Route};
use crate::listen::{ConnInfo, Service};
use crate::policy::{ClassName, RouteClass};
use crate::proxy::Upstream;
use crate::telemetry::Access;
use crate::types::{CoderUserId, RequestId};
use crate::web::{Body, Request, RequestKind, Response, Target, check_message, request_kind};

/// Where the gateway's own endpoints are: a path that Coder does not use. Matched on the form that is routed
/// on (GHSA-5wcc-hf24-rf5h).
const OWN: &str = "/vestibule/";

/// A worker's half of the gateway: the shared one, and its own connections to Coder.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct Worker {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    counts: Arc<Counts>,
}

/// What the log says of a request, filled in on the way.
struct Seen {
    class: Option<ClassName>,
    path: Option<Target>,
    client: IpAddr,
    user: Option<CoderUserId>,
    refused: Option<&'static str>,
}

impl Worker {
    /// With connections of its own.
    pub fn new(gateway: Arc<Gateway>, upstream: Upstream) -> Self {
        let counts = gateway.new_counts();
        Self { gateway, upstream, counts }
    }

    async fn handle(&self, request: Box<Request>, connection: &ConnInfo) -> Response {
        let began = Instant::now();
        let id = RequestId::random();
        let method = request.method().clone();
        let client = self.gateway.settings.trusted_proxies.client_ip(connection.peer.ip(), request.headers());
        let mut seen = Seen { class: None, path: None, client, user: None, refused: None };
        let response = self.serve(request, connection, id, &mut seen).await;
        let response = if method == Method::HEAD { without_body(response) } else { response };
        self.counts.count(seen.class, response.status());
        Access {
            request: id,
            method: method.as_str(),
            path: seen.path.as_ref().map_or("", Target::path),
            status: response.status().as_u16(),
            class: seen.class.map_or("none", ClassName::label),
            refused: seen.refused,
            user: seen.user,
            client: seen.client,
            took: began.elapsed(),
        }
        .log();
        response
    }

    /// Understands the head; from then on every refusal can speak the caller's language.
    async fn serve(
        &self,
        request: Box<Request>,
        connection: &ConnInfo,
        id: RequestId,
        seen: &mut Seen,
    ) -> Response {
        let how = request_kind(&request);
        let context = match self.understand(&request, how.clone(), connection, id, seen.client) {
            Ok(context) => context,
            Err(cause) => {
                seen.refused = Some(cause.row().label);
                let mut refusal = self.gateway.refuse_unread(&cause, &how, id);
                if matches!(cause, RefusalCause::Message(_)) && request.version() != Version::HTTP_2 {
                    // Where this message ends somebody in between may see otherwise: nothing of theirs is read on.
                    refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                return refusal;
            }
        };
        seen.path = Some(context.target.clone());
        let route = self.classify(request.method(), &context);
        seen.class = Some(route.class_name());
        match self.judge_and_answer(request, &context, route, (connection, seen)).await {
            Ok(response) => response,
            Err(cause) => {
                seen.refused = Some(cause.row().label);
                self.gateway.refuse(&cause, &context)
            }
        }
    }

    fn understand(
        &self,
        request: &Request,
        request_kind: RequestKind,
        connection: &ConnInfo,
        id: RequestId,
        client: IpAddr,
    ) -> Result<Context, RefusalCause> {
        let host = check_message(request)?;
        let app_host = match self.gateway.hosts.judge(host.as_str()) {
            HostKind::Access => false,
            HostKind::App(_) => true,
            HostKind::Unknown => return Err(RefusalCause::Host),
        };
        // The name of the TLS handshake and of the request must lead to the same kind of host (CVE-2026-55430).
        if !names_agree(connection.server_name.as_deref(), host.name()) {
            return Err(RefusalCause::Host);
        }
        let target = Target::parse(request.uri(), |path| app_host || routes::is_app_path(path))?;
        // Behind a proxy that ends TLS the connection is plain, and the client's is not.
        let scheme = match self.gateway.settings.access_url.scheme() {
            "https" => "https",
            _ => connection.scheme.as_str(),
        };
        Ok(Context { request: id, client, request_kind, target, host, scheme, app_host })
    }

    fn classify(&self, method: &http::Method, context: &Context) -> Route {
        let upgrade = match &context.request_kind {
            RequestKind::Upgrade(protocol) => Some(protocol.as_str()),
            _ => None,
        };
        if context.app_host {
            return self.gateway.hosts.route(context.host.as_str());
        }
        if context.target.path().starts_with(OWN) {
            return Route { class: RouteClass::Own, rule: None };
        }
        routes::classify(method, context.target.path(), upgrade)
    }
}

/// An answer to `HEAD`: the headers alone, with the length of what is left out (RFC 9110 §9.3.2). HTTP/2 takes
/// a body there for a broken stream.
fn without_body(mut response: Response) -> Response {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}

/// Whether the name of the handshake, when there was one, is the host of the request.
fn names_agree(in_handshake: Option<&str>, host: &str) -> bool {
    in_handshake.is_none_or(|name| name.eq_ignore_ascii_case(host))
}

impl Service for Worker {
    /// The request and the work are boxed once: unboxed, both would be moved from step to step and on the way into
    /// hyper, some fifty times.
    fn call(&self, request: Request, connection: ConnInfo) -> impl Future<Output = Response> + Send {
        let request = Box::new(request);
        Box::pin(async move { self.handle(request, &connection).await })
    }
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
