//! The endpoints of the stand-in for authentik.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use vestibule::types::random_token;

use super::keys::{SigningKey, at_hash};
use super::provider::{CLIENT_ID, Code, Shared, SsoSession, State};
use super::provider_clients::ShownCertificate;
use super::provider_knobs::{Fault, Knobs, Refusal, UserInfoAs, overlay};
use super::server::{Answer, Body, HangUp, body_text, field, fields, json, redirect, text};

fn oauth_error(status: u16, error: &str) -> Response<Body> {
    json(status, &json!({"error": error, "error_description": "scripted", "request_id": "r"}))
}

fn refused((status, error, description): Refusal) -> Response<Body> {
    json(status, &json!({"error": error, "error_description": description}))
}

impl Shared {
    pub(super) fn issuer(&self) -> String {
        format!("{}/application/o/coder/", self.base)
    }

    pub(super) async fn handle(&self, request: Request<Incoming>) -> Answer {
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
            next.or_else(|| state.authorization_faults.get(&endpoint).cloned())
        };
        match fault {
            Some(Fault::Status(status, body)) => return Ok(text(status, "application/json", body)),
            Some(Fault::Quotes) => {
                let headers = format!("{:?}", request.headers());
                let form = body_text(request).await;
                let page = format!("<h1>Internal error</h1>{headers}<p>{form}</p>{:?}", fields(&form));
                return Ok(text(500, "text/html", page));
            }
            Some(Fault::Garbled) => return Ok(text(200, "text/html", "<h1>It works!</h1>")),
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

    pub(super) fn discovery(&self) -> Value {
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
        let state = self.state.lock().unwrap();
        let own = state.keys.iter().filter_map(SigningKey::jwk).map(|mut key| {
            overlay(key.as_object_mut().unwrap(), &state.knobs.jwk);
            key
        });
        let keys: Vec<Value> = state.knobs.foreign_keys.iter().cloned().chain(own).collect();
        // authentik serves an empty object when the provider has no signing key.
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
        if state.knobs.is_foreign(redirect_uri) {
            return text(400, "text/html", "Redirect URI Error");
        }
        let code = random_token();
        let mut back = url::Url::parse(redirect_uri).unwrap();
        // authentik 2026.8.0-rc1 sends both errors back.
        let error = match field(&query, "prompt") {
            _ if state.knobs.grant_types.is_empty() => Some("invalid_request"),
            Some("none") => Some("login_required"),
            _ => None,
        };
        if let Some(error) = error {
            back.query_pairs_mut()
                .append_pair("error", error)
                .append_pair("state", field(&query, "state").unwrap_or_default());
            return redirect(302, back.as_str());
        }
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", field(&query, "state").unwrap_or_default());
        if state.knobs.response_iss {
            back.query_pairs_mut().append_pair("iss", &self.issuer());
        }
        let auth_time = state.authenticate(&query, self.clock.wall().as_seconds());
        let owned = |name| field(&query, name).map(ToOwned::to_owned);
        let entry = Code {
            user: name,
            nonce: owned("nonce"),
            challenge: owned("code_challenge"),
            redirect_uri: redirect_uri.to_owned(),
            auth_time,
        };
        state.codes.insert(code, entry);
        redirect(302, back.as_str())
    }

    async fn token(&self, request: Request<Incoming>) -> Response<Body> {
        let basic = basic_credentials(request.headers());
        let shown = request.extensions().get::<ShownCertificate>().cloned();
        let form = fields(&body_text(request).await);
        self.state.lock().unwrap().forms.push(("token".to_owned(), form.clone()));
        let knobs = self.state.lock().unwrap().knobs.clone();
        let grant_type = field(&form, "grant_type").unwrap_or_default();
        if !knobs.grant_types.contains(&grant_type) {
            return oauth_error(400, "invalid_grant");
        }
        if !self.knows_client(&knobs, basic.as_ref(), &form, shown.as_ref()) {
            return refused(knobs.refusals.client);
        }
        match grant_type {
            "authorization_code" => self.redeem(&form),
            _ => self.refresh(&form),
        }
    }

    /// Whether a request comes from the client: by the method that it is registered for.
    fn knows_client(
        &self,
        knobs: &Knobs,
        basic: Option<&(String, String)>,
        form: &[(String, String)],
        shown: Option<&ShownCertificate>,
    ) -> bool {
        if let Some(key) = &knobs.client_key {
            let endpoint = format!("{}/application/o/token/", self.base);
            let mut state = self.state.lock().unwrap();
            return basic.is_none() && key.accepts(form, &endpoint, &self.clock, &mut state.assertions);
        }
        let posted = field(form, "client_id").zip(field(form, "client_secret"));
        if let Some(certificate) = &knobs.client_certificate {
            let is_named = field(form, "client_id") == Some(CLIENT_ID) && posted.is_none() && basic.is_none();
            return is_named && shown.is_some_and(|shown| certificate.is(shown));
        }
        let method = if basic.is_some() { "client_secret_basic" } else { "client_secret_post" };
        let given = basic.map(|(id, secret)| (id.as_str(), secret.as_str())).or(posted);
        knobs.client_uses.is_none_or(|only| only == method)
            && given.is_some_and(|(id, secret)| {
                id == CLIENT_ID && (knobs.public || secret == knobs.client_secret)
            })
    }

    fn redeem(&self, form: &[(String, String)]) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        if field(form, "redirect_uri").is_none_or(|uri| state.knobs.is_foreign(uri)) {
            return oauth_error(400, "invalid_client");
        }
        let Some(code) = field(form, "code").and_then(|code| state.codes.remove(code)) else {
            return refused(state.knobs.refusals.code);
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
        let answer = self.issue(&mut state, &code.user, code.nonce.as_deref(), Some(code.auth_time));
        json(200, &answer)
    }

    fn refresh(&self, form: &[(String, String)]) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        let presented = field(form, "refresh_token").unwrap_or_default().to_owned();
        let Some(user) = state.refresh_tokens.get(&presented).cloned() else {
            return refused(state.knobs.refusals.refresh_token);
        };
        if let Some((status, body)) = state.knobs.no_refresh_for.get(user.as_str()) {
            return text(*status, "application/json", (*body).to_owned());
        }
        if state.knobs.rotate && !state.knobs.no_new_refresh_token {
            state.refresh_tokens.remove(&presented);
        }
        let mut answer = self.issue(&mut state, &user, None, None);
        overlay(answer.as_object_mut().unwrap(), &state.knobs.refresh_answer);
        json(200, &answer)
    }

