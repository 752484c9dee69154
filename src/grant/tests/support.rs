//! The test environment of the grants.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

pub(super) use super::fake_provider::{FakeProvider, Says, oauth, unreachable};
use crate::grant::store::{Embedded, Store, StoreError};
use crate::grant::{
    CredentialHandle, Device, EndReason, GrantProvider, GrantSettings, Grants, TakenState, TokenOwner,
    Verdict,
};
use crate::oidc::{ClaimMap, IdentityParts, VerifiedIdentity};
use crate::types::{
    Clock, CoderUserId, Email, GrantId, IdentityKey, Issuer, Keyring, LoginType, ManualClock, Secret,
    Subject, Timestamp, TokenHash,
};

pub(super) const ISSUER: &str = "https://authentik.company/application/o/coder/";
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn claims(subject: &str) -> ClaimMap {
    let claims = json!({"sub": subject, "email": format!("{subject}@acme.company")});
    claims.as_object().unwrap().clone()
}

/// A key that opens but does not seal.
pub(super) const OLD_KEY: [u8; 32] = [9; 32];

/// Grants and all their dependencies.
pub(super) struct World {
    pub(super) grants: Arc<Grants>,
    pub(super) provider: Arc<FakeProvider>,
    pub(super) store: Arc<dyn Store>,
    pub(super) hand: ManualClock,
    pub(super) clock: Clock,
    pub(super) settings: GrantSettings,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(GrantSettings::default()).await
    }

    pub(super) async fn with(settings: GrantSettings) -> Self {
        Self::over(settings, Arc::new(Embedded::in_memory().await)).await
    }

    pub(super) async fn over(settings: GrantSettings, store: Arc<dyn Store>) -> Self {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let provider = Arc::new(FakeProvider::new(clock.clone()));
        let grants = open(&settings, &store, &provider, &clock).await;
        Self { grants, provider, store, hand, clock, settings }
    }

    /// As after a crash: everything in memory is gone.
    pub(super) async fn restart(&mut self) {
        self.grants = open(&self.settings, &self.store, &self.provider, &self.clock).await;
    }

    /// With short patience, for tests of a provider that never answers.
    pub(super) async fn impatient() -> Self {
        Self::with(GrantSettings { patience: Duration::from_millis(1), ..GrantSettings::default() }).await
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

    /// A complete sign-in: the grant, and the hash of the new session.
    pub(super) async fn sign_in(&self, subject: &str) -> (GrantId, TokenHash) {
        let grant = self.begin(subject).await;
        let session = fresh_hash();
        self.grants.bind(grant, session, user(subject), Vec::new()).await.unwrap();
        (grant, session)
    }

    pub(super) async fn judge(&self, hash: &TokenHash) -> Verdict {
        self.grants.judge(hash).await.unwrap()
    }

    /// The credential, which must be served.
    pub(super) async fn served(&self, hash: &TokenHash) -> CredentialHandle {
        match self.judge(hash).await {
            Verdict::Authorized(authorization) => authorization.credential().clone(),
            other => panic!("not served: {other:?}"),
        }
    }

    /// Why it ended; it must have ended.
    pub(super) async fn ended(&self, hash: &TokenHash) -> EndReason {
        assert!(!self.is_hot(hash), "the hot path still serves it");
        match self.judge(hash).await {
            Verdict::Ended(reason) => reason,
            other => panic!("not ended: {other:?}"),
        }
    }

    pub(super) fn is_hot(&self, hash: &TokenHash) -> bool {
        matches!(self.grants.check(hash), Verdict::Authorized(_))
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
    settings: &GrantSettings,
    store: &Arc<dyn Store>,
    provider: &Arc<FakeProvider>,
    clock: &Clock,
) -> Arc<Grants> {
    let provider = Arc::clone(provider) as Arc<dyn GrantProvider>;
    let keyring = Keyring::new([7; 32], [OLD_KEY]);
    Grants::open(settings.clone(), Arc::clone(store), &keyring, provider, clock.clone()).await.unwrap()
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
    TokenOwner { user: user(subject), login_type, made_for: crate::grant::MadeFor::Presented, key_id: None }
}

pub(super) fn issuer() -> Issuer {
    Issuer::parse(ISSUER, false).unwrap()
}

pub(super) fn key(subject: &str) -> IdentityKey {
    IdentityKey { issuer: issuer(), subject: Subject::parse(subject).unwrap() }
}

/// The user of Coder for a subject.
pub(super) fn user(subject: &str) -> CoderUserId {
    CoderUserId::from_bytes(&TokenHash::of(subject).as_bytes()[..16]).unwrap()
}

pub(super) fn fresh_hash() -> TokenHash {
    TokenHash::of(&crate::types::random_token())
}

pub(super) fn device() -> Device {
    Device::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), "Mozilla/5.0 (X11; Linux x86_64)")
}

/// Lets all runnable work run, and the work that follows from it.
pub(super) async fn settle(world: &World) {
    for _ in 0..20 {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        // The store's thread works in order, so this runs after all earlier requests.
        world.store.note("nothing").await.unwrap();
    }
}
