//! The issuer with the real grants: every kind of token it issues, and where each is worthless.

use futures_util::future::BoxFuture;

use super::*;
use crate::grant::store::Embedded;
use crate::grant::{Device, EndReason, GrantProvider, GrantSettings, Grants};
use crate::oidc::{
    ClientCheck, IdentityParts, JudgeError, OutageCause, RefreshAnswer, RefreshError, Refreshed, RevokeError,
    TokenKind, Unreachable, VerifiedIdentity,
};
use crate::types::{Email, GrantId, IdentityKey, Keyring, ManualClock, Subject, Timestamp};

/// The PKCE pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider that does not answer.
struct Silent;

fn silence() -> Unreachable {
    Unreachable { cause: OutageCause::Connect, retry_after: None }
}

impl GrantProvider for Silent {
    fn refresh<'a>(
        &'a self,
        _: &'a IdentityKey,
        _: &'a Secret,
    ) -> BoxFuture<'a, Result<RefreshAnswer, RefreshError>> {
        Box::pin(async { Err(silence().into()) })
    }

    fn judge<'a>(
        &'a self,
        _: &'a IdentityKey,
        _: &'a RefreshAnswer,
    ) -> BoxFuture<'a, Result<Refreshed, JudgeError>> {
        Box::pin(async { Err(silence().into()) })
    }

    fn check_client(&self, _in_doubt: bool) -> BoxFuture<'_, Result<ClientCheck, Unreachable>> {
        Box::pin(async { Err(silence()) })
    }

    fn revoke<'a>(&'a self, _: &'a Secret, _: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(async { Err(silence().into()) })
    }
}

struct World {
    grants: Arc<Grants>,
    issuer: IssuerEndpoint<Arc<Grants>>,
    grant: GrantId,
    hand: ManualClock,
}

async fn world() -> World {
    let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_800_000_000));
    let (store, keyring) = (Arc::new(Embedded::in_memory().await), Keyring::new([7; 32], []));
    let settings = GrantSettings::default();
    let grants =
        Grants::open(settings, store, &keyring, Arc::new(Silent), clock.clone()).await.expect("grants");
    let issuer = issuer_of(Arc::clone(&grants), provider(Some(&discovery()), &jwks()));
    let state = grants.take_state("state", clock.now()).await.expect("the store answers").expect("a state");
    let grant = grants.begin(VerifiedIdentity::for_test(alice(&clock)), device(), state).await;
    let grant = grant.expect("the store answers").expect("a grant");
    World { grants, issuer, grant, hand }
}

fn device() -> Device {
    Device::new("192.0.2.7".parse().expect("an address"), "Mozilla/5.0")
}

fn alice(clock: &Clock) -> IdentityParts {
    let claims = object!({ "sub": "sub-alice", "email": "alice@acme.company", "email_verified": true });
    let claims = claims.as_object().cloned().unwrap_or_default();
    let issuer = IssuerId::parse("http://127.0.0.1:9100/application/o/coder/", false).expect("an issuer");
    IdentityParts {
        key: IdentityKey { issuer, subject: Subject::parse("sub-alice").expect("a subject") },
        sid: Some("sid".to_owned()),
        issued_at: clock.now(),
        email: Email::parse("alice@acme.company").expect("an address"),
        groups: Vec::new(),
        claims: claims.clone(),
        user_info: Some(claims),
        id_token: Secret::new("authentik.id.token"),
        access_token: Secret::new("authentik-access-token"),
        access_expires_at: clock.now() + Duration::from_mins(5),
        refresh_token: Some(Secret::new("authentik-refresh-token")),
        scope: Some("openid email offline_access".to_owned()),
    }
}

impl World {
    fn code(&self) -> Secret {
        self.grants.code_for(self.grant, CALLBACK, Some(CHALLENGE))
    }

    /// Redeems a code as Coder does.
    async fn redeem(&self, code: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post(&form).await
    }

    async fn refresh(&self, handle: &str) -> (u16, Value) {
        self.post(&[("grant_type", "refresh_token"), ("refresh_token", handle)]).await
    }

