//! A scriptable OpenID provider in authentik's shape: its URLs, its claims, its error answers,
//! and every way in which one can be slow, broken or dishonest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use vestibule::types::{Clock, random_token};

use super::keys::{SigningKey, at_hash};
use super::server::{Answer, Body, HangUp, Server, body_text, field, fields, json, redirect, text};

/// A person at the provider.
#[derive(Clone, Debug)]
pub struct User {
    pub subject: String,
    pub active: bool,
    /// The scope claims: email, email_verified, name, preferred_username, groups.
    pub claims: Map<String, Value>,
    /// The session at the provider, as long as it lives.
    pub sid: Option<String>,
}

/// What an endpoint does instead of answering properly.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with this JSON text.
    Status(u16, String),
    /// 200 with something that is no JSON.
    Garbage,
    /// Closes the connection.
    HangUp,
    /// Waits until [`Provider::open_gate`], then answers properly.
    Gate,
}

/// How the stand-in behaves; the defaults are authentik's.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Knobs {
    pub access_token_life: Duration,
    /// `offline_access` is granted: a refresh token comes.
    pub offline_access: bool,
    /// A refresh token that was used is spent (authentik's default).
    pub rotate: bool,
    /// No new refresh token at a refresh (authentik's `refresh_token_threshold`).
    pub no_new_refresh_token: bool,
    /// Sends the RFC 9207 `iss` and advertises it.
    pub response_iss: bool,
    pub at_hash: bool,
    /// ID tokens carry the scope claims (authentik's `include_claims_in_id_token`).
    pub claims_in_id_token: bool,
    pub auth_methods: Vec<&'static str>,
    /// Replaces members of the discovery document.
    pub discovery: Map<String, Value>,
    /// Replaces or (with null) removes claims of every ID token.
    pub id_token: Map<String, Value>,
    /// Replaces or removes members of the ID token's header.
    pub header: Map<String, Value>,
    /// Replaces or removes claims of userinfo.
    pub userinfo: Map<String, Value>,
    /// Takes these claims away again at a refresh, or puts others.
    pub refreshed: Map<String, Value>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            access_token_life: Duration::from_mins(5),
            offline_access: true,
            rotate: true,
            no_new_refresh_token: false,
            response_iss: false,
            at_hash: false,
            claims_in_id_token: true,
            auth_methods: vec!["client_secret_post", "client_secret_basic"],
            discovery: Map::new(),
            id_token: Map::new(),
            header: Map::new(),
            userinfo: Map::new(),
            refreshed: Map::new(),
        }
    }
}

struct Code {
    user: String,
    nonce: Option<String>,
    challenge: Option<String>,
    redirect_uri: String,
}

struct State {
    users: BTreeMap<String, User>,
    signed_in: Option<String>,
    codes: HashMap<String, Code>,
    refresh_tokens: HashMap<String, String>,
    access_tokens: HashMap<String, String>,
    /// Access token to the moment it expires, in seconds.
    expiries: HashMap<String, i64>,
    keys: Vec<SigningKey>,
    faults: HashMap<String, Vec<Fault>>,
    standing_faults: HashMap<String, Fault>,
    counts: HashMap<String, u32>,
    forms: Vec<(String, Vec<(String, String)>)>,
    given: Vec<String>,
    knobs: Knobs,
}

struct Shared {
    state: Mutex<State>,
    gate: Semaphore,
    clock: Clock,
    base: String,
}

/// The running stand-in.
pub struct Provider {
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
    address: std::net::SocketAddr,
}

pub const CLIENT_ID: &str = "cid";
pub const CLIENT_SECRET: &str = "secret-of-the-client";

impl Provider {
    /// Starts one with the users alice, bob, carol (all of acme.company) and eve (of evil.example).
    pub async fn start(clock: &Clock) -> Self {
        Self::on(Server::bind().await, clock)
    }

