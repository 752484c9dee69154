//! Coder's anonymous routes, its dashboard and its app hosts.

use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::coder::{APP_SCOPE, Shared, Version, api, cookie, message};
use super::server::{Body, body_text, redirect, text};

/// Routes that need no credential; `None` when the path is not one.
pub fn anonymous(
    coder: &Shared,
    method: &Method,
    path: &str,
    request: &Request<Incoming>,
) -> Option<Response<Body>> {
    let get = *method == Method::GET;
    Some(match path {
        "/healthz" | "/latency-check" if get => text(200, "text/plain; charset=utf-8", "OK"),
        "/derp/latency-check" if get => bare(200),
        "/api/v2/" | "/api/v2" if get => api(200, &json!({"message": "👋"})),
        "/api/v2/buildinfo" if get => api(
            200,
            &json!({
                "external_url": "https://github.com/coder/coder", "version": "v0.0.0-devel",
                "dashboard_url": coder.setup().access_url, "telemetry": false, "workspace_proxy": false,
                "agent_api_version": "1.0", "provisioner_api_version": "1.15", "upgrade_message": "",
                "deployment_id": "00000000-0000-4000-8000-000000000000",
            }),
        ),
        "/api/v2/users/first" if get => {
            if coder.state().users.is_empty() {
                message(404, "The initial user has not been created!", None)
            } else {
                message(200, "The initial user has already been created!", None)
            }
        }
        "/api/v2/users/authmethods" if get => api(
            200,
            &json!({
                "password": {"enabled": true}, "github": {"enabled": true, "default_provider_configured": true},
                "oidc": {"enabled": true, "signInText": "Log in with authentik", "iconUrl": ""},
            }),
        ),
        "/api/v2/updatecheck" if get => {
            api(200, &json!({"current": true, "version": "v0.0.0-devel", "url": ""}))
        }
        "/api/v2/applications/auth-redirect" if get => app_hand_over(coder, request),
        _ => return None,
    })
}

