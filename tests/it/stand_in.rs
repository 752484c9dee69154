//! Compares the stand-in for Coder with the real one's responses in `tests/vectors`, and, if
//! the recordings themselves are next to the repository, those with the vectors.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde_json::Value;
use vestibule::types::Clock;

use crate::support::client::{Answer, send};
use crate::support::coder::{Coder, Setup, Version};
use crate::support::server::Server;
use crate::support::world::START;

/// The relevant parts of one exchange with a real Coder.
#[derive(Debug, Deserialize)]
struct Exchange {
    name: String,
    method: String,
    path: String,
    #[serde(rename = "as")]
    bearer: String,
    status: u16,
    content_type: Option<String>,
    #[serde(default)]
    cookies: BTreeSet<String>,
    #[serde(default)]
    www_authenticate: bool,
    #[serde(default)]
    location: bool,
    #[serde(default)]
    members: BTreeSet<String>,
    body: Option<Value>,
}

const VERSIONS: [(&str, Version, &str); 2] = [
    ("2025-07", Version::July2025, include_str!("../vectors/coder-answers-2025-07.json")),
    ("2026-02", Version::February2026, include_str!("../vectors/coder-answers-2026-02.json")),
];

#[tokio::test]
async fn the_stand_in_answers_as_the_real_coder_did() {
    for (name, version, text) in VERSIONS {
        let exchanges: Vec<Exchange> = serde_json::from_str(text).unwrap();
        assert!(exchanges.len() > 50, "{name}");
        let coder = stand_in(version).await;
        let mut users = None;
        let mut wrong = Vec::new();
        for exchange in &exchanges {
            // The real one had no users while it was asked without a credential.
            if users.is_none() && !exchange.name.starts_with("anonymous") {
                users = Some((coder.add_user("alice", "oidc").0, coder.add_user("bob", "oidc").0));
            }
            let bob = users.as_ref().map_or("", |(_, bob)| bob);
            let tokens = Tokens {
                member: coder.make_key(bob, "oidc", "all"),
                scoped: coder.make_key(bob, "token", "application_connect"),
            };
            let answer = ask(&coder, &tokens, exchange).await;
            if let Some(difference) = difference(exchange, &answer) {
                wrong.push(format!("{name}: {}: {difference}", exchange.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The credentials of the exchanges.
struct Tokens {
    member: String,
    scoped: String,
}

async fn stand_in(version: Version) -> Coder {
    let setup = Setup {
        version,
        access_url: "http://127.0.0.1:3000".to_owned(),
        wildcard: None,
        issuer_url: "http://127.0.0.1:3001/".to_owned(),
        client_id: "cid".to_owned(),
        client_secret: "coder-secret".to_owned(),
        email_domain: "acme.company".to_owned(),
        host_prefix_cookie: false,
    };
    Coder::on(Server::bind().await, setup, &Clock::manual(START).0)
}

async fn ask(coder: &Coder, tokens: &Tokens, exchange: &Exchange) -> Answer {
    let path = exchange.path.replace("{token}", &tokens.member);
    let url = format!("http://{}{path}", coder.address);
    let mut request = Request::builder().method(exchange.method.as_str()).uri(url);
    let garbage = "abcdefghij-abcdefghijklmnopqrstuv";
    request = match exchange.bearer.as_str() {
        "nobody" | "member by query" => request,
        "member" => request.header("coder-session-token", &tokens.member),
        "member by cookie" => request.header("cookie", format!("coder_session_token={}", tokens.member)),
        "member by bearer" => request.header("authorization", format!("Bearer {}", tokens.member)),
        "scoped" => request.header("coder-session-token", &tokens.scoped),
        "garbage" => request.header("coder-session-token", garbage),
        "malformed" => request.header("coder-session-token", "nonsense"),
        "garbage by cookie" => request.header("cookie", format!("coder_session_token={garbage}")),
        "another state" => request.header("cookie", "oauth_state=other"),
        other => panic!("nobody knows how to be {other}"),
    };
    let body = exchange.body.as_ref().map(Value::to_string).unwrap_or_default();
    send(request.body(Bytes::from(body)).unwrap()).await.unwrap()
}

fn difference(exchange: &Exchange, answer: &Answer) -> Option<String> {
    let found = shape(answer);
    let members = if exchange.members.is_empty() { BTreeSet::new() } else { found.members };
    let told = (
        answer.status,
        found.content_type.or_else(|| exchange.content_type.clone()),
        found.cookies,
        found.www_authenticate,
        found.location,
        members,
    );
    let expected = (
        exchange.status,
        exchange.content_type.clone(),
        exchange.cookies.clone(),
        exchange.www_authenticate,
        exchange.location,
        exchange.members.clone(),
    );
    (told != expected).then(|| format!("\n  is     {told:?}\n  not    {expected:?}"))
}

/// The compared parts of a response.
struct Shape {
    content_type: Option<String>,
    cookies: BTreeSet<String>,
    www_authenticate: bool,
    location: bool,
    members: BTreeSet<String>,
}

fn shape(answer: &Answer) -> Shape {
    let cookies = answer.set_cookies();
    let names = cookies.iter().filter_map(|line| line.split('=').next()).filter(|name| *name != "csrf_token");
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let members = body.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
    Shape {
        content_type: answer.header("content-type").map(|value| value.split(';').next().unwrap().to_owned()),
        cookies: names.map(ToOwned::to_owned).collect(),
        www_authenticate: answer.header("www-authenticate").is_some(),
        location: answer.header("location").is_some(),
        members,
    }
}

#[test]
fn what_is_written_down_is_what_was_recorded() {
    for (name, _, text) in VERSIONS {
        let Some(recorded) = recorded(name) else {
            println!("skipped: the recordings of Coder {name} are not beside the repository");
            continue;
        };
        let exchanges: Vec<Exchange> = serde_json::from_str(text).unwrap();
        for exchange in &exchanges {
            let same = |entry: &&Value| entry["name"] == exchange.name.as_str();
            let entry =
                recorded.as_array().unwrap().iter().find(same).unwrap_or_else(|| panic!("{}", exchange.name));
            assert_eq!(entry["response"]["status"], exchange.status, "{name}: {}", exchange.name);
            let members: BTreeSet<String> = entry["response"]["body"]
                .as_object()
                .map(|body| body.keys().cloned().collect())
                .unwrap_or_default();
            assert_eq!(members, exchange.members, "{name}: {}", exchange.name);
        }
    }
}

fn recorded(version: &str) -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let file = format!("shared/recordings/coder/{version}/public-and-callback.json");
    let found = ["..", "../.."].iter().map(|up| root.join(up).join(&file)).find(|path| path.is_file())?;
    serde_json::from_str(&std::fs::read_to_string(found).unwrap()).unwrap()
}
