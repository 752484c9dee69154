//! A scriptable provider, and a world around the grants.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::grant::store::{Embedded, Store, StoreError};
use crate::grant::{
    Check, Device, EndReason, Grants, Judgement, Refresher, Settings, Standing, TakenState, TokenOwner,
};
use crate::oidc::{
    Cause, ClaimMap, ClientCheck, IdTokenError, IdentityParts, InvalidGrant, JudgeError, OAuthError,
    ProviderFault, RefreshAnswer, RefreshError, Refreshed, Refusal, RevokeError, Sid, TokenKind, Unreachable,
    VerifiedIdentity,
};
use crate::types::{
    Clock, CoderUserId, Email, GrantId, IdentityKey, Issuer, Keyring, LoginType, ManualClock, Secret,
    Subject, Timestamp, TokenHash,
};

pub(super) const ISSUER: &str = "https://authentik.company/application/o/coder/";
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What the provider says to a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// New tokens.
    Yes,
    /// New tokens, and an ID token without `sid`.
    YesWithoutSid,
    /// New tokens, and the same refresh token goes on.
    YesKeepingRefreshToken,
    InvalidGrant,
    NotInGroup,
    Down,
    InvalidClient,
    /// Another error of OAuth 2.0 than `invalid_grant`.
    Declines(&'static str),
    /// An internal error.
    Fails,
    /// A new refresh token, and then no judgement.
    Halfway,
    /// New tokens, and an ID token of another issuer.
    AnotherIssuer,
    /// New tokens, and an ID token of another person.
    AnotherSubject,
}

/// A provider that does as it is told, and counts.
pub(super) struct FakeProvider {
    pub(super) says: Mutex<Says>,
    pub(super) about: Mutex<HashMap<String, Says>>,
    /// The only refresh token taken, by subject, when rotation is strict.
    pub(super) strict: Mutex<Option<HashMap<String, String>>>,
    /// What a refresh token that is not the one of `strict` is called, when not `invalid_grant`.
    pub(super) dead_is: Mutex<Option<&'static str>>,
    pub(super) refreshes: AtomicUsize,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    /// When set, each refresh waits for a permit.
    pub(super) gate: Mutex<Option<Arc<Semaphore>>>,
    pub(super) revoked: Mutex<Vec<String>>,
    pub(super) revocation_down: Mutex<bool>,
    /// What the provider says of the client when it is asked without a grant.
    pub(super) client: Mutex<Result<ClientCheck, Unreachable>>,
    pub(super) checks: AtomicUsize,
    /// What is to be said of the answers given, by access token.
    judgements: Mutex<HashMap<String, Result<Refreshed, JudgeError>>>,
    pub(super) access_life: Mutex<Duration>,
    clock: Clock,
}

impl FakeProvider {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            says: Mutex::new(Says::Yes),
            about: Mutex::default(),
            strict: Mutex::default(),
            dead_is: Mutex::default(),
            refreshes: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: Mutex::default(),
            revoked: Mutex::default(),
            revocation_down: Mutex::new(false),
            client: Mutex::new(Ok(ClientCheck::Unclear(ProviderFault::TokenAnswer("scripted")))),
            checks: AtomicUsize::new(0),
            judgements: Mutex::default(),
            access_life: Mutex::new(MINUTE * 10),
            clock,
        }
    }

    pub(super) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(super) fn says_about(&self, subject: &str, says: Says) {
        self.about.lock().unwrap().insert(subject.to_owned(), says);
    }

    /// What the provider says of the client when it is asked without a grant.
    pub(super) fn says_of_client(&self, says: Result<ClientCheck, Unreachable>) {
        *self.client.lock().unwrap() = says;
    }

    pub(super) fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    pub(super) fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(super) fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }

    fn answer(&self, key: &IdentityKey, presented: &Secret) -> Result<RefreshAnswer, RefreshError> {
        let turn = self.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
        let subject = key.subject.as_str();
        let about = self.about.lock().unwrap().get(subject).cloned();
        let says = about.unwrap_or_else(|| self.says.lock().unwrap().clone());
        let mut sid = Sid::Present(format!("sid-{subject}"));
        let mut next = Some(Secret::new(format!("refresh-{subject}-{turn}")));
        match &says {
            Says::Yes | Says::Halfway | Says::NotInGroup | Says::AnotherIssuer | Says::AnotherSubject => {}
            Says::YesWithoutSid => sid = Sid::Missing,
            Says::YesKeepingRefreshToken => next = None,
            Says::InvalidGrant => return Err(InvalidGrant { description: None }.into()),
            Says::Down => return Err(unreachable(Cause::Connect).into()),
            Says::Fails => return Err(unreachable(Cause::Status(500)).into()),
            Says::Declines(code) => return Err(RefreshError::Declined(oauth(code))),
            Says::InvalidClient => {
                return Err(RefreshError::Provider(ProviderFault::TokenAnswer("invalid_client")));
            }
        }
        if let Some(current) = self.strict.lock().unwrap().as_mut() {
            let kept = current.entry(subject.to_owned()).or_insert_with(|| presented.expose().to_owned());
            if kept != presented.expose() {
                if let Some(code) = *self.dead_is.lock().unwrap() {
                    return Err(RefreshError::Declined(oauth(code)));
                }
                return Err(InvalidGrant { description: None }.into());
            }
            if let Some(next) = &next {
                next.expose().clone_into(kept);
            }
        }
        let access_token = format!("access-{subject}-{turn}");
        let answer = RefreshAnswer::for_test(&access_token, next.as_ref());
        let judgement = match says {
            Says::Halfway => Err(unreachable(Cause::Timeout).into()),
            Says::NotInGroup => {
                let [field, found, wanted] = ["groups", "\"others\"", "\"devs\""].map(str::to_owned);
                Err(Refusal::GroupNotAllowed { field, found, wanted }.into())
            }
            Says::AnotherIssuer => {
                let [found, expected] = ["https://authentik.company/", ISSUER].map(str::to_owned);
                Err(ProviderFault::from(IdTokenError::Issuer { found, expected }).into())
            }
            Says::AnotherSubject => Err(JudgeError::AnotherSubject),
            _ => Ok(self.refreshed(subject, turn, next, sid)),
        };
        self.judgements.lock().unwrap().insert(access_token, judgement);
        Ok(answer)
    }

    fn refreshed(&self, subject: &str, turn: usize, next: Option<Secret>, sid: Sid) -> Refreshed {
        Refreshed {
            access_token: Secret::new(format!("access-{subject}-{turn}")),
            access_expires_at: self.clock.now() + *self.access_life.lock().unwrap(),
            refresh_token: next,
            id_token: Some(Secret::new(format!("signed-{subject}-{turn}"))),
            sid,
            email: Email::parse(&format!("{subject}@acme.company")).unwrap(),
            groups: vec!["coder".to_owned()],
            claims: claims(subject),
        }
    }
}

