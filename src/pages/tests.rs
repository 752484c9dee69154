//! Every page with hostile text, and the properties that all pages share.

use http::header;
use http_body_util::BodyExt as _;

use super::*;
use crate::types::{LocalRedirect, Timestamp};

/// Breaks out of an element, of an attribute, of a line, and of the reading direction.
const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\r\nSet-Cookie: a=b\u{202e}gpj.exe{{7*7}}&lt;";

pub(super) fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

fn pages() -> Pages {
    Pages::new(PageSettings {
        access_url: url("https://coder.company/"),
        sign_in_text: format!("Log in with authentik {HOSTILE}"),
        icon_url: Some(url("https://authentik.company/static/dist/assets/icons/icon.svg?a=\"><b>")),
    })
}

fn link() -> Link {
    Link::to(&LocalRedirect::parse_or_root("/start")).with("redirect", HOSTILE)
}

fn problem() -> ProblemView<'static> {
    ProblemView {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        heading: HOSTILE,
        happened: HOSTILE,
        advice: HOSTILE,
        detail: Some(HOSTILE),
        next: Some(NextStep { text: "Try again", to: link().into() }),
        retry_after: None,
        reload: None,
    }
}

fn row(current: bool, name: &'static str) -> ListedSession<'static> {
    ListedSession {
        id: format!("id {HOSTILE}"),
        name,
        client: Some(HOSTILE),
        address: "2001:db8::1".parse().ok(),
        since: Timestamp::from_seconds(1_795_492_411),
        seen: Timestamp::from_seconds(1_795_496_000),
        current,
    }
}

/// Every page, by name.
fn every_page(pages: &Pages) -> Vec<(&'static str, Response)> {
    let id = RequestId::random();
    let csrf = Secret::new("csrf-token");
    let rows = [row(true, "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), row(false, HOSTILE)];
    let sessions = SessionsView {
        person: HOSTILE,
        sessions: &rows,
        tokens: &[],
        csrf: &csrf,
        action: link(),
        notice: Some(HOSTILE),
        now: Timestamp::from_seconds(1_795_500_000),
    };
    let fields = [("id_token_hint", Secret::new("\"><script>"))];
    let leave = url("https://authentik.company/application/o/coder/end-session/");
    let leave = SignOutAtProviderView { action: &leave, fields: &fields, stay: link() };
    let elsewhere = NextStep { text: "Go to Coder", to: NextTarget::AccessUrl };
    let misdirected =
        ProblemView { status: StatusCode::MISDIRECTED_REQUEST, next: Some(elsewhere), ..problem() };
    let unavailable =
        ProblemView { status: StatusCode::SERVICE_UNAVAILABLE, reload: Some(link()), ..problem() };
    let too_many = ProblemView {
        status: StatusCode::TOO_MANY_REQUESTS,
        retry_after: Some(Duration::from_secs(42)),
        next: None,
        ..problem()
    };
    let sign_in = SignInView { start: link(), password: Some(link()), notice: Some(HOSTILE) };
    let signed_out = SignedOutView { sign_in: link(), asked_provider: false, tokens: false };
    vec![
        ("sign-in", pages.sign_in(&sign_in, id)),
        ("problem", pages.problem(&problem(), id)),
        ("problem-that-reloads", pages.problem(&unavailable, id)),
        ("signed-out", pages.signed_out(&signed_out, id)),
        ("sign-out-at-provider", pages.sign_out_at_provider(&leave, id)),
        ("problem-elsewhere", pages.problem(&misdirected, id)),
        ("problem-with-a-wait", pages.problem(&too_many, id)),
        ("sessions", pages.sessions(&sessions, id)),
    ]
}

fn header(response: &Response, name: header::HeaderName) -> String {
    let lines: Vec<_> = response.headers().get_all(name).iter().collect();
    assert_eq!(lines.len(), 1);
    lines[0].to_str().expect("text").to_owned()
}

pub(super) async fn html(response: Response) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Raw HTML by interpolation and CR in headers (mod_auth_openidc, 2026-05-20 and 2026-05-23).
#[tokio::test]
async fn hostile_text_stays_text_on_every_page() {
    for (name, response) in every_page(&pages()) {
        for (header, value) in response.headers() {
            assert!(value.to_str().is_ok_and(|value| !value.contains("alert")), "{name}: {header}");
        }
        let html = html(response).await;
        for bad in ["<script", "<img src=x", "onerror=alert(2)>", "\r", "\u{202e}", "<b>"] {
            assert!(!html.contains(bad), "{name} holds {bad:?}:\n{html}");
        }
        let inside_attributes = html.matches("href=\"").count() + html.matches("action=\"").count();
        let local = html.matches("href=\"/").count()
            + html.matches("action=\"/").count()
            + html.matches("href=\"https://coder.company/\"").count()
            + html.matches("action=\"https://authentik.company/").count();
        assert_eq!(local, inside_attributes, "{name} leads away:\n{html}");
    }
}

#[tokio::test]
async fn every_page_is_sent_under_a_strict_policy() {
    for (name, response) in every_page(&pages()) {
        let policy = header(&response, header::CONTENT_SECURITY_POLICY);
        for part in ["default-src 'none'", "style-src 'sha256-", "base-uri 'none'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{name}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{name}: {policy}");
        let icon = policy.contains("img-src https://authentik.company;");
        assert_eq!(icon, name == "sign-in", "{name}: {policy}");
        let forms = policy.split("form-action ").nth(1).and_then(|rest| rest.split(';').next());
        let wanted = match name {
            "sessions" => "'self'",
            "sign-out-at-provider" => "https://authentik.company",
            _ => "'none'",
        };
        assert_eq!(forms, Some(wanted), "{name}");
        assert_eq!(header(&response, header::CACHE_CONTROL), "no-store");
        assert_eq!(header(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(&response, header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(header(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
        let referrer = if name == "sessions" { "same-origin" } else { "no-referrer" };
        assert_eq!(header(&response, header::REFERRER_POLICY), referrer);
        let opener = header::HeaderName::from_static("cross-origin-opener-policy");
        assert_eq!(header(&response, opener), "same-origin");
    }
}

#[tokio::test]
async fn the_hash_in_the_policy_is_that_of_the_style_in_the_page() {
    use base64::Engine as _;
    let response = pages().problem(&problem(), RequestId::random());
    let policy = header(&response, header::CONTENT_SECURITY_POLICY);
    let html = html(response).await;
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash.as_ref());
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")));
    assert_eq!(html.matches("<style").count(), 1);
    assert!(!html.contains(" style="), "an inline style attribute needs unsafe-inline");
}

#[tokio::test]
async fn every_page_has_a_language_one_heading_a_landmark_and_the_request_id() {
    let id = RequestId::random().to_string();
    assert_eq!(id.len(), 16);
    for (name, response) in every_page(&pages()) {
        let html = html(response).await;
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}");
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert_eq!(html.matches("<main").count(), 1, "{name}");
        assert!(html.contains("name=\"viewport\""), "{name}");
        let request = html.split("Request <code>").nth(1).and_then(|rest| rest.split("</code>").next());
        assert_eq!(request.map(str::len), Some(16), "{name}");
    }
}

#[tokio::test]
async fn each_page_has_the_status_that_its_cause_has() {
    let table = [
        ("sign-in", 200),
        ("problem", 500),
        ("problem-that-reloads", 503),
        ("signed-out", 200),
        ("sign-out-at-provider", 200),
        ("problem-elsewhere", 421),
        ("problem-with-a-wait", 429),
        ("sessions", 200),
    ];
    let found: Vec<_> =
        every_page(&pages()).into_iter().map(|(name, page)| (name, page.status().as_u16())).collect();
    assert_eq!(found, table);
}

#[tokio::test]
async fn only_a_page_with_something_to_reload_loads_again_by_itself() {
    for (name, response) in every_page(&pages()) {
        let after =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().expect("text").to_owned());
        let html = html(response).await;
        let wanted = format!("http-equiv=\"refresh\" content=\"10; url={}\"", link());
        assert_eq!(html.contains("http-equiv=\"refresh\""), name == "problem-that-reloads", "{name}");
        assert_eq!(html.contains(&wanted), name == "problem-that-reloads", "{name}:\n{html}");
        let seconds = match name {
            "problem-that-reloads" => Some("10"),
            "problem-with-a-wait" => Some("42"),
            _ => None,
        };
        assert_eq!(after.as_deref(), seconds, "{name}");
    }
}

#[tokio::test]
async fn an_icon_that_is_no_web_image_is_left_out() {
    for icon in
        ["data:image/svg+xml,<svg/>", "file:///etc/passwd", "javascript:alert(1)", "https://a;b/x.svg"]
    {
        let settings = PageSettings {
            access_url: url("https://coder.company/"),
            sign_in_text: "Sign in".to_owned(),
            icon_url: Url::parse(icon).ok(),
        };
        let view = SignInView { start: link(), password: None, notice: None };
        let response = Pages::new(settings).sign_in(&view, RequestId::random());
        assert!(header(&response, header::CONTENT_SECURITY_POLICY).contains("img-src 'none'"), "{icon}");
        assert!(!html(response).await.contains("<img"), "{icon}");
    }
}

#[tokio::test]
async fn without_the_break_glass_setting_there_is_no_password_link() {
    let view = SignInView { start: link(), password: None, notice: None };
    let html = html(pages().sign_in(&view, RequestId::random())).await;
    assert!(!html.contains("password"));
    assert!(html.contains(&format!("href=\"{}\"", link())));
}

#[tokio::test]
async fn every_form_of_the_sessions_page_carries_the_csrf_token() {
    let csrf = Secret::new("csrf-token");
    let rows: Vec<_> = std::iter::repeat_n(row(false, "CLI"), 130).collect();
    let view = SessionsView {
        person: "alice@acme.company",
        sessions: &rows,
        tokens: &rows,
        csrf: &csrf,
        action: link(),
        notice: None,
        now: Timestamp::from_seconds(1_795_500_000),
    };
    let html = html(pages().sessions(&view, RequestId::random())).await;
    let forms = html.matches("<form method=\"post\"").count();
    assert_eq!(forms, 201, "bounded, and one that ends everything");
    assert_eq!(html.matches("name=\"csrf\" value=\"csrf-token\"").count(), forms);
    assert!(html.contains("60 older ones are not shown"));
}
