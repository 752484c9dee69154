//! A scriptable OpenID provider in authentik's shape: its URLs, its claims, its error responses,
//! and every way in which one can be slow, broken or dishonest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use vestibule::types::{Clock, random_token};

use super::keys::SigningKey;
use super::provider_knobs::overlay;
pub use super::provider_knobs::{Fault, Knobs};
use super::server::{Server, Switched, field};

/// A person at the provider.
#[derive(Clone, Debug)]
pub struct User {
    pub subject: String,
    pub active: bool,
    /// The scope claims: email, email_verified, name, preferred_username, groups.
    pub claims: Map<String, Value>,
    /// The session at the provider, while it lasts.
    pub sid: Option<String>,
}

pub(super) struct Code {
    pub(super) user: String,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) redirect_uri: String,
    /// When the person signed in at the provider, in seconds.
    pub(super) auth_time: i64,
}

/// A session at the provider, shared by all its clients.
pub(super) struct SsoSession {
    /// When the person last signed in.
    pub(super) since: i64,
    /// Whether `prompt=login` has been honoured already.
    pub(super) prompted: bool,
}

pub(super) struct State {
    pub(super) users: BTreeMap<String, User>,
    pub(super) signed_in: Option<String>,
    /// The session at the provider, if one is kept.
    pub(super) session: Option<SsoSession>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) refresh_tokens: HashMap<String, String>,
    pub(super) access_tokens: HashMap<String, String>,
    /// The expiry of each access token, in seconds.
    pub(super) expiries: HashMap<String, i64>,
    pub(super) keys: Vec<SigningKey>,
    pub(super) faults: HashMap<String, Vec<Fault>>,
    pub(super) authorization_faults: HashMap<String, Fault>,
    pub(super) counts: HashMap<String, u32>,
    pub(super) forms: Vec<(String, Vec<(String, String)>)>,
    pub(super) given: Vec<String>,
    /// The `jti` of every client assertion.
    pub(super) assertions: HashSet<String>,
    pub(super) knobs: Knobs,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) gate: Semaphore,
    pub(super) clock: Clock,
    pub(super) base: String,
}

/// The running stand-in.
pub struct Provider {
    shared: Arc<Shared>,
    server: Switched,
}

pub const CLIENT_ID: &str = "cid";
pub const CLIENT_SECRET: &str = "secret-of-the-client";

impl Provider {
    /// Starts one with the users alice, bob, carol (all of acme.company) and eve (of evil.example).
    pub async fn start(clock: &Clock) -> Self {
        Self::on(Server::bind().await, clock)
    }

    /// Starts one on a listener that is already bound.
    pub fn on(listener: TcpListener, clock: &Clock) -> Self {
        let address = listener.local_addr().unwrap();
        let mut users = BTreeMap::new();
        for (name, domain) in [
            ("alice", "acme.company"),
            ("bob", "acme.company"),
            ("carol", "acme.company"),
            ("eve", "evil.example"),
        ] {
            users.insert(name.to_owned(), person(name, domain));
        }
        let state = State {
            users,
            signed_in: Some("alice".to_owned()),
            session: None,
            codes: HashMap::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            expiries: HashMap::new(),
            keys: vec![SigningKey::new("k1", "RS256", 0)],
            faults: HashMap::new(),
            authorization_faults: HashMap::new(),
            counts: HashMap::new(),
            forms: Vec::new(),
            given: Vec::new(),
            assertions: HashSet::new(),
            knobs: Knobs::default(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            gate: Semaphore::new(0),
            clock: clock.clone(),
            base: format!("http://{address}"),
        });
        let handling = Arc::clone(&shared);
        let server = Switched::on(listener, move |request| {
            let shared = Arc::clone(&handling);
            async move { shared.handle(request).await }
        });
        Self { shared, server }
    }

    /// Stops responding: connections are refused.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Responds again, on the same port and with everything it knew.
    pub async fn start_again(&self) {
        self.server.start_again().await;
    }

    /// The issuer, with authentik's trailing slash.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// Its address: scheme, host and port.
    pub fn base(&self) -> &str {
        &self.shared.base
    }

