//! The tables of `tests/vectors/tokens`.

use serde_json::Value;

use super::super::id_token::{ExpectedIdToken, verify_id_token};
use super::super::keys::KeySet;
use super::super::metadata::Metadata;
use super::super::person::judge;
use super::signer::part;
use super::*;

fn table(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The base with `set` and `remove` of a case applied.
fn changed(base: &Value, case: &Value) -> Value {
    let mut value = base.clone();
    let members = value.as_object_mut().unwrap();
    for (name, new) in case["set"].as_object().into_iter().flatten() {
        members.insert(name.clone(), new.clone());
    }
    for name in case["remove"].as_array().into_iter().flatten() {
        members.remove(name.as_str().unwrap());
    }
    value
}

/// The token of a case.
fn token(table: &Value, case: &Value) -> String {
    if let Some(token) = case["token"].as_str() {
        return token.replace("$access_token", table["access_token"].as_str().unwrap_or_default());
    }
    let mut header = table["header"].clone();
    for (name, value) in case["header"].as_object().into_iter().flatten() {
        match value {
            Value::Null => header.as_object_mut().unwrap().remove(name),
            value => header.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    let mut claims = changed(&table["claims"], case);
    if claims["at_hash"] == "$at_hash" {
        let algorithm: Algorithm = header["alg"].as_str().unwrap().parse().unwrap();
        let hash =
            aws_lc_rs::digest::digest(algorithm.hash(), table["access_token"].as_str().unwrap().as_bytes());
        claims["at_hash"] = part(&hash.as_ref()[..hash.as_ref().len() / 2]).into();
    }
    let claims = case.get("payload").unwrap_or(&claims);
    let signer = if case["signer"] == "stranger" { &*STRANGER } else { &*PROVIDER };
    let token = signer.sign(&header, claims);
    match case["unsigned"].as_bool() {
        Some(true) => token.rsplit_once('.').map(|(input, _)| format!("{input}.")).unwrap(),
        _ => token,
    }
}

fn keys(case: &Value) -> KeySet {
    let mut jwks = PROVIDER.jwks();
    if case["second_key"] == true {
        let mut second = STRANGER.es256_jwk();
        second["kid"] = "second".into();
        jwks["keys"].as_array_mut().unwrap().push(second);
    }
    KeySet::parse(&jwks.to_string()).unwrap()
}

/// An error's name; for issuer errors without the two issuers.
fn variant(error: &impl std::fmt::Debug) -> String {
    let name = name(error);
    if name.starts_with("Issuer {") { "Issuer".to_owned() } else { name }
}

fn algorithms(case: &Value) -> Vec<Algorithm> {
    let named = case["algorithms"].as_array();
    named.map_or(Algorithm::ALL.to_vec(), |all| {
        all.iter().map(|one| one.as_str().unwrap().parse().unwrap()).collect()
    })
}

/// OpenID Connect Core §3.1.3.7, each rule with the token that breaks it; `openidconnect`'s own verifier accepts every
/// token accepted here, with the same explicit algorithms.
#[test]
fn an_id_token_holds_only_when_every_rule_does() {
    let table = table(include_str!("../../../tests/vectors/tokens/id_token.json"));
    let (nonce, access_token) =
        (Secret::new(table["nonce"].as_str().unwrap()), Secret::new(table["access_token"].as_str().unwrap()));
    for case in table["cases"].as_array().unwrap() {
        let token = token(&table, case);
        let (keys, algorithms) = (keys(case), algorithms(case));
        let expected = ExpectedIdToken {
            issuer: table["issuer"].as_str().unwrap(),
            client_id: table["client_id"].as_str().unwrap(),
            algorithms: &algorithms,
            now: Timestamp::from_seconds(table["now"].as_i64().unwrap()),
            nonce: Some(&nonce),
            access_token: &access_token,
            max_age: case["max_age"].as_u64().map(Duration::from_secs),
            subject: None,
            danger_access_token: case["danger"] == true,
        };
        let found = verify_id_token(&Secret::new(token.as_str()), &keys, &expected);
        let found = found.map(drop).map_or_else(|error| variant(&error), |()| "ok".to_owned());
        assert_eq!(found, case["expect"].as_str().unwrap(), "{}", case["name"]);
        if found == "ok" {
            libraries::second_opinion(&token, &keys, &expected, case);
        }
    }
}

#[test]
fn a_logout_token_holds_only_when_every_rule_does() {
    let table = table(include_str!("../../../tests/vectors/tokens/logout_token.json"));
    for case in table["cases"].as_array().unwrap() {
        let (token, keys, algorithms) = (token(&table, case), keys(case), algorithms(case));
        let found = super::super::backchannel::signed_claims(&token, &keys, &algorithms).and_then(|claims| {
            let now = Timestamp::from_seconds(table["now"].as_i64().unwrap());
            let (issuer, client) = (table["issuer"].as_str().unwrap(), table["client_id"].as_str().unwrap());
            super::super::backchannel::check_logout_claims(&claims.map, issuer, client, now)
        });
        let found = found.map(drop).map_or_else(|error| variant(&error), |()| "ok".to_owned());
        assert_eq!(found, case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn a_discovery_document_is_taken_only_to_the_letter() {
    let table = table(include_str!("../../../tests/vectors/tokens/discovery.json"));
    for case in table["cases"].as_array().unwrap() {
        let mut settings = settings("https://authentik.company/application/o/coder/");
        settings.algorithms = algorithms(case);
        settings.danger_allow_http = case["danger"] == true;
        if case["pkce"] == "require" {
            settings.pkce = Pkce::Require;
        }
        if let Some(secret) = case["secret"].as_str() {
            settings.credential = Secret::new(secret).into();
        }
        let found = Metadata::read(&changed(&table["document"], case).to_string(), &settings);
        if let (Ok(metadata), Some(way)) = (&found, case["authentication"].as_str()) {
            assert_eq!(name(&metadata.authentication), way, "{}", case["name"]);
        }
        let found = found.map_or_else(|error| name(&error), |_| "ok".to_owned());
        let expected = case["expect"].as_str().unwrap();
        assert!(
            found == expected
                || found.starts_with(&format!("{expected}("))
                || found.starts_with(&format!("{expected} ")),
            "{}: {found}",
            case["name"]
        );
    }
}

/// CVE-2026-55076, CVE-2026-40574, CVE-2024-27918, GHSA-652x-m2gr-hppm: unverified addresses, bypassed domains, groups
/// that are not requested.
#[test]
fn a_person_comes_in_only_with_a_verified_address_of_a_domain_and_a_group() {
    let table = table(include_str!("../../../tests/vectors/tokens/person.json"));
    for case in table["cases"].as_array().unwrap() {
        let settings = person_settings(&case["settings"]);
        let claims = changed(&table["claims"], case);
        let found = judge(claims.as_object().unwrap(), &settings);
        let expected = case["expect"].as_str().unwrap();
        match &found {
            Ok(person) => {
                assert_eq!(expected, "ok", "{}", case["name"]);
                if let Some(email) = case["email"].as_str() {
                    assert_eq!(person.email.as_str(), email, "{}", case["name"]);
                }
                if let Some(groups) = case["groups"].as_array() {
                    let groups: Vec<&str> = groups.iter().map(|group| group.as_str().unwrap()).collect();
                    assert_eq!(person.groups, groups, "{}", case["name"]);
                }
            }
            Err(refusal) => {
                assert!(name(refusal).starts_with(expected), "{}: {refusal:?}", case["name"]);
                for word in case["detail"].as_array().into_iter().flatten() {
                    assert!(
                        refusal.detail().contains(word.as_str().unwrap()),
                        "{}: {}",
                        case["name"],
                        refusal.detail()
                    );
                }
                let said = format!("{}{}", refusal.sentence(), refusal.detail());
                assert!(!said.chars().any(char::is_control) && !said.contains("  "), "{said:?}");
            }
        }
    }
}

fn person_settings(change: &Value) -> ProviderSettings {
    let mut settings = settings("https://authentik.company/application/o/coder/");
    let texts = |name: &str| -> Option<Vec<String>> {
        Some(change[name].as_array()?.iter().map(|one| one.as_str().unwrap().to_owned()).collect())
    };
    settings.ignore_email_verified = change["ignore_email_verified"] == true;
    if let Some(field) = change["email_field"].as_str() {
        settings.email_field = field.to_owned();
    }
    if let Some(field) = change["username_field"].as_str() {
        settings.username_field = field.to_owned();
    }
    settings.group_field = change["group_field"].as_str().map(str::to_owned);
    settings.groups_allowed = texts("groups_allowed").unwrap_or_default();
    settings.scopes = texts("scopes").unwrap_or(settings.scopes);
    let domains = texts("email_domains").unwrap_or_default();
    settings.email_domains =
        domains.iter().map(|domain| crate::types::EmailDomain::parse(domain).unwrap()).collect();
    settings
}

#[test]
fn an_authorization_response_is_parsed_only_when_it_is_one() {
    let table = table(include_str!("../../../tests/vectors/tokens/callback.json"));
    for case in table["cases"].as_array().unwrap() {
        let found = match AuthorizationResponse::parse(case["query"].as_str().unwrap()) {
            Ok(AuthorizationResponse { outcome: Ok(_), .. }) => "code".to_owned(),
            Ok(AuthorizationResponse { outcome: Err(error), .. }) => format!("Denied({})", error.code),
            Err(error) => name(&error),
        };
        assert_eq!(found, case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}

/// authentik's defaults when created by API or blueprint, and the effect of an encryption key, are refused with the
/// field to change.
#[test]
fn the_refusal_of_a_token_names_the_field_in_authentik() {
    let shared = JwsError::SharedSecret("HS256".to_owned());
    for (error, field) in [(shared, "\"Signing Key\""), (JwsError::Encrypted, "\"Encryption Key\"")] {
        let as_id_token = IdTokenError::Token(error.clone()).to_string();
        let as_logout_token = LogoutTokenError::Token(error).to_string();
        assert!(as_id_token.contains(field) && as_id_token.contains("authentik"), "{as_id_token}");
        assert!(as_logout_token.contains(field), "{as_logout_token}");
    }
    let error = DiscoveryError::SharedSecret("HS256".to_owned()).to_string();
    assert!(error.contains("\"Signing Key\"") && error.contains("authentik"), "{error}");
}

#[test]
fn a_token_beyond_the_limit_is_not_even_parsed() {
    let long = Secret::new("a".repeat(256 * 1024 + 1));
    let keys = KeySet::parse(&PROVIDER.jwks().to_string()).unwrap();
    let access_token = Secret::new("x");
    let expected = ExpectedIdToken {
        issuer: "",
        client_id: "",
        algorithms: &Algorithm::ALL,
        now: Timestamp::EPOCH,
        nonce: None,
        access_token: &access_token,
        max_age: None,
        subject: None,
        danger_access_token: false,
    };
    assert_eq!(
        verify_id_token(&long, &keys, &expected).map(drop),
        Err(IdTokenError::Token(JwsError::TooLong))
    );
}
