//! A request at the stand-in for Coder: its user, and its handler.

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::json;

use super::coder::{
    APP_SCOPE, Fault, Key, SIGNED_OUT, Seen, Setup, Shared, State, alphanumeric, api, cookie, message,
};
use super::coder_pages as pages;
use super::coder_tunnels as tunnels;
use super::coder_users as users;
use super::server::{Answer, Body, HangUp, fields, text};
impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn setup(&self) -> Setup {
        self.setup.lock().unwrap().clone()
    }

    pub fn session_cookie(&self) -> &'static str {
        if self.setup().host_prefix_cookie { "__Host-coder_session_token" } else { "coder_session_token" }
    }

    pub fn unauthorized(&self, detail: &str) -> Response<Body> {
        let mut response = message(401, SIGNED_OUT, Some(detail));
        let challenge = format!(
            "Bearer realm=\"coder\", error=\"invalid_token\", error_description=\"The access token has expired\", resource_metadata=\"{}/.well-known/oauth-protected-resource\"",
            self.setup().access_url.trim_end_matches('/')
        );
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        response
    }

    /// The token where Coder looks for it, in its order.
    pub fn presented(&self, request: &Request<Incoming>) -> Option<String> {
        let query = fields(request.uri().query().unwrap_or_default());
        let in_query = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let headers = request.headers();
        let header = |name: &str| headers.get(name)?.to_str().ok();
        cookie(headers, self.session_cookie())
            .map(ToOwned::to_owned)
            .or_else(|| in_query("coder_session_token"))
            .or_else(|| header("coder-session-token").map(ToOwned::to_owned))
            .or_else(|| header("authorization")?.strip_prefix("Bearer ").map(ToOwned::to_owned))
            .or_else(|| in_query("access_token"))
            .filter(|token| !token.is_empty())
    }

    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let fault = {
            let mut state = self.state();
            let seen = Seen {
                method: request.method().clone(),
                target: request.uri().to_string(),
                headers: request.headers().clone(),
            };
            state.seen.push(seen);
            state.faults.get_mut(&path).filter(|faults| !faults.is_empty()).map(|faults| faults.remove(0))
        };
        match fault {
            Some(Fault::Status(status)) => return Ok(message(status, "scripted", None)),
            Some(Fault::Answer(status, headers, body)) => return Ok(scripted(status, &headers, body)),
            Some(Fault::HangUp) => return Err(HangUp),
            Some(Fault::Gate) => self.gate.acquire().await.unwrap().forget(),
            Some(Fault::Pass) | None => {}
        }
        if self.is_app_host(&request) {
            return Ok(match path.as_str() {
                "/socket" if pages::app_session(&self, &request) => tunnels::websocket(request),
                _ => pages::app_host(&self, &request),
            });
        }
        self.route(&path, request).await
    }

    fn is_app_host(&self, request: &Request<Incoming>) -> bool {
        let host =
            request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let suffix = self.setup().wildcard.map(|wildcard| wildcard.trim_start_matches('*').to_owned());
        suffix.is_some_and(|suffix| host.ends_with(&suffix))
    }

    async fn route(self: Arc<Self>, path: &str, request: Request<Incoming>) -> Answer {
        let method = request.method().clone();
        if let Some(answer) = pages::anonymous(&self, &method, path, &request) {
            return Ok(answer);
        }
        match path {
            "/api/v2/users/login" if method == Method::POST => {
                return Ok(users::sign_in_by_password(&self, request).await);
            }
            "/api/v2/users/first" if method == Method::POST => {
                return Ok(users::create_first(&self, request).await);
            }
            "/api/v2/users/oidc/callback" => return Ok(self.callback(request).await),
            "/derp" => return Ok(tunnels::derp(request)),
            "/api/v2/workspaceagents/me/rpc" => return Ok(tunnels::agent(&self, request)),
            "/api/v2/workspaceproxies/me/coordinate" => return Ok(tunnels::websocket(request)),
            "/api/v2/ai-gateway/openai/v1/chat/completions" => {
                return Ok(tunnels::completion(&self, &request));
            }
            _ => {}
        }
        let is_known = |token: String| self.state().keys.contains_key(&token);
        if pages::is_owned_app(path) && !self.presented(&request).is_some_and(is_known) {
            return Ok(pages::redirect_to_login(&self, request.uri()));
        }
        if self.presented(&request).is_none()
            && let Some(answer) = pages::recorded(&self, &request)
        {
            return Ok(answer);
        }
        if !path.starts_with("/api/") {
            return Ok(pages::dashboard(path));
        }
        let key = match self.authenticate(&request).await {
            Ok(key) => key,
            Err(refusal) => return Ok(refusal),
        };
        if let Some(refusal) = csrf_refusal(&self, &request) {
            return Ok(refusal);
        }
        self.signed_in(path, &key, request).await
    }

    async fn signed_in(
        self: Arc<Self>,
        path: &str,
        (token, key): &(String, Key),
        request: Request<Incoming>,
    ) -> Answer {
        if key.scope != "all" {
            return Ok(message(404, "Resource not found or you do not have access to this resource", None));
        }
        if let Some(named) = users::Named::find(&self, path, key) {
            return Ok(named.answer(&self, request).await);
        }
        Ok(match (request.method().as_str(), path) {
            ("GET", "/api/v2/users/me/login-type") => api(200, &json!({"login_type": self.login_type(key)})),
            ("POST", "/api/v2/users/me/convert-login") => self.convert(key, request).await,
            ("POST", "/api/v2/users/logout") => {
                let mut state = self.state();
                state.keys.remove(token);
                // Coder's `DeleteApplicationConnectAPIKeysByUserID`.
                state.keys.retain(|_, other| other.user != key.user || other.scope != APP_SCOPE);
                drop(state);
                let mut response = message(200, "Logged out!", None);
                let gone = format!("{}=; Path=/; Max-Age=0; SameSite=Lax", self.session_cookie());
                response.headers_mut().append(header::SET_COOKIE, gone.parse().unwrap());
                response
            }
            ("GET", "/api/v2/notifications/inbox/watch" | "/api/v2/tailnet") => tunnels::websocket(request),
            ("GET", path) if tunnels::coordinates(path) => tunnels::websocket(request),
            ("GET", "/api/v2/workspaces/w/watch") => tunnels::events(),
            ("POST" | "PUT", "/api/v2/files") => pages::echo(request).await,
            ("GET", path) if path.starts_with("/api/v2/workspaces") => {
                api(200, &json!({"workspaces": [], "count": 0}))
            }
            _ => message(404, "Route not found.", None),
        })
    }

    fn login_type(&self, key: &Key) -> &'static str {
        self.state().user(&key.user).map_or("none", |user| user.login_type)
    }

    async fn convert(&self, key: &Key, request: Request<Incoming>) -> Response<Body> {
        let _ = super::server::body_text(request).await;
        let state = alphanumeric::<32>();
        self.state().converting.insert(state.clone(), key.user.clone());
        let mut response = api(
            201,
            &json!({"expires_at": "2026-11-24T04:33:06Z", "state_string": state, "to_type": "oidc", "user_id": key.user}),
        );
        let line = format!("coder_oauth_convert_jwt={state}; Path=/; HttpOnly; SameSite=Lax");
        response.headers_mut().append(header::SET_COOKIE, line.parse().unwrap());
        response
    }
}

fn scripted(status: u16, headers: &[(&'static str, &'static str)], body: String) -> Response<Body> {
    let mut response = text(status, "application/json; charset=utf-8", body);
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

/// Coder's CSRF check: an unsafe method with the session cookie wants `X-CSRF-TOKEN` and its cookie.
fn csrf_refusal(coder: &Shared, request: &Request<Incoming>) -> Option<Response<Body>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let headers = request.headers();
    let cookie_session = cookie(headers, coder.session_cookie())?;
    let same =
        headers.get("coder-session-token").and_then(|value| value.to_str().ok()) == Some(cookie_session);
    let token = headers.get("x-csrf-token").is_some() && cookie(headers, "csrf_token").is_some();
    if safe || same || token {
        return None;
    }
    let why = "Something is wrong with your CSRF token. Please refresh the page. If this error persists, try clearing your cookies.\n";
    Some(text(400, "text/plain; charset=utf-8", Bytes::from_static(why.as_bytes())))
}
