//! authentik's recorded responses, of both versions, with the clock set to their time. They are kept next to the
//! repository; without them these tests do nothing and report that.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::backchannel;
use super::super::id_token::{ExpectedIdToken, verify_id_token};
use super::super::jws;
use super::super::keys::KeySet;
use super::super::logout;
use super::super::metadata::Metadata;
use super::super::person::judge;
use super::super::user_info;
use super::*;
use crate::types::Subject;

const ISSUER: &str = "http://127.0.0.1:9000/application/o/coder/";

/// The folder of each recorded version.
#[expect(clippy::disallowed_methods, reason = "says where the recordings are; only the tests read it")]
fn versions() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("VESTIBULE_RECORDINGS").map(PathBuf::from);
    let beside = ["../shared/recordings", "../../shared/recordings"].map(|path| here.join(path));
    let root = named.into_iter().chain(beside).map(|root| root.join("authentik")).find(|root| root.is_dir());
    let Some(root) = root else {
        println!("skipped: no recordings beside the repository (VESTIBULE_RECORDINGS)");
        return Vec::new();
    };
    let mut versions: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    versions.sort();
    assert!(versions.len() >= 2, "both versions are there");
    versions
}

fn read(folder: &Path, name: &str) -> Value {
    let path = folder.join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn keys(folder: &Path, name: &str) -> KeySet {
    KeySet::parse(&read(folder, name)["response"]["json"].to_string()).unwrap()
}

/// Every recording with tokens, with its name.
fn token_recordings(folder: &Path) -> Vec<(String, Value)> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let wanted = |name: &String| name.starts_with("token-") || name.starts_with("refresh");
    let all = names.filter(wanted).map(|name| (name.clone(), read(folder, &name)));
    all.filter(|(_, recording)| recording["response"]["json"]["id_token"].is_string()).collect()
}

#[test]
fn authentiks_id_tokens_hold_and_its_access_tokens_are_never_taken_for_one() {
    for folder in versions() {
        let mut held = 0;
        for (name, recording) in token_recordings(&folder) {
            let answer = &recording["response"]["json"];
            let [id_token, access_token] =
                ["id_token", "access_token"].map(|field| Secret::new(answer[field].as_str().unwrap()));
            let claims = &recording["decoded"]["id_token"]["claims"];
            let nonce = claims["nonce"].as_str().map(Secret::new);
            let subject = claims["sub"].as_str().map(|sub| Subject::parse(sub).unwrap());
            let expected = ExpectedIdToken {
                issuer: if name.contains("global-issuer") { "http://127.0.0.1:9000/" } else { ISSUER },
                client_id: "coder-client-id",
                algorithms: &Algorithm::ALL,
                now: Timestamp::from_seconds(claims["iat"].as_i64().unwrap_or(NOW)),
                nonce: nonce.as_ref(),
                access_token: &access_token,
                max_age: Some(Duration::from_hours(1)).filter(|_| claims["auth_time"].is_number()),
                subject: subject.as_ref(),
                danger_access_token: false,
            };
            let keys = keys(&folder, if name.contains("es256") { "jwks-es256" } else { "jwks-rs256" });
            let found = verify_id_token(&id_token, &keys, &expected).map(|token| token.sid);
            match name.as_str() {
                "token-encrypted" => assert_eq!(found, Err(IdTokenError::Token(JwsError::Encrypted))),
                "token-hs256" => {
                    assert_eq!(found, Err(IdTokenError::Token(JwsError::SharedSecret("HS256".to_owned()))));
                }
                _ => {
                    let sid = found.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(sid.as_deref(), claims["sid"].as_str(), "{name}");
                    super::libraries::second_opinion(
                        id_token.expose(),
                        &keys,
                        &expected,
                        &serde_json::json!({"name": name}),
                    );
                    held += 1;
                    let other = ExpectedIdToken { access_token: &id_token, ..expected };
                    let found = verify_id_token(&access_token, &keys, &other).map(drop);
                    assert_eq!(found, Err(IdTokenError::AccessToken), "{name}");
                }
            }
        }
        println!("{}: {held} ID tokens hold", folder.display());
        assert!(held >= 12);
    }
}

