//! Each reason for which Coder refuses a sign-in, in the format of the version that gives it.

use super::*;

fn refusal(status: u16, headers: &[(&str, &str)], body: &str) -> CoderRefusal {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    CoderRefusal::read(answer.body(Bytes::from(body.to_owned())).unwrap())
}

/// A page like Coder's own (site/static/error.html).
fn page(title: &str, description: &str) -> String {
    format!(
        "\n<!doctype html>\n<html lang=\"en\">\n\t<head>\n\t\t<title>{title}\n\t\t</title>\n\t\t<style>h1 {{}}</style>\n\
         \t</head>\n\t<body>\n\t\t<h1>{title}</h1>\n\t\t<p>{description}</p>\n\
         \t\t<div class=\"button-group\"><a href=\"/login\">Back to login</a></div>\n\t</body>\n</html>\n"
    )
}

/// Coder 2.31.0 and 2.36.0, according to coderd/userauth.go and httpmw/oauth2.go.
#[test]
fn each_reason_of_coders_has_its_own_sentence_and_a_remedy() {
    let wrong_secret = r#"{"message":"Failed exchanging Oauth code.","detail":"oauth2: \"invalid_client\" \"the client id or secret is missing or wrong\""}"#;
    let unreachable = r#"{"message":"Failed exchanging Oauth code.","detail":"Post \"http://127.0.0.1:3001/token\": dial tcp 127.0.0.1:3001: connect: connection refused"}"#;
    let unverified =
        r#"{"message":"Verify the \"a@acme.company\" email address on your OIDC provider to authenticate!"}"#;
    let domain = r#"{"message":"Your email \"a@b.c\" is not from an authorized domain! Please contact your administrator."}"#;
    let suspended = r#"{"message":"User is not active (status = \"suspended\"). Contact an admin to reactivate your account."}"#;
    let limited = r#"{"message":"You've been rate limited for sending more than 60 requests in 1m0s."}"#;
    let off = r#"{"message":"The oauth2 method requested is not configured!"}"#;
    for (status, body, sentence, remedy) in [
        (500, wrong_secret.to_owned(), "Failed exchanging Oauth code.", "coder.issuer.clientSecret"),
        (500, unreachable.to_owned(), "Failed exchanging Oauth code.", "coder.issuer.url"),
        (403, unverified.to_owned(), "Verify the \"a@acme.company\"", "CODER_OIDC_IGNORE_EMAIL_VERIFIED"),
        (
            403,
            page("Unverified email", "Verify the &#34;a@acme.company&#34; email"),
            "Unverified email",
            "EMAIL_VERIFIED",
        ),
        (403, domain.to_owned(), "Your email \"a@b.c\" is not from", "CODER_OIDC_EMAIL_DOMAIN"),
        (
            403,
            page("Unauthorized email", "Not from an authorized domain"),
            "Unauthorized email",
            "EMAIL_DOMAIN",
        ),
        (401, suspended.to_owned(), "User is not active", "coder users activate"),
        (403, page("Account suspended", "Contact an admin."), "Account suspended", "coder users activate"),
        (403, page("Signups are disabled", "Ask IT."), "Signups are disabled", "oidc.allowSignups"),
        (403, page("403 - Incorrect login type", "Use a password."), "Incorrect login type", "Security"),
        (403, page("Account already linked", "To another."), "Account already linked", "fix-oidc-links"),
        (429, limited.to_owned(), "You've been rate limited", "CODER_PROXY_TRUSTED_ORIGINS"),
        (400, off.to_owned(), "The oauth2 method requested", "coder-env"),
    ] {
        let refusal = refusal(status, &[], &body);
        assert!(refusal.message().starts_with(sentence), "{refusal}");
        assert!(refusal.remedy().is_some_and(|found| found.contains(remedy)), "{refusal}");
        assert_eq!(refusal.retry_after().is_some(), status == 429, "{refusal}");
    }
}

#[test]
fn a_link_of_the_operators_own_text_keeps_its_address() {
    let body = page(
        "Signups are disabled",
        "Ask <a href=\"https://it.acme.company/\" rel=\"x\">IT</a>. <b>Soon</b>.",
    );
    let refusal = refusal(403, &[], &body);
    assert_eq!(refusal.detail(), Some("Ask IT (https://it.acme.company/). Soon."));
}

#[test]
fn what_coder_says_is_short_and_printable_and_never_empty() {
    let long = format!(r#"{{"message":"a\r\n\u001b[31m\u202eb{}","detail":"{0}"}}"#, "x".repeat(5000));
    let found = refusal(403, &[], &long);
    assert!(found.message().starts_with("a[31mbx") && found.message().len() == MAX_MESSAGE, "{found}");
    assert_eq!(found.detail().map(str::len), Some(MAX_DETAIL));
    for body in ["", "[]", "{}", "<", "<title>", "<h1>403</h1>", "\u{0}", r#"{"message":" "}"#] {
        let found = refusal(502, &[], body);
        assert_eq!(found.message(), "Coder answers 502 Bad Gateway and does not say why.", "{body:?}");
        assert_eq!((found.detail(), found.remedy()), (None, None), "{body:?}");
    }
}

#[test]
fn the_wait_is_coders_own_and_bounded() {
    for (header, seconds) in
        [(None, 60), (Some("17"), 17), (Some("0"), 0), (Some("99999999"), 600), (Some("soon"), 60)]
    {
        let headers: Vec<_> = header.into_iter().map(|value| ("retry-after", value)).collect();
        let found = refusal(429, &headers, "{}");
        assert_eq!(found.retry_after(), Some(Duration::from_secs(seconds)), "{header:?}");
    }
}
