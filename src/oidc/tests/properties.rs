//! For any input: no panic, no overflow, and no invalid date.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::jws::{UnverifiedJws, numeric_date};
use super::super::keys::KeySet;
use super::super::metadata::Metadata;
use super::super::person::{judge, merge};
use super::signer::part;
use super::*;

/// 2038 and the ChangeLog of mod_auth_openidc, 07-30, 08-12: overflowing and infinite dates.
#[test]
fn a_date_is_a_number_of_seconds_from_1970_to_9999_and_nothing_else() {
    let millis = |value: Value| numeric_date(&value).map(Timestamp::as_millis);
    assert_eq!(millis(json!(0)), Some(0));
    assert_eq!(millis(json!(-0.0)), Some(0));
    assert_eq!(millis(json!(1_795_493_400)), Some(1_795_493_400_000));
    assert_eq!(millis(json!(1.5)), Some(1500));
    assert_eq!(millis(json!(253_402_300_799_i64)), Some(253_402_300_799_000));
    let text =
        r#"[-1, -0.001, 1e300, -1e300, 1e999, 253402300800, 18446744073709551615, "1", true, null, [], {}]"#;
    // serde_json itself refuses 1e999: no infinite number gets in.
    assert!(serde_json::from_str::<Value>(text).is_err());
    let all: Vec<Value> = serde_json::from_str(&text.replace("1e999, ", "")).unwrap();
    assert!(all.into_iter().all(|value| millis(value).is_none()));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// CVE-2026-48042: JSON nested so deep that parsing it exhausted the stack.
#[test]
fn a_document_nested_without_end_is_read_no_deeper_than_it_may_be() {
    let settings = settings("https://authentik.company/");
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
    for value in [deep("[", "]"), deep(r#"{"a":"#, "}"), "[".repeat(200_000)] {
        assert!(KeySet::parse(&value).is_err());
        assert!(KeySet::parse(&format!(r#"{{"keys":[{value}]}}"#)).is_err());
        assert!(Metadata::read(&format!(r#"{{"issuer":{value}}}"#), &settings).is_err());
        let header = part(format!(r#"{{"alg":"RS256","x":{value}}}"#));
        assert!(UnverifiedJws::parse(&format!("{header}.e30.AAAA"), &Algorithm::ALL, &["jwt"]).is_err());
        assert!(PendingLogin::from_bytes(value.as_bytes()).is_err());
    }
    // Short enough not to be refused for its length alone.
    let deep = part(format!(r#"{{"alg":"RS256","x":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000)));
    assert!(UnverifiedJws::parse(&format!("{deep}.e30.AAAA"), &Algorithm::ALL, &["jwt"]).is_err());
}

proptest! {
    #[test]
    fn any_number_is_a_date_in_range_or_none(seconds in any::<f64>()) {
        let date = numeric_date(&Value::from(seconds));
        prop_assert_eq!(date.is_some(), (0.0..=253_402_300_799.0).contains(&seconds));
        prop_assert!(date.is_none_or(|date| date >= Timestamp::EPOCH && date < Timestamp::MAX));
    }

    #[test]
    fn any_integer_is_a_date_in_range_or_none(seconds in any::<i64>()) {
        let date = numeric_date(&Value::from(seconds));
        prop_assert_eq!(date.map(Timestamp::as_seconds), Some(seconds).filter(|s| (0..=253_402_300_799).contains(s)));
    }

    /// CVE-2023-27496: a callback that crashed.
    #[test]
    fn any_query_is_parsed_or_refused(query in ".{0,200}") {
        let _ = AuthorizationResponse::parse(&query);
        let _ = AuthorizationResponse::is_in(&query);
    }

    #[test]
    fn a_query_gives_back_what_was_put_in(code in ".{1,50}", state in ".{1,50}", iss in ".{0,50}") {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("code", &code), ("state", &state), ("iss", &iss)]).finish();
        let answer = AuthorizationResponse::parse(&query).unwrap();
        prop_assert_eq!(answer.state(), state);
        prop_assert_eq!(answer.issuer, Some(iss));
        prop_assert!(answer.outcome.unwrap() == Secret::new(code));
    }

    #[test]
    fn any_error_code_and_description_become_plain_text(code in ".{0,100}", description in ".{0,500}") {
        let error = OAuthError::new(&code, Some(&description));
        prop_assert!(error.to_string().len() < 2000 && !error.to_string().chars().any(char::is_control));
        prop_assert!(!error.code.contains(['<', '>', '"', '&', ' ']));
    }

    #[test]
    fn any_token_is_parsed_or_refused(token in "[A-Za-z0-9._-]{0,200}") {
        let _ = UnverifiedJws::parse(&token, &Algorithm::ALL, &["jwt"]);
    }

    #[test]
    fn any_header_is_parsed_or_refused(header in any_json()) {
        let token = PROVIDER.sign(&header, &json!({}));
        let _ = UnverifiedJws::parse(&token, &Algorithm::ALL, &["jwt"]);
    }

    /// CVE-2025-64527: a remote key set that crashed.
    #[test]
    fn any_key_set_is_parsed_or_refused(key in any_json(), text in ".{0,100}") {
        let _ = KeySet::parse(&json!({"keys": [key]}).to_string());
        let _ = KeySet::parse(&text);
        let _ = PendingLogin::from_bytes(text.as_bytes());
    }

    /// A claim of another type lets nobody in.
    #[test]
    fn any_claims_are_judged_without_a_panic(email in any_json(), verified in any_json(), groups in any_json()) {
        let mut settings = settings("https://authentik.company/");
        settings.group_field = Some("groups".to_owned());
        let claims = json!({"email": email, "email_verified": verified, "groups": groups});
        let claims = merge(claims.as_object().unwrap().clone(), &ClaimMap::new());
        let found = judge(&claims, &settings);
        prop_assert!(found.is_err() || (verified == json!(true) && email.is_string()));
    }
}
