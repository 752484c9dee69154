//! A scripted provider over a real socket.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::TIMEOUT;

/// A scripted response.
#[derive(Clone)]
pub(super) struct Answer {
    status: u16,
    headers: String,
    body: String,
    never: bool,
}

impl Answer {
    /// JSON with a status.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "Content-Type: application/json\r\n", &body.to_string())
    }

    /// Any text, with header lines.
    pub(super) fn text(status: u16, headers: &str, body: &str) -> Self {
        Self { status, headers: headers.to_owned(), body: body.to_owned(), never: false }
    }

    /// No response. The client's time-out passes as soon as the request has arrived, so no test waits for it.
    pub(super) fn never() -> Self {
        Self { never: true, ..Self::text(200, "", "") }
    }
}

/// A received request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    /// Header lines, names in lower case.
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Seen {
    /// A field of the form in the body.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

#[derive(Default)]
struct Script {
    once: HashMap<String, VecDeque<Answer>>,
    always: HashMap<String, Answer>,
    seen: Vec<Seen>,
}

/// The scripted provider.
#[derive(Clone)]
pub(super) struct StandIn {
    /// Its address: `http://127.0.0.1:port`.
    pub(super) base: String,
    script: Arc<Mutex<Script>>,
}

impl StandIn {
    /// Starts a provider that responds 404 to everything.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let own = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&own)));
            }
        });
        Self { base, script }
    }

    /// Sets the response from now on.
    pub(super) fn always(&self, path: &str, answer: Answer) {
        self.script.lock().unwrap().always.insert(path.to_owned(), answer);
    }

    /// Sets the response to the next request.
    pub(super) fn once(&self, path: &str, answer: Answer) {
        self.script.lock().unwrap().once.entry(path.to_owned()).or_default().push_back(answer);
    }

    /// The requests received for a path.
    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        self.script.lock().unwrap().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// The issuer, in authentik's shape.
    pub(super) fn issuer(&self) -> String {
        format!("{}/application/o/coder/", self.base)
    }

    /// authentik's discovery document for this address.
    pub(super) fn discovery(&self) -> Value {
        let (base, issuer) = (&self.base, self.issuer());
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "userinfo_endpoint": format!("{base}/userinfo"),
            "end_session_endpoint": format!("{base}/end-session"),
            "revocation_endpoint": format!("{base}/revoke"),
            "jwks_uri": format!("{base}/jwks"),
            "response_types_supported": ["code", "id_token", "id_token token", "code id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "implicit"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "scopes_supported": ["openid", "email", "profile", "offline_access"],
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    /// The path of the discovery document.
    pub(super) const DISCOVERY: &'static str = "/application/o/coder/.well-known/openid-configuration";

    /// Responds with discovery document and JWKS.
    pub(super) fn describe(&self, discovery: &Value, jwks: &Value) {
        self.always(Self::DISCOVERY, Answer::json(200, discovery));
        self.always("/jwks", Answer::json(200, jwks));
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) -> Option<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let body = String::from_utf8_lossy(&bytes[head + 4..]).into_owned();
    let answer = {
        let mut script = script.lock().unwrap();
        script.seen.push(Seen { path: path.clone(), headers, body });
        let once = script.once.get_mut(&path).and_then(VecDeque::pop_front);
        once.or_else(|| script.always.get(&path).cloned())
            .unwrap_or_else(|| Answer::text(404, "", "no such page"))
    };
    if answer.never {
        // The client's timers belong to the same runtime.
        tokio::time::pause();
        tokio::time::advance(TIMEOUT).await;
        tokio::time::resume();
        std::future::pending::<()>().await;
    }
    let head = format!(
        "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
        answer.status,
        answer.body.len(),
        answer.headers
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(answer.body.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
