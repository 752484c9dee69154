//! The values shown on each page.

use std::time::Duration;

use http::StatusCode;
use url::Url;

use super::text::Link;
use crate::types::Secret;

/// The sign-in page.
#[derive(Clone, Debug)]
pub struct SignInView<'a> {
    /// Where the sign-in starts, with the page to return to.
    pub start: Link,
    /// Where to sign in with a password, if the client's address may.
    pub password: Option<Link>,
    /// Why the earlier session ended, as a sentence.
    pub notice: Option<&'a str>,
}

/// The page about a problem. The caller supplies its texts.
#[derive(Clone, Debug)]
pub struct ProblemView<'a> {
    /// The status of the response.
    pub status: StatusCode,
    /// The heading.
    pub heading: &'a str,
    /// What happened: one or two sentences.
    pub happened: &'a str,
    /// What to do: sentences for the user; empty for none.
    pub advice: &'a str,
    /// Details for the administrator.
    pub detail: Option<&'a str>,
    /// The button that leads on.
    pub next: Option<NextStep<'a>>,
    /// When to retry, sent as `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The link that the page loads every [`super::RETRY_AFTER`], which is then also its `Retry-After`.
    pub reload: Option<Link>,
}

/// A button that leads on.
#[derive(Clone, Debug)]
pub struct NextStep<'a> {
    /// The button's text.
    pub text: &'a str,
    /// Where it leads to.
    pub to: NextTarget,
}

/// Where a button leads.
#[derive(Clone, Debug)]
pub enum NextTarget {
    /// A link on the page's own origin.
    Link(Link),
    /// Coder's access URL, also from a page requested under another host.
    AccessUrl,
}

impl From<Link> for NextTarget {
    fn from(link: Link) -> Self {
        Self::Link(link)
    }
}

/// The page after a sign-out.
#[derive(Clone, Debug)]
pub struct SignedOutView {
    /// Where to sign in again, with the page to return to. The browser goes there only when the user clicks.
    pub sign_in: Link,
    /// Whether the provider was asked to end its session too. No response shows whether it did.
    pub asked_provider: bool,
    /// Whether the user's tokens (CLI, IDE) ended too.
    pub tokens: bool,
}

/// The last step of a sign-out that also ends the session at the provider. It is a form because the ID token hint is
/// too large, or not meant, for a URL (OpenID Connect RP-Initiated Logout 1.0 §2).
#[derive(Clone, Debug)]
pub struct SignOutAtProviderView<'a> {
    /// The provider's `end_session_endpoint`.
    pub action: &'a Url,
    /// The form's fields.
    pub fields: &'a [(&'a str, Secret)],
    /// Where the user can go instead.
    pub stay: Link,
}
