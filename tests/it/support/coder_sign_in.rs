//! Coder's OpenID Connect callback, both legs, and its refresh without a lock.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::coder::{Key, Setup, Shared, User, Version, alphanumeric, api, cookie, decorate, message, uuid};
use super::server::{Body, field, fields, redirect, text};

/// What Coder keeps of a sign-in (`user_links`).
#[derive(Clone, Debug)]
pub struct Link {
    pub linked_id: String,
    pub access_token: String,
    pub refresh_token: String,
    /// In seconds since the Unix epoch.
    pub expiry: i64,
}

/// How Coder authenticates at its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    Basic,
    Body,
}

/// What a conversion of a password account is recognized by: its state, and the session of the account.
struct Merge<'a> {
    state: &'a str,
    old_key: Option<&'a str>,
}

impl Shared {
    pub async fn callback(&self, request: Request<Incoming>) -> Response<Body> {
        let query = fields(request.uri().query().unwrap_or_default());
        if let Some(error) = field(&query, "error") {
            let detail = field(&query, "error_description");
            return message(400, &format!("Encountered error in oidc process: {error}"), detail);
        }
        match field(&query, "code") {
            None => self.first_leg(&query),
            Some(code) => self.second_leg(code, &query, request.headers()).await,
        }
    }

    fn first_leg(&self, query: &[(String, String)]) -> Response<Body> {
        let setup = self.setup();
        let state = field(query, "oidc_merge_state").map_or_else(alphanumeric::<32>, ToOwned::to_owned);
        let wanted = field(query, "redirect").unwrap_or_default();
        let local = url::Url::parse("http://x/").unwrap().join(wanted).unwrap();
        let local =
            if wanted.is_empty() { String::new() } else { local[url::Position::BeforePath..].to_owned() };
        let mut to = url::Url::parse(&setup.issuer_url).unwrap().join("authorize").unwrap();
        to.query_pairs_mut()
            .append_pair("access_type", "offline")
            .append_pair("client_id", &setup.client_id)
            .append_pair("redirect_uri", &callback_url(&setup))
            .append_pair("response_type", "code")
            .append_pair("scope", "openid profile email offline_access")
            .append_pair("state", &state);
        let mut cookies = vec![format!("oauth_state={state}"), format!("oauth_redirect={local}")];
        if setup.version == Version::February2026 {
            let verifier = alphanumeric::<43>();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            to.query_pairs_mut()
                .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(digest.as_ref()))
                .append_pair("code_challenge_method", "S256");
            cookies.push(format!("oauth_pkce_verifier={verifier}"));
        }
        let mut response = redirect(307, to.as_str());
        decorate(response.headers_mut());
        for pair in cookies {
            let line = format!("{pair}; Path=/; HttpOnly; SameSite=Lax");
            response.headers_mut().append(header::SET_COOKIE, line.parse().unwrap());
        }
        response
    }

    async fn second_leg(
        &self,
        code: &str,
        query: &[(String, String)],
        headers: &http::HeaderMap,
    ) -> Response<Body> {
        let Some(state) = field(query, "state") else { return message(400, "State must be provided.", None) };
        let Some(expected) = cookie(headers, "oauth_state") else {
            return message(401, "Cookie \"oauth_state\" must be provided.", None);
        };
        if state != expected {
            return message(401, "State mismatched.", None);
        }
        let setup = self.setup();
        let verifier = cookie(headers, "oauth_pkce_verifier");
        if setup.version == Version::February2026 && verifier.is_none() {
            return message(400, "PKCE verifier cookie is missing.", None);
        }
        let mut form = vec![("grant_type", "authorization_code"), ("code", code)];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let redirect_uri = callback_url(&setup);
        form.push(("redirect_uri", &redirect_uri));
        let tokens = match self.token_request(&setup, &form).await {
            Ok(tokens) => tokens,
            Err(detail) => return message(500, "Failed exchanging Oauth code.", Some(&detail)),
        };
        let claims = match self.claims(&setup, &tokens).await {
            Ok(claims) => claims,
            Err(refusal) => return *refusal,
        };
        let redirect_to = cookie(headers, "oauth_redirect").filter(|to| !to.is_empty()).unwrap_or("/");
        let old_key = cookie(headers, self.session_cookie());
        self.sign_in(&setup, &Merge { state, old_key }, &tokens, &claims, redirect_to)
    }

    /// Merges claims as Coder does, and checks them as Coder does.
    async fn claims(&self, setup: &Setup, tokens: &Value) -> Result<Value, Box<Response<Body>>> {
        let id_token = tokens["id_token"].as_str().unwrap_or_default();
        let verified = self.verify(setup, id_token).await;
        let mut claims =
            verified.map_err(|error| Box::new(message(400, "Failed to verify OIDC token.", Some(&error))))?;
        let url = format!("{}userinfo", setup.issuer_url);
        let request = Request::get(url)
            .header(
                "authorization",
                format!("Bearer {}", tokens["access_token"].as_str().unwrap_or_default()),
            )
            .header("user-agent", "Go-http-client/1.1")
            .body(Bytes::new());
        let answer = self.http.send(request.unwrap()).await;
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else {
            return Err(Box::new(message(500, "Failed to obtain user information claims.", None)));
        };
        claims.as_object_mut().unwrap().extend(answer.json().as_object().unwrap().clone());
        refuse(setup, &claims).map_or(Ok(claims), |refusal| Err(Box::new(refusal)))
    }

    fn sign_in(
        &self,
        setup: &Setup,
        merge: &Merge<'_>,
        tokens: &Value,
        claims: &Value,
        to: &str,
    ) -> Response<Body> {
        let linked_id = format!("{}||{}", claims["iss"].as_str().unwrap(), claims["sub"].as_str().unwrap());
        let email = claims["email"].as_str().unwrap().to_owned();
        let link = Link {
            linked_id: linked_id.clone(),
            access_token: tokens["access_token"].as_str().unwrap().to_owned(),
            refresh_token: tokens["refresh_token"].as_str().unwrap_or_default().to_owned(),
            expiry: self.clock.wall().as_seconds() + tokens["expires_in"].as_i64().unwrap_or(0),
        };
        let mut state = self.state();
        let converting = state.converting.remove(merge.state);
        let known = state.users.iter().position(|user| {
            let linked = user.link.as_ref().map(|link| &link.linked_id) == Some(&linked_id);
            linked || user.email == email || converting.as_ref() == Some(&user.id)
        });
        let at = known.unwrap_or_else(|| {
            let owner = state.users.is_empty();
            let username = claims["preferred_username"].as_str().unwrap_or("user").to_owned();
            state.users.push(User {
                id: uuid(),
                username,
                email,
                login_type: "oidc",
                owner,
                status: "active",
                link: None,
            });
            state.users.len() - 1
        });
        let user = &mut state.users[at];
        if user.login_type != "oidc" && converting.as_ref() != Some(&user.id) {
            let why = "Attempting to use login type \"oidc\", but the user has the login type \"password\".";
            return error_page("Incorrect login type", why);
        }
        user.login_type = "oidc";
        user.link = Some(link);
        let id = user.id.clone();
        if converting.is_some() && merge.old_key.is_some_and(|key| state.keys.remove(key).is_some()) {
            return self.converted(to);
        }
        let token = state.make_key(&id, "oidc", "all");
        drop(state);
        let mut response = redirect(307, to);
        decorate(response.headers_mut());
        let secure = if setup.host_prefix_cookie { "; Secure" } else { "" };
        let line = format!("{}={token}; Path=/; HttpOnly{secure}; SameSite=Lax", self.session_cookie());
        response.headers_mut().append(header::SET_COOKIE, line.parse().unwrap());
        response
    }

    /// A conversion ends the session with which it was asked for: a second sign-in follows.
    fn converted(&self, to: &str) -> Response<Body> {
        let mut response = redirect(307, to);
        decorate(response.headers_mut());
        let line = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", self.session_cookie());
        response.headers_mut().append(header::SET_COOKIE, line.parse().unwrap());
        response
    }

    /// As golang.org/x/oauth2 guesses: Basic first, on any error the same again in the body; the method that worked is
    /// kept.
    async fn token_request(&self, setup: &Setup, form: &[(&str, &str)]) -> Result<Value, String> {
        let known = self.state().authentication;
        if let Some(known) = known {
            return self.token_request_by(known, setup, form).await;
        }
        let mut outcome = Err(String::new());
        for way in [Authentication::Basic, Authentication::Body] {
            outcome = self.token_request_by(way, setup, form).await;
            if outcome.is_ok() {
                self.state().authentication = Some(way);
                break;
            }
        }
        outcome
    }

    async fn token_request_by(
        &self,
        way: Authentication,
        setup: &Setup,
        form: &[(&str, &str)],
    ) -> Result<Value, String> {
        let mut form = form.to_vec();
        let mut request = Request::post(format!("{}token", setup.issuer_url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("user-agent", "Go-http-client/1.1");
        match way {
            Authentication::Basic => {
                // Both halves are form-encoded (url.QueryEscape).
                let [id, secret] = [&setup.client_id, &setup.client_secret]
                    .map(|half| url::form_urlencoded::byte_serialize(half.as_bytes()).collect::<String>());
                let credentials = STANDARD.encode(format!("{id}:{secret}"));
                request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
            }
            Authentication::Body => {
                form.extend([
                    ("client_id", setup.client_id.as_str()),
                    ("client_secret", &setup.client_secret),
                ]);
            }
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.body(Bytes::from(body)).unwrap();
        let answer = self.http.send(request).await.map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("oauth2: {}", answer.text())) }
    }

    /// Finds and judges the key of a request as Coder's middleware does, refresh included.
    pub async fn authenticate(&self, request: &Request<Incoming>) -> Result<(String, Key), Response<Body>> {
        let Some(token) = self.presented(request) else {
            let name = self.session_cookie();
            return Err(self.unauthorized(&format!("Cookie \"{name}\" or query parameter must be provided.")));
        };
        let (key, link) = {
            let state = self.state();
            let Some(key) = state.keys.get(&token).cloned() else {
                return Err(self.unauthorized("API key is invalid."));
            };
            // coderd/httpmw/apikey.go of 2.31: a suspended user has keys, and each is refused.
            if state.user(&key.user).is_some_and(|user| user.status == "suspended") {
                let why = "User is not active (status = \"suspended\"). Contact an admin to reactivate your account.";
                return Err(message(401, why, None));
            }
            let link = state.user(&key.user).and_then(|user| user.link.clone());
            (key, link)
        };
        if key.login_type == "oidc"
            && let Some(link) = link
            && link.expiry <= self.clock.wall().as_seconds()
        {
            self.refresh(&key, &link).await?;
        }
        Ok((token, key))
    }

    async fn refresh(&self, key: &Key, link: &Link) -> Result<(), Response<Body>> {
        let setup = self.setup();
        let form = [("grant_type", "refresh_token"), ("refresh_token", link.refresh_token.as_str())];
        let tokens = self.token_request(&setup, &form).await.map_err(|detail| {
            let body = json!({
                "message": "Could not refresh expired OpenID Connect token. Try re-authenticating to resolve this issue.",
                "detail": detail,
            });
            api(401, &body)
        })?;
        let mut state = self.state();
        if let Some(user) = state.users.iter_mut().find(|user| user.id == key.user)
            && let Some(link) = &mut user.link
        {
            tokens["access_token"].as_str().unwrap().clone_into(&mut link.access_token);
            if let Some(refresh_token) = tokens["refresh_token"].as_str() {
                refresh_token.clone_into(&mut link.refresh_token);
            }
            link.expiry = self.clock.wall().as_seconds() + tokens["expires_in"].as_i64().unwrap_or(0);
        }
        Ok(())
    }
}

