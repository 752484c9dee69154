//! The token endpoint: who may ask, and how.

use super::*;

#[tokio::test]
async fn both_styles_of_client_authentication_get_the_tokens() {
    let form = format!("{GOOD}&client_id=cid&client_secret=sec");
    let same_id = format!("{GOOD}&client_id=cid");
    let cases: [(Headers<'_>, &str); 3] =
        [(&[FORM, BASIC], GOOD), (&[FORM], &form), (&[FORM, BASIC], &same_id)];
    for (headers, body) in cases {
        let response = ask(&issuer(Fake::default()), ("POST", "/token", headers, body)).await;
        assert_eq!(response.status(), StatusCode::OK, "{body}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let wanted = object!({
            "access_token": "the-access-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": "the-handle",
            "id_token": "a.b.c",
            "scope": "openid email",
        });
        assert_eq!(value(response).await, wanted);
    }
}

#[tokio::test]
async fn what_stands_in_a_basic_header_is_form_encoded() {
    let odd = IssuerSettings {
        url: "http://127.0.0.1:3001".to_owned(),
        client_id: "id with:colon".to_owned(),
        client_secrets: vec![WatchedSecret::fixed(Secret::new("s+c r%t/é"))],
    };
    let issuer = IssuerEndpoint::new(odd, Arc::new(Fake::default()), provider(None, ""));
    // base64("id+with%3Acolon:s%2Bc+r%25t%2F%C3%A9")
    let header = "Basic aWQrd2l0aCUzQWNvbG9uOnMlMkJjK3IlMjV0JTJGJUMzJUE5";
    let response = ask(&issuer, ("POST", "/token", &[FORM, ("authorization", header)], GOOD)).await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// Coder's secret is changed while Coder runs.
#[tokio::test]
async fn either_of_two_secrets_is_accepted_and_no_third_one() {
    let both = IssuerSettings {
        url: "http://127.0.0.1:3001".to_owned(),
        client_id: "cid".to_owned(),
        client_secrets: ["new", "old"].map(|secret| WatchedSecret::fixed(Secret::new(secret))).to_vec(),
    };
    let issuer = IssuerEndpoint::new(both, Arc::new(Fake::default()), provider(None, ""));
    for (id, secret, status) in [
        ("cid", "new", 200),
        ("cid", "old", 200),
        ("cid", "ne", 400),
        ("cid", "", 400),
        ("other", "old", 400),
    ] {
        let form = format!("{GOOD}&client_id={id}&client_secret={secret}");
        let response = ask(&issuer, ("POST", "/token", &[FORM], &form)).await;
        assert_eq!(response.status().as_u16(), status, "{id} {secret}");
    }
}

/// Coder tries the other style with the same code: a wrong first attempt must not spend it.
#[tokio::test]
async fn a_client_that_is_not_coder_is_refused_before_the_code_is_looked_at() {
    let post = |rest: &str| format!("{GOOD}&{rest}");
    let basic = |text: &'static str| vec![FORM, ("authorization", text)];
    let table = [
        (basic("Basic Y2lkOndyb25n"), post("x=y"), 401, "invalid_client"),
        (basic("Basic b3RoZXI6c2Vj"), post("x=y"), 401, "invalid_client"),
        (basic("Basic Y2lkOg=="), post("x=y"), 401, "invalid_client"),
        (basic("Basic !!!"), post("x=y"), 401, "invalid_client"),
        (basic("Basic Y2lk"), post("x=y"), 401, "invalid_client"),
        (basic("Basic Y2lkOnNlYw=="), post("client_id=other"), 401, "invalid_client"),
        (basic("Bearer Y2lkOnNlYw=="), post("x=y"), 400, "invalid_request"),
        (basic("Basic Y2lkOnNlYw=="), post("client_id=cid&client_secret=sec"), 400, "invalid_request"),
        (vec![FORM, BASIC, BASIC], post("x=y"), 400, "invalid_request"),
        (vec![FORM], post("client_id=cid&client_secret=wrong"), 400, "invalid_client"),
        (vec![FORM], post("client_secret=sec"), 400, "invalid_client"),
        (vec![FORM], post("client_id=cid&client_secret="), 400, "invalid_client"),
        (vec![FORM], post("client_id=cid"), 400, "invalid_client"),
    ];
    for (headers, body, status, error) in table {
        let issuer = issuer(Fake::default());
        let response = ask(&issuer, ("POST", "/token", &headers, &body)).await;
        assert_eq!(response.status().as_u16(), status, "{headers:?} {body}");
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), status == 401);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(value(response).await["error"], error);
        assert_eq!(issuer.tokens.seen(), [""; 0], "nothing was looked up");
    }
}

