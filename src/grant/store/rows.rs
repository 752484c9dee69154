//! What the store keeps, row by row.

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
    /// What the client calls itself; not to be trusted, only to be shown.
    pub user_agent: String,
}

impl Device {
    /// A device, its `User-Agent` cut to 300 bytes and without characters that do not print.
    pub fn new(address: IpAddr, user_agent: &str) -> Self {
        let plain = printable(user_agent, MAX_USER_AGENT);
        let cut = plain.floor_char_boundary(MAX_USER_AGENT);
        Self { address, user_agent: plain.get(..cut).unwrap_or_default().to_owned() }
    }
}

/// The part of a grant that is not sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantHead {
    /// Its name.
    pub id: GrantId,
    /// Whose it is at the provider.
    pub key: IdentityKey,
    /// Whose it is in Coder; unknown until the sign-in is bound.
    pub user: Option<CoderUserId>,
    /// The session at the provider (`sid`), as last reported.
    pub sid: Option<String>,
    /// The address, as last reported.
    pub email: Email,
    /// When the access token expires.
    pub access_expires_at: Timestamp,
    /// When the provider last confirmed it: sign-in or refresh.
    pub checked_at: Timestamp,
    /// Whether there is a refresh token.
    pub refreshable: bool,
    /// Grows with every write: the fence.
    pub generation: u64,
    /// The sign-in.
    pub created_at: Timestamp,
    /// Why it ended, when it did.
    pub ended: Option<EndReason>,
}

/// A grant with all that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The part that is not sealed.
    pub head: GrantHead,
    /// The hash of the user's handle towards Coder.
    pub handle: TokenHash,
    /// The hash of the access token.
    pub access: TokenHash,
    /// The sign-in by the provider's clock, in whole seconds (`iat` of its ID token). It stays through refreshes.
    /// The epoch when it was not written down: older than everything.
    pub issued_at: Timestamp,
    /// Where the sign-in came from.
    pub device: Device,
    /// Tokens and claims, sealed.
    pub sealed: Vec<u8>,
}

/// A one-time value that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Its hash.
    pub id: TokenHash,
    /// Until when it is remembered.
    pub until: Timestamp,
}

/// What a refresh changes of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The session at the provider.
    pub sid: Option<String>,
    /// The address.
    pub email: Email,
    /// The hash of the new access token.
    pub access: TokenHash,
    /// When it expires.
    pub access_expires_at: Timestamp,
    /// When the provider answered.
    pub checked_at: Timestamp,
    /// Tokens and claims, sealed.
    pub sealed: Vec<u8>,
    /// Ends the grant's sessions in the same step.
    pub end_sessions: Option<EndReason>,
}

/// A sign-in to be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// What the sign-in made.
    pub grant: GrantId,
    /// The session that Coder gave.
    pub session: TokenHash,
    /// The user that Coder knows.
    pub user: CoderUserId,
    /// Now.
    pub at: Timestamp,
    /// The session that the browser presented before.
    pub replaces: Option<TokenHash>,
}

/// What became of a [`Bind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Bound: the grant as it is now, and what ended by it.
    Done(Box<GrantHead>, Ended),
    /// Not bound: the grant has ended in the meantime, or is not there.
    TooLate(EndReason),
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
    /// Why it ended, when it did.
    pub ended: Option<EndReason>,
}

/// Where a token was first met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MadeFor {
    /// Presented by a client, and Coder reported whose it is.
    Presented,
    /// Made as a key for the CLI or an IDE (`POST /api/v2/users/{user}/keys`).
    Key,
    /// Made as a long-lived token (`POST /api/v2/users/{user}/keys/tokens`).
    Token,
    /// Made for a workspace app when a browser was handed over to it.
    App,
}

impl MadeFor {
    /// A short name for the log and the store.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Presented => "presented",
            Self::Key => "key",
            Self::Token => "token",
            Self::App => "app",
        }
    }

    /// Reads [`Self::label`]; an unknown label counts as presented.
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
    /// Whose it is.
    pub user: CoderUserId,
    /// How that user signs in to Coder.
    pub login_type: LoginType,
    /// Where it was first met.
    pub made_for: MadeFor,
    /// When it was first met.
    pub created_at: Timestamp,
    /// When Coder last reported whose it is.
    pub asked_at: Timestamp,
    /// When it was last seen, as far as written.
    pub last_seen: Timestamp,
    /// Why it ended, when it did.
    pub ended: Option<EndReason>,
}

/// What is known of a user of Coder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRow {
    /// Whether anybody ever signed in as this user through here.
    pub signed_in: bool,
    /// The live grants, newest first.
    pub grants: Vec<GrantHead>,
}

/// The part of the store that is to end.
///
/// A user's sessions at workspace apps end with a browser session that is ended by name ([`Self::Session`],
/// [`Self::Sid`]): Coder deletes all of them at a sign-out, and tunnels through them would stay open. With one that
/// ends in another way they end when it was the last. One that ends because it is idle leaves them: a user who works in an app is not idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One session. Its grant ends with it when nothing depends on it then: no other session of it is live,
    /// and the user has no live token, or another grant with a live session.
    Session(TokenHash),
    /// One token.
    Token(TokenHash),
    /// One grant and its sessions.
    Grant(GrantId),
    /// The sessions of one session at the provider, and sign-ins from it that are not bound yet.
    Sid(Issuer, String),
    /// All of an identity that was signed in up to a moment of the provider's clock: grants (bound or not) and
    /// their sessions; and its tokens, except those first met after a live sign-in that is later than that.
    Identity(IdentityKey, Timestamp),
    /// All of a user of Coder: grants, sessions, tokens.
    User(CoderUserId),
    /// Everything of everybody.
    Everybody,
    /// Sign-ins begun before this and never bound.
    Unbound(Timestamp),
    /// Live grants without a live session that the provider was last asked about before this.
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
    /// A token, and from where, when that is newly known.
    Token(TokenHash, Timestamp, Option<Device>),
}

/// An ended grant whose tokens are to be revoked at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The grant.
    pub head: GrantHead,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// Its tokens, sealed.
    pub sealed: Vec<u8>,
}

/// Which sessions and tokens to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All.
    Everybody,
    /// Those of one user of Coder.
    User(CoderUserId),
    /// Those of the users who signed in with this address, compared without regard to case.
    Email(String),
}

/// A live session or token in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The hash of the credential; its short form names the entry.
    pub hash: TokenHash,
    /// Session or token.
    pub kind: ListedKind,
    /// Whose it is in Coder.
    pub user: CoderUserId,
    /// Whose it is at the provider, when known.
    pub key: Option<IdentityKey>,
    /// The address, when known.
    pub email: Option<Email>,
    /// When it was bound or first met.
    pub created_at: Timestamp,
    /// When it was last seen, up to a minute late.
    pub last_seen: Timestamp,
}

/// What kind of credential a [`Listed`] is.
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
        /// Where it was first met.
        made_for: MadeFor,
        /// How its user signs in to Coder.
        login_type: LoginType,
        /// Where it was last seen from, once it was; up to `session.recheck` late.
        device: Option<Device>,
    },
}