pub(super) fn unreachable(cause: Cause) -> Unreachable {
    Unreachable { cause, retry_after: None }
}

pub(super) fn oauth(code: &str) -> OAuthError {
    OAuthError { code: code.to_owned(), description: None, status: Some(400) }
}

impl Refresher for FakeProvider {
    fn refresh<'a>(
        &'a self,
        key: &'a IdentityKey,
        refresh_token: &'a Secret,
    ) -> BoxFuture<'a, Result<RefreshAnswer, RefreshError>> {
        Box::pin(async move {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            let gate = self.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            let answer = self.answer(key, refresh_token);
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }

    fn judge<'a>(
        &'a self,
        _key: &'a IdentityKey,
        answer: &'a RefreshAnswer,
    ) -> BoxFuture<'a, Result<Refreshed, JudgeError>> {
        Box::pin(async move {
            let access_token = answer.access_token().unwrap().expose();
            self.judgements.lock().unwrap()[access_token].clone()
        })
    }

    fn check_client(&self) -> BoxFuture<'_, Result<ClientCheck, Unreachable>> {
        Box::pin(async move {
            self.checks.fetch_add(1, Ordering::SeqCst);
            self.client.lock().unwrap().clone()
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret, kind: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(async move {
            if *self.revocation_down.lock().unwrap() {
                return Err(Unreachable { cause: Cause::Timeout, retry_after: None }.into());
            }
            self.revoked.lock().unwrap().push(format!("{kind:?} {}", token.expose()));
            Ok(())
        })
    }
}

fn claims(subject: &str) -> ClaimMap {
    let claims = json!({"sub": subject, "email": format!("{subject}@acme.company")});
    claims.as_object().unwrap().clone()
}

