//! Recordings of a real Coder of both versions, if present next to the repository.

use std::path::Path;

use serde_json::Value;

use super::*;

#[derive(Deserialize)]
struct Exchange {
    name: String,
    response: Answered,
}

#[derive(Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Exchange {
    /// The recorded response, ready to be replayed.
    fn again(&self) -> Recorded {
        let body = self.response.body.as_str().map_or_else(|| self.response.body.to_string(), str::to_owned);
        let sent = |(name, _): &&(String, String)| !name.eq_ignore_ascii_case("content-length");
        let headers = self.response.headers.iter().filter(sent).cloned().collect();
        Recorded { status: self.response.status, headers, body }
    }
}

fn find<'a>(exchanges: &'a [Exchange], name: &str) -> &'a Exchange {
    exchanges.iter().find(|exchange| exchange.name == name).expect("a recorded exchange")
}

async fn hand_over(first: &Exchange, second: &Exchange) -> HandoffResult {
    let (handoff, _) = coder(vec![first.again(), second.again()]).await;
    handoff.finish(started(&handoff).await, &Secret::new("code")).await.expect("Coder answers")
}

#[tokio::test]
async fn what_a_real_coder_answered_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["../shared/recordings/coder", "../../shared/recordings/coder"].map(|folder| root.join(folder));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        println!("no recordings of a real Coder beside the repository: only the vectors were replayed");
        return;
    };
    for (version, pkce) in [("2025-07", false), ("2026-02", true)] {
        let path = folder.join(version).join("public-and-callback.json");
        let text = std::fs::read_to_string(path).expect("a recording");
        let exchanges: Vec<Exchange> = serde_json::from_str(&text).expect("the recording is JSON");
        let first = find(&exchanges, "callback: start /api/v2/users/oidc/callback?redirect=%2Fworkspaces");
        let (handoff, _) = coder(vec![first.again()]).await;
        assert_eq!(started(&handoff).await.code_challenge().is_some(), pkce, "{version}");

        for (name, target) in [
            ("first user signs in (becomes owner)", "/workspaces"),
            ("second user signs in (member)", "/workspaces"),
            ("redirect to another origin", "/steal?a=b"),
        ] {
            let done = hand_over(first, find(&exchanges, name)).await;
            assert!(done.session.is_some(), "{version} {name}");
            assert_eq!(done.response.headers()[LOCATION], target);
        }
        for name in [
            "email domain not allowed",
            "email_verified false",
            "password user signs in by oidc without converting",
            "callback: code unknown to the issuer",
        ] {
            let answer = find(&exchanges, name).again();
            let refusal = refused(&first.again(), &answer).await;
            assert_eq!(refusal.status().as_u16(), answer.status, "{version} {name}");
            match relay_json(&refusal) {
                Some(relayed) => assert_eq!(body(relayed).await, answer.body),
                None => assert_eq!(refusal.message(), "Incorrect login type", "{version} {name}"),
            }
            assert!(refusal.remedy().is_some(), "{version} {name}: {refusal}");
        }
    }
}