/// A response without body and type.
fn bare(status: u16) -> Response<Body> {
    let mut response = text(status, "text/plain", "");
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// The real Coder's response to somebody without a credential, for routes about which nothing else is known.
pub fn recorded(coder: &Shared, request: &Request<Incoming>) -> Option<Response<Body>> {
    let text_of = match coder.setup().version {
        Version::July2025 => include_str!("../../vectors/coder-answers-2025-07.json"),
        Version::February2026 => include_str!("../../vectors/coder-answers-2026-02.json"),
    };
    let answers: Value = serde_json::from_str(text_of).unwrap();
    let target = request.uri().path_and_query()?.as_str();
    let same = |answer: &&Value| {
        answer["as"] == "nobody" && answer["method"] == request.method().as_str() && answer["path"] == target
    };
    let answer = answers.as_array()?.iter().find(same)?;
    let members = answer["members"].as_array().cloned().unwrap_or_default();
    let body: serde_json::Map<_, _> =
        members.iter().filter_map(|name| Some((name.as_str()?.to_owned(), json!("recorded")))).collect();
    let body = if body.is_empty() { String::new() } else { Value::Object(body).to_string() };
    let mut response = bare(u16::try_from(answer["status"].as_u64()?).ok()?);
    *response.body_mut() = text(200, "text/plain", body).into_body();
    let headers = response.headers_mut();
    if let Some(content_type) = answer["content_type"].as_str() {
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        headers.append(header::SET_COOKIE, format!("{cookie}=recorded; Path=/; HttpOnly").parse().unwrap());
    }
    if answer["location"] == true {
        headers.insert(header::LOCATION, "/login/device?state=recorded".parse().unwrap());
    }
    if answer["www_authenticate"] == true {
        headers.insert(header::WWW_AUTHENTICATE, "Bearer realm=\"coder\"".parse().unwrap());
    }
    Some(response)
}

/// Whether a path is of an app that only its owner may see: `/@user/workspace/apps/owned` and everything below.
pub fn is_owned_app(path: &str) -> bool {
    path.starts_with("/@") && path.split('/').skip(3).take(2).eq(["apps", "owned"])
}

/// Coder's redirect from an app to its sign-in page: the path as its router sees it, decoded, and the query.
pub fn redirect_to_login(coder: &Shared, uri: &http::Uri) -> Response<Body> {
    let path = percent_encoding::percent_decode_str(uri.path()).decode_utf8_lossy();
    let wanted = uri.query().map_or_else(|| path.to_string(), |query| format!("{path}?{query}"));
    let mut to = url::Url::parse(&coder.setup().access_url).unwrap().join("/login").unwrap();
    to.query_pairs_mut().append_pair("message", super::coder::SIGNED_OUT).append_pair("redirect", &wanted);
    redirect(303, to.as_str())
}

/// The dashboard: one page for every path that is not the API.
pub fn dashboard(path: &str) -> Response<Body> {
    if path.starts_with("/bin/") {
        return text(200, "application/octet-stream", "#!/bin/sh\n");
    }
    if path.starts_with("/assets/") {
        return text(200, "text/javascript; charset=utf-8", "// asset\n");
    }
    let page = if path == "/cli-auth" { CLI_AUTH } else { LANDING };
    let mut response = text(200, "text/html; charset=utf-8", page);
    super::coder::decorate(response.headers_mut());
    response
}

/// Sends a request's body back.
pub async fn echo(request: Request<Incoming>) -> Response<Body> {
    let body = body_text(request).await;
    let mut response = text(201, "application/octet-stream", body);
    super::coder::decorate(response.headers_mut());
    response
}

/// The access URL's part of an app's hand-over: a signed-in browser gets an encrypted key in the query.
fn app_hand_over(coder: &Shared, request: &Request<Incoming>) -> Response<Body> {
    let query = super::server::fields(request.uri().query().unwrap_or_default());
    let Some(to) = super::server::field(&query, "redirect_uri") else {
        return message(400, "Missing redirect_uri query parameter", None);
    };
    let Some(key) = coder.presented(request).and_then(|token| coder.state().keys.get(&token).cloned()) else {
        return redirect(303, "/login?message=You+are+signed+out");
    };
    let made = coder.state().make_key(&key.user, "password", APP_SCOPE);
    let mut to = url::Url::parse(to).unwrap();
    to.query_pairs_mut()
        .append_pair("coder_application_connect_api_key_35e783", &format!("encrypted-{made}"));
    redirect(303, to.as_str())
}

/// Whether a request to an app's host has a session there.
pub fn app_session(coder: &Shared, request: &Request<Incoming>) -> bool {
    cookie(request.headers(), APP_COOKIE).is_some_and(|key| coder.state().keys.contains_key(key))
}

/// An app's own host.
pub fn app_host(coder: &Shared, request: &Request<Incoming>) -> Response<Body> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host.starts_with("public--") {
        return text(200, "text/html", "<p>a public app</p>");
    }
    let uri = format!("http://{host}{}", request.uri().path());
    let query = super::server::fields(request.uri().query().unwrap_or_default());
    let handed = query.iter().find(|(name, _)| name.starts_with("coder_application_connect_api_key"));
    if let Some(key) = handed.and_then(|(_, value)| value.strip_prefix("encrypted-")) {
        let mut response = redirect(303, &uri);
        let line = format!("{APP_COOKIE}={key}; Path=/; HttpOnly; SameSite=Lax");
        response.headers_mut().append(header::SET_COOKIE, line.parse().unwrap());
        return response;
    }
    if app_session(coder, request) {
        let authorization =
            request.headers().get(header::AUTHORIZATION).map_or("none", |value| value.to_str().unwrap());
        return text(200, "text/html", format!("<p>an app; authorization: {authorization}</p>"));
    }
    let access = coder.setup().access_url;
    let mut to = url::Url::parse(&access).unwrap().join("/api/v2/applications/auth-redirect").unwrap();
    to.query_pairs_mut().append_pair("redirect_uri", &uri);
    redirect(303, to.as_str())
}

/// The hashed cookie name of an app host (32 hexadecimal digits behind the prefix).
pub const APP_COOKIE: &str = "coder_subdomain_app_session_token_0123456789abcdef0123456789abcdef";

const LANDING: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Coder stand-in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta property="csrf-token" content="token">
<style>body{font:16px system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem}</style>
<h1>Coder (stand-in)</h1><p>Signed in as <strong id="user">…</strong>; websocket: <span id="socket">…</span></p>
<p><a href="/cli-auth">Token for the CLI</a> <button id="sign-out">Sign out</button></p>
<script>
const set = (id, text) => { document.getElementById(id).textContent = text };
fetch('/api/v2/users/me').then(r => r.json()).then(me => set('user', me.username || me.message));
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/api/v2/notifications/inbox/watch');
socket.onopen = () => socket.send('hello');
socket.onmessage = event => set('socket', event.data === 'hello' ? 'echo ok' : 'odd: ' + event.data);
socket.onclose = event => set('socket', 'closed ' + event.code);
socket.onerror = () => set('socket', 'failed');
document.getElementById('sign-out').onclick = async () => {
  await fetch('/api/v2/users/logout', {method: 'POST', headers: {'X-CSRF-TOKEN': 'token'}});
  location.href = '/';
};
</script></html>"#;

const CLI_AUTH: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>CLI token</title>
<h1>Session token</h1><p><code id="token">…</code></p>
<script>
fetch('/api/v2/users/me/keys', {method: 'POST', headers: {'X-CSRF-TOKEN': 'token'}})
  .then(r => r.json()).then(made => { document.getElementById('token').textContent = made.key || made.message });
</script></html>"#;