/// Grants, and all that they depend on.
pub(super) struct World {
    pub(super) grants: Arc<Grants>,
    pub(super) provider: Arc<FakeProvider>,
    pub(super) store: Arc<dyn Store>,
    pub(super) hand: ManualClock,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        Self::over(settings, Arc::new(Embedded::in_memory().await)).await
    }

    pub(super) async fn over(settings: Settings, store: Arc<dyn Store>) -> Self {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let provider = Arc::new(FakeProvider::new(clock.clone()));
        let grants = open(&settings, &store, &provider, &clock).await;
        Self { grants, provider, store, hand, clock, settings }
    }

    /// As after a crash: everything in memory is gone.
    pub(super) async fn restart(&mut self) {
        self.grants = open(&self.settings, &self.store, &self.provider, &self.clock).await;
    }

    /// Makes patience short, for tests of a provider that never answers.
    pub(super) fn impatient(mut self) -> Self {
        Arc::get_mut(&mut self.grants).expect("nobody else has it yet").patience = Duration::from_millis(1);
        self
    }

    pub(super) async fn begin(&self, subject: &str) -> GrantId {
        self.begin_with(subject, |_| ()).await
    }

    pub(super) async fn begin_with(&self, subject: &str, change: impl FnOnce(&mut IdentityParts)) -> GrantId {
        self.try_to_begin(subject, change).await.unwrap()
    }

    pub(super) async fn try_to_begin(
        &self,
        subject: &str,
        change: impl FnOnce(&mut IdentityParts),
    ) -> Result<GrantId, StoreError> {
        let state = self.grants.take_state(&crate::types::random_token(), self.clock.now() + SECOND).await;
        let begun = self.begin_by(state.unwrap().unwrap(), subject, change).await;
        begun.map(|grant| grant.expect("nobody else has the state"))
    }

    pub(super) async fn begin_by(
        &self,
        state: TakenState,
        subject: &str,
        change: impl FnOnce(&mut IdentityParts),
    ) -> Result<Option<GrantId>, StoreError> {
        let mut parts = parts(self, subject);
        change(&mut parts);
        self.grants.begin(VerifiedIdentity::for_test(parts), device(), state).await
    }

    /// A whole sign-in: the grant, and the hash of the new session.
    pub(super) async fn sign_in(&self, subject: &str) -> (GrantId, TokenHash) {
        let grant = self.begin(subject).await;
        let session = fresh_hash();
        self.grants.bind(grant, session, user(subject), None).await.unwrap();
        (grant, session)
    }

    pub(super) async fn judge(&self, hash: &TokenHash) -> Judgement {
        self.grants.judge(hash).await.unwrap()
    }

    /// The standing of what must be served.
    pub(super) async fn served(&self, hash: &TokenHash) -> Standing {
        match self.judge(hash).await {
            Judgement::Served(standing) => standing,
            other => panic!("not served: {other:?}"),
        }
    }

    /// Why what must have ended ended.
    pub(super) async fn ended(&self, hash: &TokenHash) -> EndReason {
        assert!(!self.is_hot(hash), "the hot path still serves it");
        match self.judge(hash).await {
            Judgement::Ended(reason) => reason,
            other => panic!("not ended: {other:?}"),
        }
    }

    pub(super) fn is_hot(&self, hash: &TokenHash) -> bool {
        matches!(self.grants.check(hash), Check::Served(_))
    }

    /// A known token of a user.
    pub(super) async fn token(&self, subject: &str, login_type: LoginType) -> TokenHash {
        let hash = fresh_hash();
        self.grants.attribute(hash, owner(subject, login_type)).await.unwrap();
        hash
    }

    pub(super) async fn generation(&self, grant: GrantId) -> u64 {
        self.store.grant(grant).await.unwrap().unwrap().head.generation
    }

    pub(super) async fn is_live(&self, grant: GrantId) -> bool {
        self.store.grant(grant).await.unwrap().is_some_and(|row| row.head.ended.is_none())
    }
}

async fn open(
    settings: &Settings,
    store: &Arc<dyn Store>,
    provider: &Arc<FakeProvider>,
    clock: &Clock,
) -> Arc<Grants> {
    let refresher = Arc::clone(provider) as Arc<dyn Refresher>;
    let keyring = Keyring::new([7; 32], []);
    Grants::open(settings.clone(), Arc::clone(store), &keyring, refresher, clock.clone()).await.unwrap()
}

fn parts(world: &World, subject: &str) -> IdentityParts {
    IdentityParts {
        key: key(subject),
        sid: Some(format!("sid-{subject}")),
        issued_at: Timestamp::from_seconds(world.clock.now().as_seconds()),
        email: Email::parse(&format!("{subject}@acme.company")).unwrap(),
        groups: vec!["coder".to_owned()],
        claims: claims(subject),
        user_info: Some(claims(subject)),
        id_token: Secret::new(format!("signed-{subject}-0")),
        access_token: Secret::new(format!("access-{subject}-{}", GrantId::random())),
        access_expires_at: world.clock.now() + *world.provider.access_life.lock().unwrap(),
        refresh_token: Some(Secret::new(format!("refresh-{subject}-0"))),
        scope: Some("openid profile email offline_access".to_owned()),
    }
}

pub(super) fn owner(subject: &str, login_type: LoginType) -> TokenOwner {
    TokenOwner { user: user(subject), login_type, made_for: crate::grant::MadeFor::Presented }
}

pub(super) fn issuer() -> Issuer {
    Issuer::parse(ISSUER, false).unwrap()
}

pub(super) fn key(subject: &str) -> IdentityKey {
    IdentityKey { issuer: issuer(), subject: Subject::parse(subject).unwrap() }
}

/// The user of Coder that a subject is.
pub(super) fn user(subject: &str) -> CoderUserId {
    CoderUserId::from_bytes(&TokenHash::of(subject).as_bytes()[..16]).unwrap()
}

pub(super) fn fresh_hash() -> TokenHash {
    TokenHash::of(&crate::types::random_token())
}

pub(super) fn device() -> Device {
    Device::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), "Mozilla/5.0 (X11; Linux x86_64)")
}

/// Lets everything that can go on go on, and what that leads to.
pub(super) async fn settle(world: &World) {
    for _ in 0..20 {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        // The store works in a thread of its own, in turn: this comes after all that was asked before.
        world.store.note("nothing").await.unwrap();
    }
}
