//! The rows of the store.

use std::net::IpAddr;

use crate::grant::EndReason;
use crate::types::{
    CoderUserId, Email, GrantId, IdentityKey, Issuer, LoginType, Timestamp, TokenHash, printable,
};

/// The longest `User-Agent` kept, in bytes.
const MAX_USER_AGENT: usize = 300;

/// Where a sign-in or a token came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The client's address.
    pub address: IpAddr,
    /// The client's own name for itself: untrusted, only for display.
    pub user_agent: String,
}

impl Device {
    /// A device, its `User-Agent` cut to 300 bytes, without unprintable characters.
    pub fn new(address: IpAddr, user_agent: &str) -> Self {
        let plain = printable(user_agent, MAX_USER_AGENT);
        let cut = plain.floor_char_boundary(MAX_USER_AGENT);
        Self { address, user_agent: plain.get(..cut).unwrap_or_default().to_owned() }
    }
}

/// The part of a grant that is not sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantHead {
    /// Its identifier.
    pub id: GrantId,
    /// Its identity at the provider.
    pub key: IdentityKey,
    /// Its user in Coder; unknown until the sign-in is bound.
    pub user: Option<CoderUserId>,
    /// The session at the provider (`sid`), as last reported.
    pub sid: Option<String>,
    /// The email address, as last reported.
    pub email: Email,
    /// When the access token expires.
    pub access_expires_at: Timestamp,
    /// When the provider last confirmed it: sign-in or refresh.
    pub checked_at: Timestamp,
    /// Whether there is a refresh token.
    pub refreshable: bool,
    /// Grows with every write: the fence.
    pub generation: u64,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// Why it ended, if it did.
    pub ended: Option<EndReason>,
}

/// A grant with everything stored for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The part that is not sealed.
    pub head: GrantHead,
    /// The hash of the user's handle towards Coder.
    pub handle: TokenHash,
    /// The hash of the access token.
    pub access: TokenHash,
    /// When the person signed in, in whole seconds of the provider's clock (`iat` of the ID token). Refreshes do not
    /// change it. The epoch when not recorded: older than everything.
    pub issued_at: Timestamp,
    /// Where the sign-in came from.
    pub device: Device,
    /// Tokens and claims, sealed.
    pub sealed: Vec<u8>,
}

/// A spent one-time value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Its hash.
    pub id: TokenHash,
    /// Until when it is remembered.
    pub until: Timestamp,
}

/// The changes of a refresh to a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The session at the provider.
    pub sid: Option<String>,
    /// The email address.
    pub email: Email,
    /// The hash of the new access token.
    pub access: TokenHash,
    /// When that access token expires.
    pub access_expires_at: Timestamp,
    /// When the provider responded.
    pub checked_at: Timestamp,
    /// Tokens and claims, sealed.
    pub sealed: Vec<u8>,
    /// Ends the grant's sessions in the same step.
    pub end_sessions: Option<EndReason>,
}

/// The newly sealed contents of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedExchange {
    /// The grant.
    pub id: GrantId,
    /// What is stored.
    pub from: Vec<u8>,
    /// The same, sealed with the current key.
    pub to: Vec<u8>,
}

/// A sign-in to finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The grant of the sign-in.
    pub grant: GrantId,
    /// The session from Coder.
    pub session: TokenHash,
    /// The user in Coder.
    pub user: CoderUserId,
    /// Now.
    pub at: Timestamp,
    /// The sessions that the browser presented before: nearly always one at most.
    pub replaces: Vec<TokenHash>,
}

/// The result of a [`Bind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Bound.
    Done {
        /// The present grant.
        head: Box<GrantHead>,
        /// What ended.
        ended: Ended,
        /// The identity from which this one took the user over, as an operator had allowed.
        relinked_from: Option<Box<IdentityKey>>,
    },
    /// Not bound: the grant has ended meanwhile, or is missing.
    TooLate(EndReason),
    /// Not bound: the user belongs to this other identity.
    OtherIdentity(Box<IdentityKey>),
}

/// A user of Coder, and the identity that the user belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundUser {
    /// The user in Coder.
    pub user: CoderUserId,
    /// The identity.
    pub key: IdentityKey,
    /// The email address at the last sign-in.
    pub email: Email,
}

/// A token that Coder has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedKey {
    /// The hash of the token.
    Token(TokenHash),
    /// The hash of the id by which Coder names it.
    Id(TokenHash),
}

/// A browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The hash of Coder's session token.
    pub hash: TokenHash,
    /// Its grant.
    pub grant: GrantId,
    /// Its user.
    pub user: CoderUserId,
    /// When it was bound.
    pub created_at: Timestamp,
    /// When it was last seen, as far as written.
    pub last_seen: Timestamp,
    /// Why it ended, if it did.
    pub ended: Option<EndReason>,
}