    /// Starts one on a listener that is bound already.
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
            codes: HashMap::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            expiries: HashMap::new(),
            keys: vec![SigningKey::new("k1", "RS256", 0)],
            faults: HashMap::new(),
            standing_faults: HashMap::new(),
            counts: HashMap::new(),
            forms: Vec::new(),
            given: Vec::new(),
            knobs: Knobs::default(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            gate: Semaphore::new(0),
            clock: clock.clone(),
            base: format!("http://{address}"),
        });
        let provider = Self { shared, server: Mutex::new(None), address };
        provider.serve(listener);
        provider
    }

    fn serve(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let server = Server::start(listener, move |request, _| {
            let shared = Arc::clone(&shared);
            async move { shared.handle(request).await }
        });
        *self.server.lock().unwrap() = Some(server);
    }

    /// Stops answering: connections are refused.
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

    /// The issuer, with authentik's trailing slash.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Decides who the authorization endpoint finds signed in.
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

    /// Ends the user's session: refresh tokens live on, access tokens do not; the `sid` that ended.
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

    /// Every request to `endpoint` meets `fault`, until `None` is said.
    pub fn fail_all(&self, endpoint: &str, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.standing_faults.insert(endpoint.to_owned(), fault),
            None => state.standing_faults.remove(endpoint),
        };
    }

    /// Lets `waiting` requests pass that met [`Fault::Gate`].
    pub fn open_gate(&self, waiting: usize) {
        self.shared.gate.add_permits(waiting);
    }

    /// How often an endpoint was asked.
    pub fn count(&self, endpoint: &str) -> u32 {
        self.state().counts.get(endpoint).copied().unwrap_or(0)
    }

    /// Token requests with a grant type.
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

    /// Every token that is worth something here: what must never appear in a log or on a page.
    pub fn live_tokens(&self) -> Vec<String> {
        let state = self.state();
        state.refresh_tokens.keys().chain(state.access_tokens.keys()).cloned().collect()
    }

    /// Every token that was ever given, of all three kinds.
    pub fn every_token(&self) -> Vec<String> {
        self.state().given.clone()
    }

    /// A back-channel logout token (Back-Channel Logout 1.0 §2.4), claims replaced or removed by `change`.
    pub fn logout_token(&self, typ: &str, sub: Option<&str>, sid: Option<&str>, change: &Value) -> String {
        let now = self.shared.clock.now().as_seconds();
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

fn overlay(onto: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            onto.remove(name);
        } else {
            onto.insert(name.clone(), value.clone());
        }
    }
}

fn oauth_error(status: u16, error: &str) -> Response<Body> {
    json(status, &json!({"error": error, "error_description": "scripted", "request_id": "r"}))
}

