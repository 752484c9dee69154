//! Every cause as a page and as JSON.

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use http::{StatusCode, Uri};
use serde_json::Value;
use url::Url;

use super::super::access_url::AccessUrl;
use super::super::context::RequestContext;
use super::super::limits::LimitExceeded;
use super::super::login_loop::LoginLoopGuard;
use super::super::query::RepeatedParameter;
use super::*;
use crate::coder::credential::Contradiction;
use crate::coder::handoff::{HandoffError, Unexpected};
use crate::grant::{BindError, EndReason, StoreError};
use crate::listen::NoForwardPlace;
use crate::oidc::{BadAnswer, IdentityRefusal, LoginError};
use crate::pages::{PageSettings, Pages};
use crate::policy::{Denial, SignInMethod};
use crate::proxy::ForwardError;
use crate::types::{Clock, IdentityKey, Issuer, LoginType, RequestId, Subject, Timestamp};
use crate::web::cookies::OwnCookies;
use crate::web::{Host, RequestKind, Response, Target, check_message, read_limited};

/// In a claim, in Coder's text and in the query: breaks out of an element and of an attribute.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

fn refusals() -> Refusals {
    let url = Url::parse("https://coder.company/").unwrap();
    let settings =
        PageSettings { access_url: url.clone(), sign_in_text: "Sign in".to_owned(), icon_url: None };
    let (clock, _) = Clock::manual(Timestamp::from_seconds(1_000_000));
    let guard = LoginLoopGuard::new(OwnCookies::new(true), clock);
    Refusals::new(Pages::new(settings), AccessUrl::new(url), guard)
}

fn host() -> Host {
    let request = http::Request::get("/").header("host", "coder.company").body(()).unwrap();
    check_message(&request).unwrap()
}

/// A request for `path`, which a browser or a program sends.
fn context(path: &str, request_kind: RequestKind) -> RequestContext {
    RequestContext {
        request: RequestId::random(),
        client: "192.0.2.1".parse().unwrap(),
        request_kind,
        target: Target::parse(&path.parse::<Uri>().unwrap(), |_| false).unwrap(),
        host: host(),
        scheme: "https",
        app_host: false,
    }
}

/// Every denial of the policy.
fn denials() -> Vec<Denial> {
    let retry_after = Duration::from_secs(7);
    vec![
        Denial::NoCredential,
        Denial::Ended,
        Denial::UnknownToken,
        Denial::Malformed,
        Denial::WrongKind,
        Denial::WithoutGrant(LoginType::Oidc),
        Denial::WithoutGrant(LoginType::Password),
        Denial::Unattributed,
        Denial::MethodOff(SignInMethod::Password),
        Denial::MethodOff(SignInMethod::Github),
        Denial::MethodOff(SignInMethod::FirstUser),
        Denial::Closed,
        Denial::Address,
        Denial::Unreachable { answers: false, retry_after },
        Denial::Unreachable { answers: true, retry_after },
    ]
}

fn domain() -> IdentityRefusal {
    IdentityRefusal::DomainNotAllowed { email: format!("eve{HOSTILE}@b.c") }
}

fn other_identity() -> RefusalCause {
    let issuer = Issuer::parse("https://authentik.company/", false).unwrap();
    let bound_to = Box::new(IdentityKey { issuer, subject: Subject::parse("the-other-subject").unwrap() });
    let user = "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f".parse().unwrap();
    RefusalCause::Bind(BindError::OtherIdentity { user, bound_to })
}

/// A cause of nearly every row, the status of its page, and its label.
fn causes() -> Vec<(RefusalCause, u16, &'static str)> {
    let wait = LimitExceeded { retry_after: Duration::from_secs(42) };
    vec![
        (RefusalCause::Host, 421, "misdirected"),
        (RefusalCause::Contradiction(Contradiction { in_cookies: true }), 400, "contradiction"),
        (RefusalCause::Answer(BadAnswer::NoState), 400, "bad_answer"),
        (RefusalCause::RepeatedParameter(RepeatedParameter), 400, "bad_answer"),
        (RefusalCause::Attempt, 400, "attempt"),
        (RefusalCause::Login(LoginError::Expired), 400, "attempt"),
        (RefusalCause::Login(LoginError::State), 400, "state"),
        (RefusalCause::Login(LoginError::Code), 400, "code"),
        (RefusalCause::Login(LoginError::NotAsked), 403, "not_asked"),
        (RefusalCause::Login(LoginError::Refused(domain())), 403, "domain_not_allowed"),
        (HandoffError::Unexpected(Unexpected::TwoSessions).into(), 502, "coder_misconfigured"),
        (HandoffError::Unexpected(Unexpected::NoOwner).into(), 502, "coder_misconfigured"),
        (RefusalCause::Forward(ForwardError::TooLarge), 413, "too_large"),
        (RefusalCause::Forward(ForwardError::ClientBody), 400, "client_body"),
        (RefusalCause::Forward(ForwardError::Stalled), 408, "body_stalled"),
        (RefusalCause::Forward(ForwardError::Broken), 502, "coder_unreachable"),
        (RefusalCause::Store(StoreError::Busy), 503, "store"),
        (RefusalCause::Bind(BindError::Ended(EndReason::SignedOut)), 403, "ended"),
        (other_identity(), 403, "other_identity"),
        (RefusalCause::Bind(BindError::Store(StoreError::Busy)), 503, "store"),
        (RefusalCause::CutOff, 503, "gone"),
        (RefusalCause::NotFound, 404, "not_found"),
        (RefusalCause::Method("GET"), 405, "method"),
        (RefusalCause::Form, 403, "form"),
        (RefusalCause::TooMany(wait), 429, "too_many"),
        (RefusalCause::NoRoom(NoForwardPlace), 503, "no_room"),
        (RefusalCause::Loop, 403, "loop"),
    ]
}