/// Where a token was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MadeFor {
    /// Presented by a client; Coder reported its owner.
    Presented,
    /// Created as a key for the CLI or an IDE (`POST /api/v2/users/{user}/keys`).
    Key,
    /// Created as a long-lived token (`POST /api/v2/users/{user}/keys/tokens`).
    Token,
    /// Created for a workspace app when a browser was redirected to it.
    App,
}

impl MadeFor {
    /// The label for the log and the store.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Presented => "presented",
            Self::Key => "key",
            Self::Token => "token",
            Self::App => "app",
        }
    }

    /// Parses [`Self::label`]; an unknown label counts as presented.
    pub(super) fn from_label(word: &str) -> Self {
        let made = [Self::Key, Self::Token, Self::App];
        made.into_iter().find(|it| it.label() == word).unwrap_or(Self::Presented)
    }
}

/// A Coder API key other than a browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The hash of the key.
    pub hash: TokenHash,
    /// Its user in Coder.
    pub user: CoderUserId,
    /// How that user signs in to Coder.
    pub login_type: LoginType,
    /// Where it was first seen.
    pub made_for: MadeFor,
    /// The hash of the id by which Coder names it; unknown for the encrypted key of an app redirect, and for a token
    /// last seen by an earlier version.
    pub key_id: Option<TokenHash>,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When Coder last reported its owner.
    pub asked_at: Timestamp,
    /// When it was last seen, as far as written.
    pub last_seen: Timestamp,
    /// Why it ended, if it did.
    pub ended: Option<EndReason>,
}

/// What is known of a user of Coder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRow {
    /// Whether anybody ever signed in here as this user.
    pub signed_in: bool,
    /// The live grants, newest first.
    pub grants: Vec<GrantHead>,
}

/// The part of the store to end.
///
/// A user's workspace app sessions end with a browser session that is ended explicitly ([`Self::Session`],
/// [`Self::Sid`]): Coder deletes all of them at a sign-out, and their tunnels would stay open. With a session that ends
/// otherwise they end when it was the last. An idle session leaves them: a user who works in an app is not idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One session. Its grant ends too when nothing depends on it then: it has no other live session, and the user has
    /// no live token, or another grant with a live session.
    Session(TokenHash),
    /// One token.
    Token(TokenHash),
    /// One grant and its sessions.
    Grant(GrantId),
    /// The sessions of one session at the provider, and its unbound sign-ins.
    Sid(Issuer, String),
    /// Everything of an identity that was signed in up to a moment of the provider's clock: grants (bound or not) and
    /// their sessions; and its tokens, except those first seen after a later live sign-in.
    Identity(IdentityKey, Timestamp),
    /// Everything of a user of Coder: grants, sessions, tokens.
    User(CoderUserId),
    /// Everything of everybody.
    Everybody,
    /// Sign-ins begun before this and never bound.
    Unbound(Timestamp),
    /// Live grants without a live session whose last check at the provider was before this.
    Unused(Timestamp),
    /// Sessions bound before this, and their grants as with [`Self::Session`].
    Older(Timestamp),
    /// Sessions last seen before this, and their grants as with [`Self::Session`].
    Idler(Timestamp),
}

/// What ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: Vec<TokenHash>,
    /// Tokens.
    pub tokens: Vec<TokenHash>,
    /// Grants, with their users where known.
    pub grants: Vec<(GrantId, Option<CoderUserId>)>,
}

impl Ended {
    /// How many sessions, tokens and grants.
    pub fn count(&self) -> usize {
        self.sessions.len() + self.tokens.len() + self.grants.len()
    }

    /// Whether nothing ended.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// When a session or token was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// A session. It keeps the device of its sign-in.
    Session(TokenHash, Timestamp),
    /// A token, and its origin when newly known.
    Token(TokenHash, Timestamp, Option<Device>),
}

/// An ended grant whose tokens must be revoked at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The grant.
    pub head: GrantHead,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How many attempts failed.
    pub tries: u32,
    /// Its tokens, sealed.
    pub sealed: Vec<u8>,
}

/// Which sessions and tokens to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    Everybody,
    /// Those of one user of Coder.
    User(CoderUserId),
    /// Those of the users who signed in with this email address, ignoring case.
    Email(String),
}

/// A live session or token in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The hash of the credential; its short form names the entry.
    pub hash: TokenHash,
    /// Session or token.
    pub kind: ListedKind,
    /// Its user in Coder.
    pub user: CoderUserId,
    /// Its identity at the provider, when known.
    pub key: Option<IdentityKey>,
    /// The email address, when known.
    pub email: Option<Email>,
    /// When it was bound or first seen.
    pub created_at: Timestamp,
    /// When it was last seen, up to a minute late.
    pub last_seen: Timestamp,
}

/// The kind of credential in a [`Listed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// A browser's session.
    Session {
        /// Its grant.
        grant: GrantId,
        /// Where the sign-in came from.
        device: Device,
    },
    /// A token.
    Token {
        /// Where it was first seen.
        made_for: MadeFor,
        /// How its user signs in to Coder.
        login_type: LoginType,
        /// Where it was last seen from, if anywhere; up to `session.recheck` late.
        device: Option<Device>,
    },
}
