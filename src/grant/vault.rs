//! The sealed part of a stored grant: tokens and claims.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::store::{OpenError, SealedExchange, Store, StoreError};
use crate::oidc::ClaimMap;
use crate::types::{GrantId, IdentityKey, Keyring, Purpose, Sealer, Secret};

/// The note that shows whether the keys fit the store.
const KEY_CHECK: &str = "key_check";

/// The note with the provider's last known documents.
const DOCUMENTS: &str = "documents";

/// How many grants are resealed between two reads of the store.
const RESEAL_PAGE: u32 = 500;

/// The result of a resealing, in grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resealed {
    /// Those that an older key had sealed, and that the current key seals now.
    pub resealed: u64,
    /// Those that the current key had sealed already.
    pub current: u64,
    /// Those that none of the keys opens.
    pub unreadable: u64,
}

/// Tokens and claims of a grant.
#[derive(Clone, Deserialize)]
pub(super) struct GrantContents {
    pub(super) access_token: Secret,
    pub(super) refresh_token: Option<Secret>,
    pub(super) id_token: Secret,
    pub(super) scope: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) claims: ClaimMap,
    pub(super) user_info: Option<ClaimMap>,
}

impl GrantContents {
    /// The claims for Coder: userinfo as the provider sent it, or the ID token's claims when userinfo was not
    /// requested.
    pub(super) fn claims_for_coder(&self) -> &ClaimMap {
        self.user_info.as_ref().unwrap_or(&self.claims)
    }
}

/// [`GrantContents`] for sealing; [`Secret`] has no `Serialize` on purpose.
#[derive(Serialize)]
struct OutgoingContents<'a> {
    access_token: &'a str,
    refresh_token: Option<&'a str>,
    id_token: &'a str,
    scope: Option<&'a str>,
    groups: &'a [String],
    claims: &'a ClaimMap,
    user_info: Option<&'a ClaimMap>,
}

/// Seals and opens grants, and derives handles.
#[derive(Debug)]
pub(super) struct Vault {
    rows: Sealer,
    codes: Sealer,
    keyring: Keyring,
}

impl Vault {
    pub(super) fn new(keyring: &Keyring) -> Self {
        Self {
            rows: keyring.sealer(Purpose::Store),
            codes: keyring.sealer(Purpose::Code),
            keyring: keyring.clone(),
        }
    }

    /// Seals the contents of a grant for its row.
    pub(super) fn seal(&self, id: GrantId, contents: &GrantContents) -> Result<Vec<u8>, StoreError> {
        let outgoing = OutgoingContents {
            access_token: contents.access_token.expose(),
            refresh_token: contents.refresh_token.as_ref().map(Secret::expose),
            id_token: contents.id_token.expose(),
            scope: contents.scope.as_deref(),
            groups: &contents.groups,
            claims: &contents.claims,
            user_info: contents.user_info.as_ref(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&outgoing).map_err(|_| unreadable())?);
        Ok(self.rows.seal(&row(id), &plain))
    }

    /// Opens the contents of a grant.
    pub(super) fn open(&self, id: GrantId, sealed: &[u8]) -> Result<GrantContents, StoreError> {
        let plain = Zeroizing::new(self.rows.open(&row(id), sealed).map_err(|_| StoreError::Sealed)?);
        serde_json::from_slice(&plain).map_err(|_| unreadable())
    }

    /// The sealer of one-time codes.
    pub(super) fn codes(&self) -> &Sealer {
        &self.codes
    }

    /// The handle of an identity: stable, and impossible to make without the key.
    pub(super) fn handle(&self, key: &IdentityKey) -> Secret {
        let identity = format!("{}\0{}", key.issuer, key.subject);
        let names = self.keyring.name(Purpose::Handle, identity.as_bytes());
        Secret::new(names.into_iter().next().unwrap_or_default())
    }

    /// Checks that the keys belong to the store, and marks the newest in it.
    pub(super) async fn check(&self, store: &dyn Store) -> Result<(), OpenError> {
        if let Some(mark) = store.note(KEY_CHECK).await? {
            self.rows.open(KEY_CHECK.as_bytes(), &mark).map_err(|_| OpenError::WrongKey)?;
        }
        let mark = self.rows.seal(KEY_CHECK.as_bytes(), b"vestibule");
        Ok(store.set_note(KEY_CHECK, mark).await?)
    }

    /// Seals everything in the store with the current key that an older key sealed. Contents that no key opens stay as
    /// they are, and are counted. It may run while the gateway works, and may be repeated.
    pub(super) async fn reseal(&self, store: &dyn Store) -> Result<Resealed, StoreError> {
        let mut done = Resealed::default();
        let mut after = None;
        loop {
            let page = store.sealed_after(after, RESEAL_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            let mut exchanges = Vec::new();
            for (id, from) in page {
                match self.rows.reseal(&row(id), &from) {
                    Ok(None) => done.current += 1,
                    Ok(Some(to)) => exchanges.push(SealedExchange { id, from, to }),
                    Err(_) => done.unreadable += 1,
                }
            }
            if exchanges.is_empty() {
                continue;
            }
            let count = u64::try_from(exchanges.len()).unwrap_or(u64::MAX);
            let written = store.exchange_sealed(exchanges).await?;
            done.resealed += written;
            // A refresh has written the others meanwhile, with the current key.
            done.current += count.saturating_sub(written);
        }
        for name in [KEY_CHECK, DOCUMENTS] {
            let Some(sealed) = store.note(name).await? else { continue };
            if let Ok(Some(resealed)) = self.rows.reseal(name.as_bytes(), &sealed) {
                store.set_note(name, resealed).await?;
            }
        }
        Ok(done)
    }

    /// The provider's last known discovery document and keys. Sealed not for secrecy, but so that write access to the
    /// store is not enough to give Coder other keys.
    pub(super) async fn documents(&self, store: &dyn Store) -> Result<Option<(String, String)>, StoreError> {
        let Some(sealed) = store.note(DOCUMENTS).await? else { return Ok(None) };
        let plain = self.rows.open(DOCUMENTS.as_bytes(), &sealed).map_err(|_| StoreError::Sealed)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| unreadable())
    }

    /// Stores the provider's documents.
    pub(super) async fn keep_documents(
        &self,
        store: &dyn Store,
        discovery: &str,
        jwks: &str,
    ) -> Result<(), StoreError> {
        let plain = serde_json::to_vec(&(discovery, jwks)).map_err(|_| unreadable())?;
        store.set_note(DOCUMENTS, self.rows.seal(DOCUMENTS.as_bytes(), &plain)).await
    }
}

/// The context of a sealed row.
fn row(id: GrantId) -> Vec<u8> {
    [b"grant\0", id.as_bytes()].concat()
}

fn unreadable() -> StoreError {
    StoreError::Damaged("sealed contents cannot be read".to_owned())
}

/// Seals everything in a store that no gateway uses with the current key. Contents that no key opens stay as they are,
/// and are counted.
///
/// # Errors
///
/// The store failed, or was made with other keys.
pub async fn reseal(store: &dyn Store, keyring: &Keyring) -> Result<Resealed, OpenError> {
    let vault = Vault::new(keyring);
    vault.check(store).await?;
    Ok(vault.reseal(store).await?)
}