    async fn post(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let response = ask(&self.issuer, ("POST", "/token", &[FORM, BASIC], &body)).await;
        (response.status().as_u16(), value(response).await)
    }

    async fn user_info(&self, token: &str) -> (u16, Value) {
        let bearer = format!("Bearer {token}");
        let response = ask(&self.issuer, ("GET", "/userinfo", &[("authorization", &bearer)], "")).await;
        (response.status().as_u16(), value(response).await)
    }
}

#[tokio::test]
async fn a_code_gives_the_providers_own_tokens_once() {
    let world = world().await;
    let code = world.code();
    let (status, tokens) = world.redeem(code.expose()).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["id_token"], "authentik.id.token");
    assert_eq!(tokens["access_token"], "authentik-access-token");
    assert_eq!(tokens["expires_in"], 300);
    assert_ne!(tokens["refresh_token"], "authentik-refresh-token", "that one never leaves the gateway");
    let (again, error) = world.redeem(code.expose()).await;
    assert_eq!((again, error["error"].as_str()), (400, Some("invalid_grant")));
    let (status, claims) = world.user_info("authentik-access-token").await;
    assert_eq!((status, claims["email"].as_str()), (200, Some("alice@acme.company")));
}

#[tokio::test]
async fn ten_requests_with_one_handle_get_ten_times_the_same() {
    let world = world().await;
    let (_, tokens) = world.redeem(world.code().expose()).await;
    let handle = tokens["refresh_token"].as_str().expect("a handle").to_owned();
    let answers = futures_util::future::join_all((0..10).map(|_| world.refresh(&handle))).await;
    for (status, answer) in answers {
        assert_eq!((status, &answer), (200, &tokens));
    }
}

/// CVE-2024-47616: each token class is refused by every other endpoint.
#[tokio::test]
async fn no_real_token_is_worth_anything_where_another_kind_belongs() {
    let world = world().await;
    let (_, tokens) = world.redeem(world.code().expose()).await;
    let text = |name: &str| tokens[name].as_str().expect("text").to_owned();
    let (access, handle, id_token, code) =
        (text("access_token"), text("refresh_token"), text("id_token"), world.code().expose().to_owned());
    let coders_own = "Ab3dEf6hIj-KlMn0pQrStUvWxYz12345A".to_owned();
    let grant = world.grant.to_string();
    let theirs = "authentik-refresh-token".to_owned();
    for other in [&access, &handle, &id_token, &coders_own, &grant, &theirs] {
        assert_eq!(world.redeem(other).await.0, 400, "as a code: {other}");
    }
    for other in [&access, &code, &id_token, &coders_own, &grant, &theirs] {
        assert_eq!(world.refresh(other).await.0, 400, "as a handle: {other}");
    }
    for other in [&handle, &code, &id_token, &coders_own, &grant, &theirs] {
        assert_eq!(world.user_info(other).await.0, 401, "as an access token: {other}");
    }
    assert_eq!(world.redeem(&code).await.0, 200, "and none of it spent the code");
}

#[tokio::test]
async fn an_ended_grant_is_an_invalid_grant_and_a_silent_provider_is_not() {
    let world = world().await;
    let (_, tokens) = world.redeem(world.code().expose()).await;
    let handle = tokens["refresh_token"].as_str().expect("a handle").to_owned();
    // Expired, no answer from the provider: first grace, then neither yes nor no.
    world.hand.advance(Duration::from_mins(6));
    let (status, answer) = world.refresh(&handle).await;
    assert_eq!((status, answer["expires_in"].as_u64()), (200, Some(30)));
    assert_eq!(world.user_info("authentik-access-token").await.0, 401);
    world.hand.advance(Duration::from_hours(1));
    let (status, answer) = world.refresh(&handle).await;
    assert_eq!((status, answer["error"].as_str()), (503, Some("temporarily_unavailable")));
    world.grants.abandon(world.grant, EndReason::Abandoned).await.expect("the store answers");
    let (status, answer) = world.refresh(&handle).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(world.redeem(world.code().expose()).await.0, 400, "nor is there a code for it");
}