impl Shared {
    fn issuer(&self) -> String {
        format!("{}/application/o/coder/", self.base)
    }

    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let endpoint = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let fault = {
            let mut state = self.state.lock().unwrap();
            *state.counts.entry(endpoint.clone()).or_default() += 1;
            let next = state
                .faults
                .get_mut(&endpoint)
                .filter(|faults| !faults.is_empty())
                .map(|faults| faults.remove(0));
            next.or_else(|| state.standing_faults.get(&endpoint).cloned())
        };
        match fault {
            Some(Fault::Status(status, body)) => return Ok(text(status, "application/json", body)),
            Some(Fault::Garbage) => return Ok(text(200, "text/html", "<h1>It works!</h1>")),
            Some(Fault::HangUp) => return Err(HangUp),
            Some(Fault::Gate) => self.gate.acquire().await.unwrap().forget(),
            None => {}
        }
        match endpoint.as_str() {
            "openid-configuration" => Ok(json(200, &self.discovery())),
            "jwks" => Ok(json(200, &self.jwks())),
            "authorize" => Ok(self.authorize(request.uri().query().unwrap_or_default())),
            "token" => Ok(self.token(request).await),
            "userinfo" => Ok(self.userinfo(request.headers())),
            "revoke" => Ok(self.revoke(request).await),
            "end-session" => Ok(text(200, "text/html", "<p>You are signed out of coder.</p>")),
            _ => Ok(text(404, "text/html", "not found")),
        }
    }

    fn discovery(&self) -> Value {
        let state = self.state.lock().unwrap();
        let base = &self.base;
        let algorithms: Vec<_> = state.keys.iter().map(|key| key.alg).collect();
        let mut document = json!({
            "issuer": self.issuer(),
            "authorization_endpoint": format!("{base}/application/o/authorize/"),
            "token_endpoint": format!("{base}/application/o/token/"),
            "userinfo_endpoint": format!("{base}/application/o/userinfo/"),
            "end_session_endpoint": format!("{base}/application/o/coder/end-session/"),
            "introspection_endpoint": format!("{base}/application/o/introspect/"),
            "revocation_endpoint": format!("{base}/application/o/revoke/"),
            "jwks_uri": format!("{base}/application/o/coder/jwks/"),
            "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
            "response_types_supported": ["code", "id_token", "id_token token", "code token", "code id_token", "code id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "id_token_signing_alg_values_supported": algorithms,
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": state.knobs.auth_methods,
            "acr_values_supported": ["goauthentik.io/providers/oauth2/default"],
            "scopes_supported": ["openid", "email", "profile", "offline_access"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "email", "email_verified", "groups"],
            "claims_parameter_supported": false, "request_parameter_supported": false,
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        let object = document.as_object_mut().unwrap();
        if state.knobs.response_iss {
            object.insert("authorization_response_iss_parameter_supported".into(), json!(true));
        }
        overlay(object, &state.knobs.discovery);
        document
    }

    fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.state.lock().unwrap().keys.iter().filter_map(SigningKey::jwk).collect();
        // authentik answers an empty object when the provider has no signing key.
        if keys.is_empty() { json!({}) } else { json!({"keys": keys}) }
    }

    fn authorize(&self, query: &str) -> Response<Body> {
        let query = fields(query);
        let mut state = self.state.lock().unwrap();
        state.forms.push(("authorize".to_owned(), query.clone()));
        let person = field(&query, "person").map(ToOwned::to_owned).or_else(|| state.signed_in.clone());
        let (Some(redirect_uri), Some(name)) = (field(&query, "redirect_uri"), person) else {
            return text(400, "text/html", "no redirect_uri, or nobody is signed in");
        };
        let code = random_token();
        let mut back = url::Url::parse(redirect_uri).unwrap();
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", field(&query, "state").unwrap_or_default());
        if state.knobs.response_iss {
            back.query_pairs_mut().append_pair("iss", &self.issuer());
        }
        let owned = |name| field(&query, name).map(ToOwned::to_owned);
        let entry = Code {
            user: name,
            nonce: owned("nonce"),
            challenge: owned("code_challenge"),
            redirect_uri: redirect_uri.to_owned(),
        };
        state.codes.insert(code, entry);
        redirect(302, back.as_str())
    }

    async fn token(&self, request: Request<Incoming>) -> Response<Body> {
        let basic = basic_credentials(request.headers());
        let form = fields(&body_text(request).await);
        self.state.lock().unwrap().forms.push(("token".to_owned(), form.clone()));
        let posted = field(&form, "client_id").zip(field(&form, "client_secret"));
        let given = basic.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str())).or(posted);
        if given != Some((CLIENT_ID, CLIENT_SECRET)) {
            return oauth_error(400, "invalid_client");
        }
        match field(&form, "grant_type") {
            Some("authorization_code") => self.redeem(&form),
            Some("refresh_token") => self.refresh(&form),
            _ => oauth_error(400, "invalid_grant"),
        }
    }

    fn redeem(&self, form: &[(String, String)]) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        let Some(code) = field(form, "code").and_then(|code| state.codes.remove(code)) else {
            return oauth_error(400, "invalid_grant");
        };
        if field(form, "redirect_uri") != Some(&code.redirect_uri) {
            return oauth_error(400, "invalid_client");
        }
        let verifier = field(form, "code_verifier").map(|verifier| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            URL_SAFE_NO_PAD.encode(digest.as_ref())
        });
        if verifier != code.challenge {
            return oauth_error(400, "invalid_grant");
        }
        let answer = self.issue(&mut state, &code.user, code.nonce.as_deref(), false);
        json(200, &answer)
    }

    fn refresh(&self, form: &[(String, String)]) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        let presented = field(form, "refresh_token").unwrap_or_default().to_owned();
        let Some(user) = state.refresh_tokens.get(&presented).cloned() else {
            return oauth_error(400, "invalid_grant");
        };
        if state.knobs.rotate && !state.knobs.no_new_refresh_token {
            state.refresh_tokens.remove(&presented);
        }
        let answer = self.issue(&mut state, &user, None, true);
        json(200, &answer)
    }

    fn issue(&self, state: &mut State, name: &str, nonce: Option<&str>, refreshed: bool) -> Value {
        let now = self.clock.now().as_seconds();
        let life = i64::try_from(state.knobs.access_token_life.as_secs()).unwrap();
        let user = state.users[name].clone();
        let access_token = format!("access-{}", random_token());
        let mut claims = json!({
            "iss": self.issuer(), "sub": user.subject, "aud": CLIENT_ID, "exp": now + life, "iat": now,
            "auth_time": now, "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"], "jti": random_token(),
        });
        let object = claims.as_object_mut().unwrap();
        object.extend(nonce.map(|nonce| ("nonce".to_owned(), json!(nonce))));
        object.extend(user.sid.map(|sid| ("sid".to_owned(), json!(sid))));
        if state.knobs.claims_in_id_token {
            object.extend(user.claims);
        }
        if state.knobs.at_hash {
            object.insert("at_hash".to_owned(), json!(at_hash(&access_token)));
        }
        overlay(object, &state.knobs.id_token);
        if refreshed {
            overlay(object, &state.knobs.refreshed);
        }
        let key = &state.keys[0];
        let mut header = json!({"alg": key.alg, "kid": key.kid, "typ": "JWT"});
        overlay(header.as_object_mut().unwrap(), &state.knobs.header);
        let id_token = key.jws(&header, &claims);
        state.access_tokens.insert(access_token.clone(), name.to_owned());
        state.expiries.insert(access_token.clone(), now + life);
        let mut answer = json!({
            "access_token": access_token, "token_type": "Bearer", "scope": "openid profile email offline_access",
            "expires_in": life, "id_token": id_token,
        });
        if state.knobs.offline_access && !(refreshed && state.knobs.no_new_refresh_token) {
            let refresh_token = format!("refresh-{}", random_token());
            state.refresh_tokens.insert(refresh_token.clone(), name.to_owned());
            answer["refresh_token"] = json!(refresh_token);
        }
        let names = ["access_token", "id_token", "refresh_token"];
        state.given.extend(names.iter().filter_map(|name| answer[*name].as_str().map(str::to_owned)));
        answer
    }

    fn userinfo(&self, headers: &HeaderMap) -> Response<Body> {
        let state = self.state.lock().unwrap();
        let bearer =
            headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let now = self.clock.now().as_seconds();
        let alive = |token: &&str| state.expiries.get(*token).is_some_and(|expiry| *expiry > now);
        let Some(user) =
            bearer.filter(alive).and_then(|token| state.users.get(state.access_tokens.get(token)?))
        else {
            return oauth_error(401, "invalid_token");
        };
        let mut claims = user.claims.clone();
        claims.insert("sub".to_owned(), json!(user.subject));
        overlay(&mut claims, &state.knobs.userinfo);
        json(200, &Value::Object(claims))
    }

    async fn revoke(&self, request: Request<Incoming>) -> Response<Body> {
        let form = fields(&body_text(request).await);
        let mut state = self.state.lock().unwrap();
        state.forms.push(("revoke".to_owned(), form.clone()));
        let token = field(&form, "token").unwrap_or_default();
        state.refresh_tokens.remove(token);
        state.access_tokens.remove(token);
        json(200, &json!({}))
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?.to_owned();
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((plain(id), plain(secret)))
}
