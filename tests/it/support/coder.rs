//! A stand-in for Coder that answers as the recorded versions do: the OpenID Connect callback with
//! both legs, keys and tokens, the refresh without a lock, websockets, DERP, app hosts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use vestibule::types::{Clock, random_bytes};

use super::client::Kept;
use super::coder_pages as pages;
use super::coder_sign_in::Link;
use super::coder_tunnels as tunnels;
use super::coder_users as users;
use super::server::{Answer, Body, HangUp, Server, fields, text};

/// Which recorded Coder is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Main of July 2025: no PKCE.
    July2025,
    /// Main of February 2026 (2.31): PKCE, refusals as HTML from 2.32 on.
    February2026,
}

/// How this Coder is set up: what `vestibule coder-env` prints for it.
#[derive(Clone, Debug)]
pub struct Setup {
    pub version: Version,
    pub access_url: String,
    pub wildcard: Option<String>,
    pub issuer_url: String,
    pub client_id: String,
    pub client_secret: String,
    pub email_domain: String,
    pub host_prefix_cookie: bool,
}

/// What a route does instead of answering.
#[derive(Clone, Debug)]
pub enum Fault {
    Status(u16),
    HangUp,
    /// Waits for [`Coder::open_gate`] first.
    Gate,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
}

#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub username: String,
    pub email: String,
    pub login_type: &'static str,
    pub owner: bool,
    pub link: Option<Link>,
}

/// An API key.
#[derive(Clone, Debug)]
pub struct Key {
    pub user: String,
    pub login_type: &'static str,
    pub scope: String,
}

pub(super) struct State {
    pub users: Vec<User>,
    pub keys: HashMap<String, Key>,
    pub faults: HashMap<String, Vec<Fault>>,
    pub seen: Vec<Seen>,
    /// State of a conversion under way, to the user who converts.
    pub converting: HashMap<String, String>,
}

pub(super) struct Shared {
    pub setup: Mutex<Setup>,
    pub clock: Clock,
    /// Towards the issuer.
    pub http: Kept,
    state: Mutex<State>,
    gate: Semaphore,
}

/// The running stand-in.
pub struct Coder {
    pub(super) shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
    pub address: std::net::SocketAddr,
}

impl Coder {
    pub fn on(listener: TcpListener, setup: Setup, clock: &Clock) -> Self {
        let address = listener.local_addr().unwrap();
        let state = State {
            users: Vec::new(),
            keys: HashMap::new(),
            faults: HashMap::new(),
            seen: Vec::new(),
            converting: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            setup: Mutex::new(setup),
            http: Kept::new(),
            clock: clock.clone(),
            state: Mutex::new(state),
            gate: Semaphore::new(0),
        });
        let coder = Self { shared, server: Mutex::new(None), address };
        coder.serve(listener);
        coder
    }

    fn serve(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let server = Server::start(listener, move |request, _| {
            let shared = Arc::clone(&shared);
            async move { shared.handle(request).await }
        });
        *self.server.lock().unwrap() = Some(server);
    }

    /// Stops answering: connections are refused, tunnels end.
    pub fn stop(&self) {
        self.server.lock().unwrap().take();
    }

    /// Answers again, on the same port and with everything it knew.
    pub async fn start_again(&self) {
        loop {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.serve(listener);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Changes how it is set up: URLs that are known only once everybody listens.
    pub fn set_up(&self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.shared.setup.lock().unwrap());
    }

    /// The next request to `path` meets `fault`.
    pub fn fail_next(&self, path: &str, fault: Fault) {
        self.shared.state().faults.entry(path.to_owned()).or_default().push(fault);
    }

    /// Lets `waiting` requests pass that met [`Fault::Gate`].
    pub fn open_gate(&self, waiting: usize) {
        self.shared.gate.add_permits(waiting);
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// Requests whose path is `path`.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.target.split('?').next() == Some(path)).collect()
    }

    pub fn forget_seen(&self) {
        self.shared.state().seen.clear();
    }

    pub fn users(&self) -> Vec<User> {
        self.shared.state().users.clone()
    }

    /// Adds a user who signs in otherwise, with a fresh session key.
    pub fn add_user(&self, username: &str, login_type: &'static str) -> (String, String) {
        let mut state = self.shared.state();
        let id = uuid();
        let email = format!("{username}@acme.company");
        let owner = state.users.is_empty();
        state.users.push(User {
            id: id.clone(),
            username: username.to_owned(),
            email,
            login_type,
            owner,
            link: None,
        });
        let key = state.make_key(&id, login_type, "all");
        (id, key)
    }

    /// Makes a key for a user, as `coder tokens create` or an administrator does elsewhere.
    pub fn make_key(&self, user: &str, login_type: &'static str, scope: &str) -> String {
        self.shared.state().make_key(user, login_type, scope)
    }
}

impl State {
    pub fn make_key(&mut self, user: &str, login_type: &'static str, scope: &str) -> String {
        let key = format!("{}-{}", alphanumeric::<10>(), alphanumeric::<22>());
        self.keys.insert(key.clone(), Key { user: user.to_owned(), login_type, scope: scope.to_owned() });
        key
    }

    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }
}

/// Coder's key alphabet.
pub(super) fn alphanumeric<const N: usize>() -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    random_bytes::<N>().iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

pub(super) fn uuid() -> String {
    let hex = format!("{:032x}", u128::from_le_bytes(random_bytes()));
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// Coder's JSON answer with the headers that every answer of its API has.
pub(super) fn api(status: u16, body: &Value) -> Response<Body> {
    let mut response = text(status, "application/json; charset=utf-8", body.to_string());
    decorate(response.headers_mut());
    response
}

pub(super) fn decorate(headers: &mut HeaderMap) {
    let csrf = format!("csrf_token={}; Path=/; HttpOnly; SameSite=Lax", alphanumeric::<43>());
    headers.append(header::SET_COOKIE, csrf.parse().unwrap());
    headers.append(header::VARY, "Origin".parse().unwrap());
    headers.append(header::VARY, "Cookie".parse().unwrap());
    for (name, value) in [
        ("x-coder-build-version", "v0.0.0-devel"),
        ("x-content-type-options", "nosniff"),
        ("x-ratelimit-limit", "512"),
        ("x-ratelimit-remaining", "511"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    headers.insert("x-coder-request-id", uuid().parse().unwrap());
}

pub(super) fn message(status: u16, message: &str, detail: Option<&str>) -> Response<Body> {
    let mut body = json!({"message": message});
    if let Some(detail) = detail {
        body["detail"] = json!(detail);
    }
    api(status, &body)
}

/// The scope of a session at a workspace app.
pub(super) const APP_SCOPE: &str = "coder:application_connect";

pub(super) const SIGNED_OUT: &str =
    "You are signed out or your session has expired. Please sign in again to continue.";

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

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
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
            Some(Fault::HangUp) => return Err(HangUp),
            Some(Fault::Gate) => self.gate.acquire().await.unwrap().forget(),
            None => {}
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
            "/api/v2/users/oidc/callback" => return Ok(self.callback(request).await),
            "/derp" => return Ok(tunnels::derp(request)),
            "/api/v2/workspaceagents/me/rpc" => return Ok(tunnels::agent(&self, request)),
            "/api/v2/ai-gateway/openai/v1/chat/completions" => {
                return Ok(tunnels::completion(&self, &request));
            }
            _ => {}
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
            ("GET", "/api/v2/notifications/inbox/watch") => tunnels::websocket(request),
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
