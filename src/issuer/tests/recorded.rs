//! Replays what both versions of Coder really send: the project's own vectors always, and recordings of a real Coder
//! if they are next to the repository.

use std::collections::HashMap;
use std::path::Path;

use http::header::AUTHORIZATION;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::form_urlencoded;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    exchanges: Vec<Exchange>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Asking,
    pub(super) response: Answered,
}

#[derive(Clone, Deserialize)]
pub(super) struct Asking {
    method: String,
    pub(super) path: String,
    headers: HashMap<String, String>,
    body: Option<HashMap<String, String>>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Answered {
    status: u16,
    pub(super) body: Value,
}

fn versions() -> Vec<Version> {
    let text = include_str!("../../../tests/vectors/issuer.json");
    serde_json::from_str::<Vectors>(text).expect("the vectors are JSON").versions
}

pub(super) fn vectors() -> Vec<Exchange> {
    versions().remove(0).exchanges
}

/// Responds with what was recorded, for exactly what was presented then.
struct Recorded(Vec<Exchange>);

impl Recorded {
    fn tokens(&self, presented: &[(&str, Option<&str>)]) -> Result<TokenReply, TokenRefusal> {
        let same = |exchange: &&Exchange| {
            let form = exchange.request.body.as_ref();
            let of = |name: &str| form.and_then(|form| form.get(name)).map(String::as_str);
            form.is_some() && presented.iter().all(|(name, value)| of(name) == *value)
        };
        let answered = &self.0.iter().find(same).ok_or(TokenRefusal::Invalid)?.response;
        if answered.status != 200 {
            return Err(TokenRefusal::Invalid);
        }
        let text = |name: &str| answered.body[name].as_str().unwrap_or_default().to_owned();
        Ok(TokenReply {
            access_token: text("access_token").into(),
            expires_in: Duration::from_secs(answered.body["expires_in"].as_u64().expect("a number")),
            refresh_handle: text("refresh_token").into(),
            id_token: text("id_token").into(),
            scope: Some(text("scope")),
        })
    }
}

impl TokenSource for Arc<Recorded> {
    async fn redeem(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<TokenReply, TokenRefusal> {
        let verifier = verifier.map(Secret::expose);
        let redirect_uri = Some(redirect_uri);
        self.tokens(&[
            ("code", Some(code.expose())),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ])
    }

    async fn by_handle(&self, handle: &Secret) -> Result<TokenReply, TokenRefusal> {
        self.tokens(&[("refresh_token", Some(handle.expose())), ("code", None)])
    }

    async fn user_info(&self, access_token: &Secret) -> Result<Map<String, Value>, TokenRefusal> {
        let bearer = format!("Bearer {}", access_token.expose());
        let same = |exchange: &&Exchange| exchange.request.headers.get("Authorization") == Some(&bearer);
        let found = self.0.iter().find(same).ok_or(TokenRefusal::Invalid)?;
        found.response.body.as_object().cloned().ok_or(TokenRefusal::Invalid)
    }
}

fn issuer_for(exchanges: &[Exchange]) -> IssuerEndpoint<Arc<Recorded>> {
    let keys = exchanges.iter().find(|exchange| exchange.request.path == "/jwks").expect("a key set");
    issuer_of(
        Arc::new(Recorded(exchanges.to_vec())),
        provider(Some(&discovery()), &keys.response.body.to_string()),
    )
}

fn encode(form: &HashMap<String, String>) -> String {
    let mut sorted: Vec<_> = form.iter().collect();
    sorted.sort();
    form_urlencoded::Serializer::new(String::new()).extend_pairs(sorted).finish()
}

/// A key set as it is passed on: Coder's library does not read `key_ops`.
fn without_key_ops(value: &Value) -> Value {
    let mut value = value.clone();
    for key in value.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        key.remove("key_ops");
    }
    value
}

async fn replay(exchanges: Vec<Exchange>) {
    let issuer = issuer_for(&exchanges);
    for Exchange { request, response } in exchanges {
        let body = request.body.as_ref().map(encode).unwrap_or_default();
        if let Some(length) = request.headers.get("Content-Length") {
            assert_eq!(*length, body.len().to_string(), "encoded as Go encodes it");
        }
        let headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = ask(&issuer, (&request.method, &request.path, &headers, &body)).await;
        assert_eq!(answer.status().as_u16(), response.status, "{} {}", request.method, request.path);
        let answer = value(answer).await;
        // Coder accepted these members; others do not disturb it, nor do more algorithms.
        for (name, wanted) in response.body.as_object().expect("an object") {
            if name == "id_token_signing_alg_values_supported" {
                let wanted = wanted.as_array().expect("a list");
                let found = answer[name].as_array().expect("a list");
                assert!(!wanted.is_empty() && wanted.iter().all(|one| found.contains(one)), "{found:?}");
                continue;
            }
            assert_eq!(answer[name], without_key_ops(wanted), "{} {name}", request.path);
        }
    }
}

#[tokio::test]
async fn what_each_version_of_coder_sends_is_answered() {
    for version in versions() {
        replay(version.exchanges).await;
    }
}

#[tokio::test]
async fn what_a_real_coder_sent_is_answered_as_it_was_then() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["../shared/recordings/coder", "../../shared/recordings/coder"].map(|folder| root.join(folder));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        println!("no recordings of a real Coder beside the repository: only the vectors were replayed");
        return;
    };
    for version in ["2025-07", "2026-02"] {
        let path = folder.join(version).join("internal-issuer.json");
        let text = std::fs::read_to_string(path).expect("a recording");
        let exchanges: Vec<Exchange> = serde_json::from_str(&text).expect("the recording is JSON");
        assert!(exchanges.len() >= 17, "{version}");
        replay(exchanges).await;
    }
}

/// Over a real socket, byte for byte as Coder's HTTP client writes it, in both styles.
#[tokio::test]
async fn a_wrong_style_first_and_the_right_one_after_it_sign_somebody_in() {
    let issuer = issuer(Fake::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = issuer.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let service = hyper::service::service_fn(move |request| {
            let issuer = serving.clone();
            async move { Ok::<_, std::convert::Infallible>(issuer.handle(request).await) }
        });
        let stream = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
    });
    let mut coder = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let wrong = "Authorization: Basic Y2lkOndyb25n\r\n";
    let post = format!("{GOOD}&client_id=cid&client_secret=sec");
    for (header, body, status) in [(wrong, GOOD, "401"), ("", post.as_str(), "200")] {
        let length = body.len();
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: \
             {length}\r\n{header}Content-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip\r\n\r\n\
             {body}"
        );
        coder.write_all(request.as_bytes()).await.expect("an open connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(coder.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("ASCII");
        assert_eq!(head.split(' ').nth(1), Some(status));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        coder.read_exact(&mut body).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["access_token"].as_str().is_some(), status == "200");
    }
    let presented = format!("code the-code {CALLBACK} the-verifier");
    assert_eq!(issuer.tokens.seen(), [presented], "the first attempt spent nothing");
}

#[test]
fn every_vector_has_the_headers_that_coder_sends() {
    for exchange in versions().into_iter().flat_map(|version| version.exchanges) {
        assert_eq!(exchange.request.headers["User-Agent"], "Go-http-client/1.1");
        let authenticated = matches!(exchange.request.path.as_str(), "/token" | "/userinfo");
        let header =
            exchange.request.headers.keys().any(|name| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
        assert_eq!(header, authenticated);
    }
}