#[test]
fn authentiks_discovery_documents_are_taken_or_refused_with_the_reason() {
    for folder in versions() {
        let settings = settings(ISSUER);
        for name in ["discovery-per-provider", "discovery-es256", "discovery-encryption"] {
            let text = read(&folder, name)["response"]["json"].to_string();
            let metadata = Metadata::read(&text, &settings).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                metadata.revocation.is_some()
                    && metadata.end_session.is_some()
                    && metadata.user_info.is_some()
            );
            assert!(!metadata.response_has_issuer, "authentik sends no iss");
            assert!(metadata.is_authentik);
        }
        let refused = |name: &str| {
            Metadata::read(&read(&folder, name)["response"]["json"].to_string(), &settings)
                .map(drop)
                .unwrap_err()
        };
        assert!(matches!(refused("discovery-global-issuer"), DiscoveryError::Issuer { .. }));
        assert_eq!(refused("discovery-hs256"), DiscoveryError::SharedSecret("HS256".to_owned()));
    }
}

/// The ID token decides the parameters of a sign-out: `jti` came with the version that sends browsers back.
#[test]
fn authentiks_versions_are_told_apart_by_their_id_tokens() {
    for folder in versions() {
        let year = folder.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
        for (name, recording) in token_recordings(&folder) {
            if matches!(name.as_str(), "token-encrypted" | "token-client-credentials") {
                continue;
            }
            let hint = recording["response"]["json"]["id_token"].as_str().unwrap();
            let claims = jws::claims_again(hint).unwrap();
            assert!(logout::is_of_authentik(&claims), "{year} {name}");
            let sends_back = logout::sends_back(true, Some(&claims));
            assert_eq!(sends_back, year.as_str() >= "2026", "{year} {name}");
        }
    }
}

#[test]
fn authentiks_keys_are_read_and_an_empty_set_is_refused() {
    for folder in versions() {
        assert_eq!(keys(&folder, "jwks-rs256").all().len(), 1);
        assert_eq!(keys(&folder, "jwks-es256").all().len(), 1);
        assert_eq!(
            keys(&folder, "jwks-with-encryption-key").all().len(),
            1,
            "the encryption key is left out"
        );
        let empty = read(&folder, "jwks-no-signing-key")["response"]["json"].to_string();
        assert_eq!(KeySet::parse(&empty).map(drop), Err(JwksError::Empty));
    }
}

#[test]
fn authentiks_logout_tokens_hold() {
    for folder in versions() {
        let recording = read(&folder, "backchannel-logout");
        let body = recording["request"]["body"].as_str().unwrap();
        let token = body.strip_prefix("logout_token=").unwrap();
        let claims =
            backchannel::signed_claims(token, &keys(&folder, "jwks-rs256"), &Algorithm::ALL).unwrap();
        let now = Timestamp::from_seconds(recording["decoded"]["claims"]["iat"].as_i64().unwrap());
        let found = backchannel::check_logout_claims(&claims.map, ISSUER, "coder-client-id", now).unwrap();
        assert_eq!(found.sid.as_deref(), recording["id_token_sid"].as_str());
        assert!(found.subject.is_some());
    }
}

#[test]
fn authentiks_userinfo_is_read_and_its_default_is_refused_by_name() {
    for folder in versions() {
        let recording = read(&folder, "userinfo");
        let answer = &recording["response"]["json"];
        let subject = Subject::parse(answer["sub"].as_str().unwrap()).unwrap();
        let claims = user_info::read(answer.to_string().as_bytes(), &subject).unwrap();
        let mut settings = settings(ISSUER);
        let refusal = judge(&claims, &settings).unwrap_err();
        assert!(refusal.detail().contains("email_verified") && refusal.detail().contains("scope mapping"));
        settings.ignore_email_verified = true;
        settings.group_field = Some("groups".to_owned());
        settings.groups_allowed = vec!["coder-admins".to_owned()];
        assert_eq!(judge(&claims, &settings).unwrap().email.as_str(), "alice@example.com");
    }
}
