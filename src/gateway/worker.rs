//! One worker: takes a request through every step and answers it.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH};
use ::http::{HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use tokio::time::Instant;

use super::context::Context;
use super::counts::Counts;
use super::keys::Maker;
use super::{Cause, Gateway};
use crate::coder::credential::{Presented, confine};
use crate::coder::hosts::Judged as HostJudged;
use crate::coder::key_creation::app_session;
use crate::coder::routes::{self, Route};
use crate::grant::Standing;
use crate::http::cookies::OwnCookies;
use crate::http::{
    Body, Hop, Manner, Request, Response, Target, check_message, is_preflight, manner, sanitize,
};
use crate::listen::{ConnInfo, Service};
use crate::policy::{
    ClassName, Credentials, Decision, Judging, OwnAnswer, Permit, Question, RouteClass, decide,
};
use crate::proxy::Upstream;
use crate::telemetry::Access;
use crate::telemetry::audit::{self, Action, Event, Person};
use crate::types::{CoderUserId, RequestId, Secret};

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
            class: seen.class.map_or("none", ClassName::word),
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
        let how = manner(&request);
        let context = match self.understand(&request, how.clone(), connection, id, seen.client) {
            Ok(context) => context,
            Err(cause) => {
                seen.refused = Some(cause.row().word);
                let mut refusal = self.gateway.refuse_unread(&cause, &how, id);
                if matches!(cause, Cause::Message(_)) && request.version() != Version::HTTP_2 {
                    // Where this message ends somebody in between may see otherwise: nothing of theirs is read on.
                    refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                return refusal;
            }
        };
        seen.path = Some(context.target.clone());
        let route = self.classify(request.method(), &context);
        seen.class = Some(route.class_name());
        match self.judge_and_answer(request, &context, route, seen).await {
            Ok(response) => response,
            Err(cause) => {
                seen.refused = Some(cause.row().word);
                self.gateway.refuse(&cause, &context)
            }
        }
    }

    fn understand(
        &self,
        request: &Request,
        manner: Manner,
        connection: &ConnInfo,
        id: RequestId,
        client: IpAddr,
    ) -> Result<Context, Cause> {
        let host = check_message(request)?;
        let app_host = match self.gateway.hosts.judge(host.as_str()) {
            HostJudged::Access => false,
            HostJudged::App(_) => true,
            HostJudged::Unknown => return Err(Cause::Host),
        };
        // The name of the TLS handshake and of the request must lead to the same kind of host (CVE-2026-55430).
        if !names_agree(connection.server_name.as_deref(), host.name()) {
            return Err(Cause::Host);
        }
        let target = Target::parse(request.uri(), |path| app_host || routes::is_app_path(path))?;
        // Behind a proxy that ends TLS the connection is plain, and the client's is not.
        let scheme = match self.gateway.settings.access_url.scheme() {
            "https" => "https",
            _ => connection.scheme.as_str(),
        };
        Ok(Context { request: id, client, manner, target, host, scheme, app_host })
    }

    fn classify(&self, method: &::http::Method, context: &Context) -> Route {
        let upgrade = match &context.manner {
            Manner::Upgrade(protocol) => Some(protocol.as_str()),
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

    /// What is rare is boxed here and below: a future is as large as its largest branch, and is moved.
    async fn judge_and_answer(
        &self,
        mut request: Box<Request>,
        context: &Context,
        route: Route,
        seen: &mut Seen,
    ) -> Result<Response, Cause> {
        let gateway = &self.gateway;
        // Where no credential is looked for, two that contradict each other are nobody's business.
        let presented = match gateway.rules.judging(route.class) {
            Judging::Nothing => None,
            Judging::Shape | Judging::Person => {
                gateway.finder.find(request.headers(), context.target.query(), route.class)?
            }
        };
        if presented.is_none()
            && context.navigates()
            && !matches!(route.class, RouteClass::Own | RouteClass::SignIn)
            && let Some(farewell) = gateway.farewell(request.headers(), context)
        {
            return Ok(farewell);
        }
        let bearer = gateway.bearer(presented.as_ref(), route.class, request.headers(), context).await?;
        let question = Question {
            class: route.class,
            bearer: &bearer,
            client: context.client,
            in_url: presented.as_ref().is_some_and(Presented::in_url),
            navigation: context.navigates() && !context.app_host,
            preflight: is_preflight(request.method(), request.headers()),
        };
        match decide(question, &gateway.rules) {
            Decision::Forward(permit) => {
                seen.user = permit.standing().and_then(Standing::user);
                let creates = matches!(route.class, RouteClass::CreatesKey(_));
                let maker = presented.as_ref().filter(|_| creates).map(Presented::secret);
                match (permit.credentials(), presented.filter(|presented| !presented.is_alone())) {
                    (Credentials::Withheld, _) => confine(request.headers_mut(), None),
                    (Credentials::AsPresented, Some(keep)) => {
                        // Owned: what it was read from is changed now.
                        let keep = keep.into_owned();
                        confine(request.headers_mut(), Some(&keep));
                    }
                    // Nothing else is there, or the proof is the request's own, an OAuth 2.0 client's for example,
                    // which Coder judges.
                    (Credentials::AsPresented, None) => {}
                }
                self.forward(permit, request, context, route.class, maker).await
            }
            Decision::Answer(OwnAnswer::Endpoint) => Box::pin(gateway.endpoint(*request, context)).await,
            Decision::Answer(OwnAnswer::SignInCallback) => {
                let (parts, _) = request.into_parts();
                Box::pin(Arc::clone(gateway).callback(parts.method, parts.headers, context.clone())).await
            }
            Decision::Answer(OwnAnswer::AuthMethods) => Ok(gateway.auth_methods(context)),
            Decision::SignIn(cause) => {
                seen.refused = Some(cause.word());
                Ok(gateway.to_sign_in(cause, request.headers(), context))
            }
            Decision::Refuse(refusal) if context.app_host && context.navigates() && !question.in_url => {
                let handed_over = gateway.to_hand_over(refusal.cause, context);
                seen.refused = Some(refusal.cause.word());
                handed_over.ok_or(Cause::Policy(refusal.cause))
            }
            Decision::Refuse(refusal) => {
                if matches!(route.class, RouteClass::PasswordSignIn) {
                    break_glass(refusal.cause.word(), context);
                }
                Err(Cause::Policy(refusal.cause))
            }
        }
    }

    /// `maker` is what was presented to make a credential with.
    async fn forward(
        &self,
        permit: Permit,
        mut request: Box<Request>,
        context: &Context,
        class: RouteClass,
        maker: Option<Secret>,
    ) -> Result<Response, Cause> {
        let gateway = &self.gateway;
        let ended = match (class, permit.standing()) {
            (RouteClass::SignOut, Some(standing)) => {
                Box::pin(gateway.end_presented(standing, context)).await?
            }
            _ => None,
        };
        if matches!(class, RouteClass::CreatesKey(_)) {
            // The answer is read on its way.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let hop = Hop { client: context.client, scheme: context.scheme, host: context.host.as_str() };
        let request = sanitize(request, &context.target, &hop, OwnCookies::is_own);
        let forwarded = self.upstream.forward(&permit, request).await;
        if matches!(class, RouteClass::PasswordSignIn) {
            let taken = forwarded.as_ref().map(|response| response.status().is_success());
            break_glass(
                taken.map_or("coder_unreachable", |taken| if taken { "ok" } else { "coder_refused" }),
                context,
            );
        }
        let mut response = forwarded?;
        match (class, permit.standing()) {
            (RouteClass::SignOut, standing) => {
                if standing.is_some() && response.status() == StatusCode::UNAUTHORIZED {
                    response = gateway.signed_out_answer();
                }
                gateway.mark_signed_out(&mut response, ended);
            }
            (RouteClass::CreatesKey(made), Some(standing)) => {
                let (path, client) = (context.target.path().to_owned(), context.client);
                let maker = Maker { standing: standing.clone(), credential: maker, path, client };
                return Box::pin(gateway.bind_made(made, response, maker)).await;
            }
            (RouteClass::AppHost, Some(standing)) => {
                let session = app_session(response.status(), response.headers());
                Box::pin(gateway.bind_app_session(session, standing)).await?;
            }
            _ => {}
        }
        Ok(response)
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

/// Writes down that somebody took, or tried, the way around the provider. Who it was only Coder knows.
fn break_glass(outcome: &str, context: &Context) {
    audit::emit(Event {
        action: Action::BreakGlass,
        outcome,
        person: Person::default(),
        client: Some(context.client),
        request: Some(context.request),
    });
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