    /// Without an `auth_time` it is a refresh.
    fn issue(&self, state: &mut State, name: &str, nonce: Option<&str>, auth_time: Option<i64>) -> Value {
        let refreshed = auth_time.is_none();
        let now = self.clock.wall().as_seconds();
        let life = i64::try_from(state.knobs.access_token_life.as_secs()).unwrap();
        let user = state.users[name].clone();
        let mut access_token = format!("access-{}", random_token());
        let mut claims = json!({
            "iss": self.issuer(), "sub": user.subject, "aud": CLIENT_ID, "exp": now + life, "iat": now,
            "auth_time": auth_time.unwrap_or(now), "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"], "jti": random_token(),
        });
        let object = claims.as_object_mut().unwrap();
        object.extend(nonce.map(|nonce| ("nonce".to_owned(), json!(nonce))));
        object.extend(user.sid.map(|sid| ("sid".to_owned(), json!(sid))));
        if state.knobs.claims_in_id_token {
            object.extend(user.claims);
        }
        if state.knobs.one_token {
            object.insert("tokenType".to_owned(), json!("access-token"));
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
        if state.knobs.one_token {
            access_token.clone_from(&id_token);
        }
        state.access_tokens.insert(access_token.clone(), name.to_owned());
        state.expiries.insert(access_token.clone(), now + life);
        let mut answer = json!({
            "access_token": access_token, "token_type": "Bearer", "scope": "openid profile email offline_access",
            "expires_in": life, "id_token": id_token,
        });
        if state.knobs.offline_access && !(refreshed && state.knobs.no_new_refresh_token) {
            if state.knobs.one_refresh_token {
                state.refresh_tokens.retain(|_, user| user != name);
            }
            let refresh_token = format!("{}{}", state.knobs.refresh_token_prefix, random_token());
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
        let now = self.clock.wall().as_seconds();
        let alive = |token: &&str| state.expiries.get(*token).is_some_and(|expiry| *expiry > now);
        let Some(user) =
            bearer.filter(alive).and_then(|token| state.users.get(state.access_tokens.get(token)?))
        else {
            return oauth_error(401, "invalid_token");
        };
        let mut claims = user.claims.clone();
        claims.insert("sub".to_owned(), json!(user.subject));
        if state.knobs.userinfo_as != UserInfoAs::Json {
            // As Keycloak does.
            claims.insert("iss".to_owned(), json!(self.issuer()));
            claims.insert("aud".to_owned(), json!(CLIENT_ID));
        }
        overlay(&mut claims, &state.knobs.userinfo);
        let claims = Value::Object(claims);
        match state.knobs.userinfo_as {
            UserInfoAs::Json => json(200, &claims),
            UserInfoAs::Signed => {
                text(200, "application/jwt;charset=UTF-8", state.keys[0].jwt("JWT", &claims))
            }
            UserInfoAs::Encrypted => text(200, "application/jwt", "e30.a.b.c.d"),
        }
    }

    async fn revoke(&self, request: Request<Incoming>) -> Response<Body> {
        let shown = request.extensions().get::<ShownCertificate>().cloned();
        let form = fields(&body_text(request).await);
        let knobs = self.state.lock().unwrap().knobs.clone();
        let by_secret = knobs.client_key.is_none() && knobs.client_certificate.is_none();
        if !by_secret && !self.knows_client(&knobs, None, &form, shown.as_ref()) {
            return refused(knobs.refusals.client);
        }
        let mut state = self.state.lock().unwrap();
        state.forms.push(("revoke".to_owned(), form.clone()));
        let token = field(&form, "token").unwrap_or_default();
        state.refresh_tokens.remove(token);
        state.access_tokens.remove(token);
        json(200, &json!({}))
    }
}

impl State {
    /// Makes the person sign in if required; returns when they did. The number of sign-in forms is counted as
    /// `login-form`.
    fn authenticate(&mut self, query: &[(String, String)], now: i64) -> i64 {
        let Some(session) = self.session.as_mut().filter(|_| self.knobs.keeps_session) else {
            self.session = Some(SsoSession { since: now, prompted: false });
            return now;
        };
        let max_age: i64 = field(query, "max_age").map_or(0, |text| text.parse().unwrap());
        let too_old = max_age > 0 && now - session.since > max_age;
        let login = field(query, "prompt").is_some_and(|words| words.split(' ').any(|word| word == "login"));
        if too_old || (login && !session.prompted) {
            *session = SsoSession { since: now, prompted: true };
            *self.counts.entry("login-form".to_owned()).or_default() += 1;
        }
        session.since
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?.to_owned();
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    // RFC 6749 §2.3.1: both halves are form-encoded.
    let plain = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    Some((plain(id), plain(secret)))
}
