//! Coder: whether it responds, sends sign-ins to the issuer listener, and has the right client secret.

use std::net::{IpAddr, Ipv4Addr};

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use crate::coder::api::Api;
use crate::coder::handoff::{Handoff, HandoffError, Started, Visit};
use crate::coder::refusal::CoderRefusal;
use crate::config::Config;
use crate::types::{LocalRedirect, Secret, printable, random_token};
use crate::web::Client;

use super::Finding;
use crate::app::settings;

/// The longest text of Coder's that a finding quotes, in characters.
const MAX_QUOTED: usize = 200;

/// What to do about a Coder that has other settings than the gateway.
const NEW_ENVIRONMENT: &str = "Give Coder the environment that `vestibule coder-env` prints, and restart it.";

/// Asks for Coder's health and version, then tries a sign-in with a made-up code.
pub(super) async fn look(config: &Config, client: Client) -> Vec<Finding> {
    let (url, access_url) = (&config.coder.url, &config.coder.access_url);
    let api = Api::new(url, access_url, client.clone());
    if !api.healthy().await {
        return vec![Finding::wrong(
            format!("Coder does not answer at {url}."),
            "coder.url is wrong, Coder is not running, or Coder redirects to its access URL.",
            "Start Coder with the environment that `vestibule coder-env` prints, at the address that coder.url names.",
        )];
    }
    let Some(info) = api.build_info().await else {
        return vec![Finding::wrong(
            format!("The server at {url} does not report a version of Coder."),
            "A server other than Coder answers there.",
            "Correct coder.url.",
        )];
    };
    let mut findings = vec![Finding::ok(format!("Coder {} answers at {url}.", info.version))];
    let (theirs, ours) =
        (info.dashboard_url.trim_end_matches('/'), access_url.as_str().trim_end_matches('/'));
    if !theirs.is_empty() && theirs != ours {
        findings.push(Finding::wrong(
            format!("Coder has another access URL than the gateway: {theirs}."),
            format!("Coder's CODER_ACCESS_URL differs from coder.accessURL ({ours})."),
            format!(
                "Set CODER_ACCESS_URL={ours} for Coder, and restart it. Both must have the same access URL."
            ),
        ));
    }
    findings.extend(sign_in(config, client).await);
    findings
}

/// The first part of a sign-in shows Coder's issuer and client id. Its secret shows only when Coder redeems a code at the
/// issuer listener: the code is made up, and the running gateway refuses it after it has checked the secret.
async fn sign_in(config: &Config, client: Client) -> Vec<Finding> {
    let handoff = Handoff::new(settings::handoff(config), client.clone());
    let started = match handoff.start(visit()).await {
        Ok(started) => started,
        Err(error) => return vec![not_begun(&error)],
    };
    let mut findings = vec![begun(config, &started)];
    let answer = handoff.finish(started, &Secret::new(random_token())).await;
    findings.push(match answer {
        Err(HandoffError::Refused(refusal)) => secret(config, client, &refusal).await,
        Err(error) => unknown_secret(error.to_string()),
        Ok(_) => unknown_secret("It accepts a made-up code.".to_owned()),
    });
    findings
}

/// A visit without a browser, from this machine.
fn visit() -> Visit {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Visit {
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        headers,
        redirect: LocalRedirect::root(),
        merge_state: None,
    }
}

fn not_begun(error: &HandoffError) -> Finding {
    match error {
        HandoffError::Refused(refusal) if refusal.status() == StatusCode::TOO_MANY_REQUESTS => Finding::hint(
            "Cannot tell whether Coder sends sign-ins to the issuer listener.",
            format!("Coder's message: {}", refusal.words()),
            "Run the check again in a minute.",
        ),
        HandoffError::Refused(refusal) => Finding::wrong(
            "Coder does not start a sign-in.",
            format!("Coder's message: {}", refusal.words()),
            refusal.remedy().map_or_else(|| NEW_ENVIRONMENT.to_owned(), |remedy| format!("{remedy}.")),
        ),
        error => Finding::wrong(
            "Coder does not send sign-ins to the issuer listener.",
            format!("{error}."),
            NEW_ENVIRONMENT,
        ),
    }
}

fn begun(config: &Config, started: &Started) -> Finding {
    let issuer = &config.coder.issuer.url;
    let expected = config.oidc.redirect_uri.as_str();
    if started.redirect_uri() == expected {
        return Finding::ok(format!(
            "Coder sends sign-ins to the issuer listener ({issuer}), with the right client id."
        ));
    }
    Finding::wrong(
        format!(
            "Coder sends the browser back to {} after a sign-in.",
            printable(started.redirect_uri(), MAX_QUOTED)
        ),
        format!("{expected} was expected: Coder's CODER_ACCESS_URL or CODER_OIDC_REDIRECT_URL differs."),
        NEW_ENVIRONMENT,
    )
}

/// Coder's result at the issuer listener, by the words of its refusal (golang.org/x/oauth2 quotes the error code).
async fn secret(config: &Config, client: Client, refusal: &CoderRefusal) -> Finding {
    let words = refusal.words();
    if words.contains("invalid_grant") {
        return Finding::ok("Coder reaches the issuer listener, and its client secret there is right.");
    }
    if words.contains("invalid_client") {
        return Finding::wrong(
            "Coder's client secret is not coder.issuer.clientSecret.",
            "Coder's CODER_OIDC_CLIENT_SECRET differs: the issuer listener answers Coder with invalid_client.",
            NEW_ENVIRONMENT,
        );
    }
    let url = &config.coder.issuer.url;
    if !answers(&client, url.as_str()).await {
        return unknown_secret(format!(
            "The gateway is not running: the issuer listener does not answer at {url}."
        ));
    }
    Finding::wrong(
        format!("Coder cannot reach the issuer listener at {url}, although it answers this machine."),
        format!("Coder's message: {words}"),
        "Set coder.issuer.listen and coder.issuer.url to an address that Coder can reach, and give Coder the \
         environment that `vestibule coder-env` prints.",
    )
}

fn unknown_secret(cause: String) -> Finding {
    Finding::hint(
        "Cannot tell whether Coder's client secret at the issuer listener is right.",
        cause,
        "Start the gateway and run the check again. Coder's CODER_OIDC_CLIENT_SECRET must equal coder.issuer.clientSecret.",
    )
}

/// Whether the issuer listener responds to a health check.
async fn answers(client: &Client, issuer: &str) -> bool {
    let url = format!("{}/healthz", issuer.trim_end_matches('/'));
    match Request::get(url).body(bytes::Bytes::new()) {
        Ok(request) => client.send(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK),
        Err(_) => false,
    }
}