async fn text(response: Response) -> String {
    String::from_utf8(read_limited(response.into_body(), 100_000).await.unwrap().to_vec()).unwrap()
}

async fn page(cause: RefusalCause) -> (http::response::Parts, String) {
    let (parts, body) =
        refusals().answer(&cause.into(), &context("/x", RequestKind::Navigation)).into_parts();
    (parts.clone(), text(Response::from_parts(parts, body)).await)
}

async fn json(cause: RefusalCause) -> (http::response::Parts, Value) {
    let (parts, body) = refusals().answer(&cause.into(), &context("/x", RequestKind::Api)).into_parts();
    let text = text(Response::from_parts(parts.clone(), body)).await;
    (parts, serde_json::from_str(&text).unwrap())
}

/// A sentence as the template engine writes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&#38;")
        .replace('<', "&#60;")
        .replace('>', "&#62;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

#[tokio::test]
async fn every_cause_has_a_page_with_its_status_and_nothing_of_it_is_a_tag() {
    let all = denials().into_iter().map(|denial| {
        let status = if denial.status() == 503 { 503 } else { 403 };
        (RefusalCause::Policy(denial), status, denial.label())
    });
    for (cause, status, label) in causes().into_iter().chain(all) {
        let row = row_of(&cause);
        assert_eq!(row.label, label, "{cause}");
        let (parts, html) = page(cause).await;
        assert_eq!(parts.status, status, "{label}");
        assert_eq!(parts.headers[CONTENT_TYPE], "text/html; charset=utf-8", "{label}");
        assert!(html.contains(&format!("<h1>{}</h1>", escaped(row.heading))), "{label}: {html}");
        for bad in ["<script", "<img src=x", "onerror=alert(2)>"] {
            assert!(!html.contains(bad), "{label} holds {bad:?}:\n{html}");
        }
        assert_eq!(html.contains("http-equiv=\"refresh\""), row.reloads, "{label}");
        assert_eq!(status == 503 || status == 429, parts.headers.contains_key(RETRY_AFTER), "{label}");
    }
}

#[tokio::test]
async fn every_cause_is_json_with_a_message_and_a_detail() {
    let policy = denials().into_iter().map(|denial| (RefusalCause::Policy(denial), denial.status()));
    let others = causes().into_iter().map(|(cause, status, _)| (cause, status));
    for (cause, status) in others.chain(policy) {
        let label = row_of(&cause).label;
        let (parts, json) = json(cause).await;
        assert_eq!(parts.status, status, "{label}");
        assert_eq!(parts.headers[CONTENT_TYPE], "application/json; charset=utf-8", "{label}");
        assert!(json["message"].as_str().unwrap().len() > 10, "{label}: {json}");
        assert!(json["detail"].as_str().unwrap().len() > 10, "{label}: {json}");
        assert_eq!(parts.headers.contains_key("www-authenticate"), status == 401, "{label}");
        assert_eq!(status == 503 || status == 429, parts.headers.contains_key(RETRY_AFTER), "{label}");
    }
}

#[test]
fn the_rows_of_denials_have_the_policys_label_and_its_status_for_programs() {
    for denial in denials() {
        let row = row_of(&RefusalCause::Policy(denial));
        assert_eq!(row.label, denial.label());
        let status = match row.program {
            row::ProgramAnswer::Challenge(_) => StatusCode::UNAUTHORIZED,
            _ => row.status,
        };
        assert_eq!(status.as_u16(), denial.status(), "{}", row.label);
    }
}

#[tokio::test]
async fn a_sign_in_method_that_is_off_names_its_own_setting() {
    let keys = ["policy.passwordSignIn", "policy.githubSignIn", "policy.firstUser"];
    let methods = [SignInMethod::Password, SignInMethod::Github, SignInMethod::FirstUser];
    for (method, own) in methods.into_iter().zip(keys) {
        let (_, json) = json(RefusalCause::Policy(Denial::MethodOff(method))).await;
        let detail = json["detail"].as_str().unwrap();
        let named: Vec<_> = keys.into_iter().filter(|key| detail.contains(key)).collect();
        assert_eq!(named, [own], "{detail}");
    }
}

#[tokio::test]
async fn a_page_and_json_say_the_same_about_a_login_loop_and_wherever_a_program_can_do_what_a_person_can() {
    let both = |row: &row::RefusalRow| {
        matches!(row.program, row::ProgramAnswer::Advice | row::ProgramAnswer::Detail)
    };
    assert!(both(&row_of(&RefusalCause::Loop)));
    let all = || {
        causes().into_iter().map(|(cause, _, _)| cause).chain(denials().into_iter().map(RefusalCause::Policy))
    };
    for (cause, again) in all().zip(all()).filter(|(cause, _)| both(&row_of(cause))) {
        let label = row_of(&cause).label;
        let ((_, html), (_, json)) = (page(cause).await, json(again).await);
        for part in ["message", "detail"] {
            // A page has the request's number at its foot.
            let words = json[part].as_str().unwrap().split("request number").next().unwrap();
            assert!(html.contains(&escaped(words)), "{label}: {words:?} is not in {html}");
        }
    }
}

#[tokio::test]
async fn a_page_about_a_loop_resets_the_count_and_one_about_two_cookies_deletes_them() {
    let (loops, _) = page(RefusalCause::Loop).await;
    assert!(loops.headers[SET_COOKIE].to_str().unwrap().starts_with("__Host-vestibule_rounds=; "));
    let (two, _) = page(RefusalCause::Contradiction(Contradiction { in_cookies: true })).await;
    assert!(two.headers[SET_COOKIE].to_str().unwrap().starts_with("coder_session_token=; "));
    let (headers, _) = page(RefusalCause::Contradiction(Contradiction { in_cookies: false })).await;
    assert!(!headers.headers.contains_key(SET_COOKIE));
}

#[tokio::test]
async fn a_page_about_another_host_leads_to_the_access_url() {
    let id = RequestId::random();
    let response = refusals().answer_unread(&RefusalCause::Host, &RequestKind::Navigation, id);
    assert_eq!(response.status(), 421);
    let html = text(response).await;
    assert!(html.contains("href=\"https://coder.company/\""), "{html}");
}

#[tokio::test]
async fn a_refusal_in_a_sign_in_leads_to_the_page_that_was_wanted() {
    use crate::types::LocalRedirect;
    let wanted = Some(LocalRedirect::parse_or_root("/workspaces"));
    let path = "/api/v2/users/oidc/callback?code=c&state=s&redirect=%2Fother";
    let refusal = Refusal::of_sign_in(RefusalCause::Login(LoginError::Code), wanted);
    let html = text(refusals().answer(&refusal, &context(path, RequestKind::Navigation))).await;
    assert!(html.contains("redirect=%2Fworkspaces") && !html.contains("%2Fother"), "{html}");
    let html =
        text(refusals().answer(&RefusalCause::Attempt.into(), &context(path, RequestKind::Navigation))).await;
    assert!(html.contains("redirect=%2Fother"), "{html}");
}

#[tokio::test]
async fn a_sign_in_that_did_not_begin_in_an_outage_is_requested_again_as_it_was() {
    let path = "/api/v2/users/oidc/callback?redirect=%2Fx&prompt=login";
    let cause =
        RefusalCause::Policy(Denial::Unreachable { answers: false, retry_after: Duration::from_secs(7) });
    let html = text(refusals().answer(&cause.into(), &context(path, RequestKind::Navigation))).await;
    assert!(html.contains("prompt=login"), "{html}");
    assert!(html.contains("http-equiv=\"refresh\" content=\"10; url=/api/v2/users/oidc/callback?"), "{html}");
}

#[tokio::test]
async fn a_form_of_the_gateways_own_is_refused_with_a_page_though_nobody_navigates() {
    let refusal = Refusal { cause: RefusalCause::Form, wanted: None, answers_form: true };
    let response = refusals().answer(&refusal, &context("/vestibule/sessions", RequestKind::Api));
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(text(response).await.contains("href=\"/vestibule/sessions\">Your sessions"));
}

/// The pages of refusals as people see them: `VESTIBULE_PAGES_DIR=folder cargo test --lib refusals`.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a folder to look at the pages in")]
async fn pages_are_written_to_the_folder_that_is_named() {
    let folder = std::env::var("VESTIBULE_PAGES_DIR").ok();
    for (cause, _, label) in causes() {
        let (_, html) = page(cause).await;
        assert!(html.ends_with("</html>"), "{label} is not whole");
        if let Some(folder) = &folder {
            std::fs::write(format!("{folder}/refused-{label}.html"), html).expect("a folder to write to");
        }
    }
}