/// Coder's own error page (site/static/error.html), 403.
pub fn error_page(title: &str, description: &str) -> Response<Body> {
    text(403, "text/html; charset=utf-8", error_page_text(title, description))
}

/// Its text, as Go's html/template writes it.
pub fn error_page_text(title: &str, description: &str) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('"', "&#34;").replace('\'', "&#39;");
    let (title, description) = (escaped(title), escaped(description));
    format!(
        "\n<!doctype html>\n<html lang=\"en\">\n\t<head>\n\t\t<title>{title}\n\t\t</title>\n\t</head>\n\t<body>\n\
         \t\t<h1>{title}</h1>\n\t\t<p>{description}</p>\n\
         \t\t<div class=\"button-group\"><a href=\"/login\">Back to login</a></div>\n\t</body>\n</html>\n"
    )
}

fn refuse(setup: &Setup, claims: &Value) -> Option<Response<Body>> {
    let email = claims["email"].as_str().unwrap_or_default();
    if claims["email_verified"] == json!(false) {
        let why = format!("Verify the \"{email}\" email address on your OIDC provider to authenticate!");
        return Some(message(403, &why, None));
    }
    if !email.to_ascii_lowercase().ends_with(&format!("@{}", setup.email_domain)) {
        let why = format!(
            "Your email \"{email}\" is not from an authorized domain! Please contact your administrator."
        );
        return Some(message(403, &why, None));
    }
    None
}

fn callback_url(setup: &Setup) -> String {
    format!("{}/api/v2/users/oidc/callback", setup.access_url.trim_end_matches('/'))
}