    /// Names another address than its own in its documents and tokens, as authentik does when the request's `Host`
    /// does.
    pub fn call_itself(&self, public: &str) {
        let (issuer, base) = (self.issuer().replace(self.base(), public), self.base());
        let document = self.shared.discovery().to_string().replace(base, public);
        self.tune(|knobs| {
            knobs.discovery = serde_json::from_str(&document).unwrap();
            knobs.id_token.insert("iss".to_owned(), json!(issuer));
        });
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Decides which user the authorization endpoint finds signed in.
    pub fn sign_in_as(&self, name: &str) {
        let mut state = self.state();
        state.signed_in = Some(name.to_owned());
        let user = state.users.get_mut(name).unwrap();
        user.sid.get_or_insert_with(random_token);
    }

    /// Changes a user.
    pub fn change_user(&self, name: &str, change: impl FnOnce(&mut User)) {
        change(self.state().users.get_mut(name).unwrap());
    }

    /// Adds a user of acme.company.
    pub fn add_user(&self, name: &str) {
        self.state().users.insert(name.to_owned(), person(name, "acme.company"));
    }

    /// Deactivates a user as authentik does: the tokens are deleted.
    pub fn deactivate(&self, name: &str) {
        let mut state = self.state();
        state.users.get_mut(name).unwrap().active = false;
        state.refresh_tokens.retain(|_, user| user != name);
        state.access_tokens.retain(|_, user| user != name);
    }

    /// Ends the user's session: refresh tokens survive, access tokens do not; returns the `sid` that ended.
    pub fn end_session(&self, name: &str) -> Option<String> {
        let mut state = self.state();
        state.access_tokens.retain(|_, user| user != name);
        state.users.get_mut(name).unwrap().sid.take()
    }

    /// Changes how it behaves.
    pub fn tune(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.state().knobs);
    }

    /// The next request to `endpoint` (its last path segment) meets `fault`.
    pub fn fail_next(&self, endpoint: &str, fault: Fault) {
        self.state().faults.entry(endpoint.to_owned()).or_default().push(fault);
    }

    /// Every request to `endpoint` meets `fault`, until it is set to `None`.
    pub fn fail_all(&self, endpoint: &str, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.authorization_faults.insert(endpoint.to_owned(), fault),
            None => state.authorization_faults.remove(endpoint),
        };
    }

    /// Releases `waiting` requests that met [`Fault::Gate`].
    pub fn open_gate(&self, waiting: usize) {
        self.shared.gate.add_permits(waiting);
    }

    /// The number of requests to an endpoint.
    pub fn count(&self, endpoint: &str) -> u32 {
        self.state().counts.get(endpoint).copied().unwrap_or(0)
    }

    /// The number of token requests with a grant type.
    pub fn grants(&self, grant_type: &str) -> usize {
        let state = self.state();
        let of_type =
            |form: &&(String, Vec<(String, String)>)| field(&form.1, "grant_type") == Some(grant_type);
        state.forms.iter().filter(of_type).count()
    }

    /// The forms sent to an endpoint, oldest first.
    pub fn forms(&self, endpoint: &str) -> Vec<Vec<(String, String)>> {
        self.state().forms.iter().filter(|(at, _)| at == endpoint).map(|(_, form)| form.clone()).collect()
    }

    /// Signs with other keys from now on; only these are in the JWKS.
    pub fn use_keys(&self, keys: Vec<SigningKey>) {
        self.state().keys = keys;
    }

    /// Every valid token: none may appear in a log or on a page.
    pub fn live_tokens(&self) -> Vec<String> {
        let state = self.state();
        state.refresh_tokens.keys().chain(state.access_tokens.keys()).cloned().collect()
    }

    /// Every token ever issued, of all three kinds.
    pub fn every_token(&self) -> Vec<String> {
        self.state().given.clone()
    }

    /// A back-channel logout token (Back-Channel Logout 1.0 §2.4), claims replaced or removed by `change`.
    pub fn logout_token(&self, typ: &str, sub: Option<&str>, sid: Option<&str>, change: &Value) -> String {
        let now = self.shared.clock.wall().as_seconds();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT_ID, "iat": now, "exp": now + 300, "jti": random_token(),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        let object = claims.as_object_mut().unwrap();
        object.extend(sub.map(|sub| ("sub".to_owned(), json!(sub))));
        object.extend(sid.map(|sid| ("sid".to_owned(), json!(sid))));
        overlay(object, change.as_object().unwrap());
        self.state().keys[0].jwt(typ, &claims)
    }
}

/// A user as authentik's default scope mappings describe one, with a verified address.
fn person(name: &str, domain: &str) -> User {
    let mut title = name.to_owned();
    title[..1].make_ascii_uppercase();
    let claims = json!({
        "email": format!("{name}@{domain}"), "email_verified": true, "name": title, "given_name": title,
        "preferred_username": name, "nickname": name, "groups": ["devs"],
    });
    User {
        subject: format!("sub-{name}"),
        active: true,
        claims: claims.as_object().unwrap().clone(),
        sid: Some(random_token()),
    }
}