#[tokio::test]
async fn an_empty_configured_secret_lets_nobody_in() {
    let open = IssuerSettings {
        url: "http://127.0.0.1:3001".to_owned(),
        client_id: "cid".to_owned(),
        client_secrets: vec![WatchedSecret::fixed(Secret::new(""))],
    };
    let issuer = IssuerEndpoint::new(open, Arc::new(Fake::default()), provider(None, ""));
    let response = ask(&issuer, ("POST", "/token", &[FORM, ("authorization", "Basic Y2lkOg==")], GOOD)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// Duplicated parameters (mod_auth_openidc, 2026-08-12), and all other malformed input.
#[tokio::test]
async fn a_malformed_token_request_is_refused_and_spends_nothing() {
    let long = format!("{GOOD}&x={}", "y".repeat(16 * 1024));
    let json = ("content-type", "application/json");
    let twice = format!("{GOOD}&code=the-code");
    let table: [(Headers<'_>, &str, u16, &str); 9] = [
        (&[FORM, BASIC], &twice, 400, "invalid_request"),
        (&[FORM, BASIC], "grant_type=authorization_code&code=the-code", 400, "invalid_request"),
        (&[FORM, BASIC], "grant_type=authorization_code&redirect_uri=x", 400, "invalid_request"),
        (&[FORM, BASIC], "grant_type=authorization_code&code=&redirect_uri=x", 400, "invalid_request"),
        (&[FORM, BASIC], "grant_type=refresh_token", 400, "invalid_request"),
        (&[FORM, BASIC], "", 400, "invalid_request"),
        (&[FORM, BASIC], "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        (&[json, BASIC], GOOD, 400, "invalid_request"),
        (&[FORM, BASIC], &long, 413, "invalid_request"),
    ];
    for (headers, body, status, error) in table {
        let issuer = issuer(Fake::default());
        let response = ask(&issuer, ("POST", "/token", headers, body)).await;
        assert_eq!(response.status().as_u16(), status, "{body:.60}");
        assert_eq!(value(response).await["error"], error);
        assert_eq!(issuer.tokens.seen(), [""; 0], "nothing was looked up");
    }
}

/// CVE-2024-47616: every kind of token is refused where another kind belongs.
#[tokio::test]
async fn each_kind_of_token_is_taken_only_where_it_belongs() {
    let kinds = ["the-code", "the-handle", "the-access-token", "a.b.c", "Ab3dEf6hIj-KlMn0pQrStUvWxYz12345A"];
    for kind in kinds {
        let issuer = issuer(Fake::default());
        let code = GOOD.replace("=the-code", &format!("={kind}"));
        let code = ask(&issuer, ("POST", "/token", &[FORM, BASIC], &code)).await;
        assert_eq!(code.status() == StatusCode::OK, kind == "the-code");
        let handle = format!("grant_type=refresh_token&refresh_token={kind}");
        let handle = ask(&issuer, ("POST", "/token", &[FORM, BASIC], &handle)).await;
        assert_eq!(handle.status() == StatusCode::OK, kind == "the-handle");
        let bearer = format!("Bearer {kind}");
        let info = ask(&issuer, ("GET", "/userinfo", &[("authorization", &bearer)], "")).await;
        assert_eq!(info.status() == StatusCode::OK, kind == "the-access-token");
        for (response, wanted) in [(code, 400), (handle, 400), (info, 401)] {
            assert!(matches!(response.status().as_u16(), status if status == 200 || status == wanted));
        }
    }
}

/// Coder takes `expires_in: 0` for "never" and would not ask again.
#[tokio::test]
async fn a_token_that_has_just_expired_is_never_one_that_does_not_expire() {
    let body = "grant_type=refresh_token&refresh_token=the-handle";
    let response = ask(&issuer(Fake::default()), ("POST", "/token", &[FORM, BASIC], body)).await;
    assert_eq!(value(response).await["expires_in"], 1);
}
