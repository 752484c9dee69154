//! What has to be known to show a page.

use http::StatusCode;
use url::Url;

use super::text::Link;
use crate::types::Secret;

/// The sign-in page.
#[derive(Clone, Debug)]
pub struct SignInView<'a> {
    /// Where the sign-in starts, with what brings the browser back to where it was.
    pub start: Link,
    /// Where to sign in with a password, when this address may.
    pub password: Option<Link>,
    /// Why one is here although one was signed in before, as a sentence.
    pub notice: Option<&'a str>,
}

/// Somebody was signed in at the provider but is not let in.
#[derive(Clone, Debug)]
pub struct RefusedView<'a> {
    /// What happened and what to do: one or two sentences for the person.
    pub sentence: &'a str,
    /// Which claim, setting or mapping decided: for the administrator, who can change it.
    pub detail: Option<&'a str>,
    /// Where to sign in with another account.
    pub another_account: Link,
}

/// Something went wrong.
#[derive(Clone, Debug)]
pub struct ProblemView<'a> {
    /// The status to answer with.
    pub status: StatusCode,
    /// The heading.
    pub title: &'a str,
    /// What happened: a sentence.
    pub happened: &'a str,
    /// What to do: a sentence.
    pub advice: &'a str,
    /// More for the administrator.
    pub detail: Option<&'a str>,
    /// Where to go from here.
    pub next: Option<NextStep<'a>>,
}

/// A button that leads on.
#[derive(Clone, Debug)]
pub struct NextStep<'a> {
    /// What it says.
    pub text: &'a str,
    /// Where it leads.
    pub to: Link,
}

/// Signed out, on purpose.
#[derive(Clone, Debug)]
pub struct SignedOutView {
    /// Where to sign in again, with what brings the browser to the page that was wanted; nothing goes there by
    /// itself.
    pub sign_in: Link,
    /// Whether the provider was asked to end its session too. Whether it did, no answer of it tells.
    pub asked_provider: bool,
    /// Whether the person's tokens (CLI, IDE) were ended too.
    pub tokens: bool,
}

/// The last step of a sign-out that also ends the session at the provider: a form, because the
/// ID token hint is too large, or not meant, for a URL (OpenID Connect RP-Initiated Logout 1.0 §2).
#[derive(Clone, Debug)]
pub struct SignOutAtProviderView<'a> {
    /// The provider's `end_session_endpoint`.
    pub action: &'a Url,
    /// The form's fields.
    pub fields: &'a [(&'a str, Secret)],
    /// Where to go instead.
    pub stay: Link,
}
