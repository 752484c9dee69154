//! A stand-in for Coder that responds as the recorded versions do: the OpenID Connect callback with
//! both legs, keys and tokens, the refresh without a lock, websockets, DERP, app hosts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method, Response, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use vestibule::types::{Clock, random_bytes};

use super::client::Kept;
use super::coder_sign_in::{Authentication, Link};
use super::coder_verify::Discovered;
use super::server::{Body, Switched, text};

/// Which recorded Coder the stand-in plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Main of July 2025: no PKCE.
    July2025,
    /// Main of February 2026 (2.31): PKCE, refusals as HTML from 2.32 on.
    February2026,
}

/// The setup of this Coder: what `vestibule coder-env` prints for it.
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

/// What a route does instead of responding.
#[derive(Clone, Debug)]
pub enum Fault {
    Status(u16),
    /// This status with these headers and this body.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// Nothing: responds properly. The next fault is for a later request.
    Pass,
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
    /// `active`, or `suspended`.
    pub status: &'static str,
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
    /// The `state` of a conversion in progress, with its user.
    pub converting: HashMap<String, String>,
    /// The issuer's documents as read, until a restart.
    pub discovered: Option<Discovered>,
    /// The client authentication method that worked at the issuer, until a restart.
    pub authentication: Option<Authentication>,
}

pub(super) struct Shared {
    pub setup: Mutex<Setup>,
    pub clock: Clock,
    /// The client for the issuer.
    pub http: Kept,
    pub state: Mutex<State>,
    pub gate: Semaphore,
}

/// The running stand-in.
pub struct Coder {
    pub(super) shared: Arc<Shared>,
    server: Switched,
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
            discovered: None,
            authentication: None,
        };
        let shared = Arc::new(Shared {
            setup: Mutex::new(setup),
            http: Kept::new(),
            clock: clock.clone(),
            state: Mutex::new(state),
            gate: Semaphore::new(0),
        });
        let handling = Arc::clone(&shared);
        let server = Switched::on(listener, move |request| {
            let shared = Arc::clone(&handling);
            async move { shared.handle(request).await }
        });
        Self { shared, server, address }
    }

    /// Stops responding: connections are refused, tunnels end.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Responds again, on the same port and with everything in its database.
    pub async fn start_again(&self) {
        {
            let mut state = self.shared.state();
            (state.discovered, state.authentication) = (None, None);
        }
        self.server.start_again().await;
    }

    /// Changes the setup: URLs that are known only once everybody listens.
    pub fn set_up(&self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.shared.setup.lock().unwrap());
    }

    /// The next request to `path` meets `fault`.
    pub fn fail_next(&self, path: &str, fault: Fault) {
        self.shared.state().faults.entry(path.to_owned()).or_default().push(fault);
    }

    /// Releases `waiting` requests that met [`Fault::Gate`].
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

    /// Adds a user with another login type, with a fresh session key.
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
            status: "active",
            link: None,
        });
        let key = state.make_key(&id, login_type, "all");
        (id, key)
    }

    /// Suspends a user, as an administrator does.
    pub fn suspend(&self, username: &str) {
        let mut state = self.shared.state();
        state.users.iter_mut().find(|user| user.username == username).unwrap().status = "suspended";
    }

    /// Deletes a key, as its user or an administrator does elsewhere.
    pub fn delete_key(&self, key: &str) {
        self.shared.state().keys.remove(key).expect("a key of this Coder");
    }

    /// Creates a key for a user, as `coder tokens create` or an administrator does elsewhere.
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

/// Coder's JSON response with the headers that every response of its API has.
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

/// The password of every user of the stand-in that has one.
pub const PASSWORD: &str = "SomeSecurePassword!";

/// The scope of a session at a workspace app.
pub(super) const APP_SCOPE: &str = "coder:application_connect";

pub(super) const SIGNED_OUT: &str =
    "You are signed out or your session has expired. Please sign in again to continue.";
