//! The pages that Vestibule itself shows: small, without a script, under a strict content
//! security policy, light and dark. Each says what happened, what to do, and the request's id.
//!
//! Nothing shown is trusted: the template engine escapes, [`Link`] cannot leave this origin,
//! and text that could turn the reading direction is made harmless.

mod frame;
#[cfg(test)]
mod gallery;
mod sessions;
#[cfg(test)]
mod tests;
mod text;
mod views;

use std::time::Duration;

use askama::Template;
use http::StatusCode;
use url::Url;

use crate::types::{RequestId, Secret};
use crate::web::{Response, UncachedResponse};
use frame::{Allow, Frame, PolicyOrigin, Retry, Sender};
use sessions::SessionsPage;
use text::Text;

pub use sessions::{ListedSession, SessionsView, browser, shortened};
pub use text::Link;
pub use views::{NextStep, ProblemView, RefusedView, SignInView, SignOutAtProviderView, SignedOutView};

/// How long the page about a silent provider waits before it tries again.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What the pages take from the configuration.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// Coder's access URL: its host names the place one signs in to, and it is where a
    /// browser that came by another name is sent.
    pub access_url: Url,
    /// The sign-in button's text (Coder's `signInText`; Coder's default is "OpenID Connect").
    pub sign_in_text: String,
    /// The sign-in button's icon (Coder's `iconURL`); only its origin may be loaded from.
    /// Shown when it is an http or https URL.
    pub icon_url: Option<Url>,
}

/// Makes the pages.
#[derive(Clone, Debug)]
pub struct Pages {
    sender: Sender,
    site: Text,
    access_url: Url,
    sign_in_text: Text,
    icon: Option<(Url, PolicyOrigin)>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    frame: Frame<'a>,
    start: &'a Link,
    password: Option<&'a Link>,
    notice: Option<Text>,
    text: &'a Text,
    icon: Option<&'a Url>,
}

#[derive(Template)]
#[template(path = "sign_out_at_provider.html")]
struct SignOutAtProviderPage<'a> {
    frame: Frame<'a>,
    action: &'a Url,
    fields: &'a [(&'a str, Secret)],
    stay: &'a Link,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    frame: Frame<'a>,
    happened: Text,
    advice: Text,
    detail: Option<Text>,
    actions: &'a [PageButton<'a>],
}

/// A button: the first one of a page is what one most likely wants.
struct PageButton<'a> {
    text: &'a str,
    to: &'a str,
}

impl Pages {
    /// Pages for one deployment.
    pub fn new(settings: PageSettings) -> Self {
        let PageSettings { access_url, sign_in_text, icon_url } = settings;
        let host = access_url.host_str().unwrap_or("Coder");
        Self {
            sender: Sender::new(),
            site: Text::new(host),
            sign_in_text: Text::new(&sign_in_text),
            icon: icon_url.and_then(|icon| PolicyOrigin::of(&icon).map(|origin| (icon, origin))),
            access_url,
        }
    }

    /// Asks to sign in. 200.
    pub fn sign_in(&self, view: &SignInView<'_>, request: RequestId) -> Response {
        let page = SignInPage {
            frame: Frame::new("Sign in", &self.site, request),
            start: &view.start,
            password: view.password.as_ref(),
            notice: view.notice.map(Text::new),
            text: &self.sign_in_text,
            icon: self.icon.as_ref().map(|(icon, _)| icon),
        };
        let allow = self.icon.as_ref().map_or(Allow::Nothing, |(_, origin)| Allow::Images(origin));
        self.sender.answer(StatusCode::OK, &page, allow).build()
    }

    /// Signed in at the provider, but not let in. 403.
    pub fn refused(&self, view: &RefusedView<'_>, request: RequestId) -> Response {
        let actions =
            [PageButton { text: "Sign in with another account", to: view.another_account.as_str() }];
        let frame = Frame::new("You cannot sign in here", &self.site, request);
        let text = (view.sentence, "", view.detail);
        self.message(StatusCode::FORBIDDEN, frame, text, &actions).build()
    }

    /// Anything that has no page of its own.
    pub fn problem(&self, view: &ProblemView<'_>, request: RequestId) -> Response {
        let next = view.next.as_ref().map(|next| PageButton { text: next.text, to: next.to.as_str() });
        let frame = Frame::new(view.title, &self.site, request);
        let text = (view.happened, view.advice, view.detail);
        self.message(view.status, frame, text, next.as_slice()).build()
    }

    /// The provider does not answer: loads `target` again every [`RETRY_AFTER`]. 503.
    pub fn provider_unavailable(&self, target: &Link, request: RequestId) -> Response {
        let mut frame = Frame::new("The sign-in service does not answer", &self.site, request);
        frame.retry = Some(Retry { after: RETRY_AFTER, to: target });
        let happened = "Nobody can sign in right now, because the service that knows your account does not \
                        answer. Your account and your workspaces are fine.";
        let advice = "Leave this page open: it tries again every 10 seconds and continues by itself. If this \
                      lasts, tell your administrator the request number below.";
        let actions = [PageButton { text: "Try now", to: target.as_str() }];
        let text = (happened, advice, None);
        self.message(StatusCode::SERVICE_UNAVAILABLE, frame, text, &actions).retry_after(RETRY_AFTER).build()
    }

    /// Coder does not answer to somebody whose sign-in is kept; `again` is what they asked for. 502.
    pub fn coder_unavailable(&self, again: &Link, request: RequestId) -> Response {
        let frame = Frame::new("Coder does not answer", &self.site, request);
        let happened = "You reached the gateway, but Coder behind it does not answer.";
        let advice = "You stay signed in. Try again in a moment. If this lasts, tell your administrator the \
                      request number below.";
        let actions = [PageButton { text: "Try again", to: again.as_str() }];
        self.message(StatusCode::BAD_GATEWAY, frame, (happened, advice, None), &actions).build()
    }

    /// Signed out here, on purpose. It does not sign in again by itself. 200.
    pub fn signed_out(&self, view: &SignedOutView, request: RequestId) -> Response {
        let happened = if view.tokens {
            "Your session in this browser has ended, and so have your tokens."
        } else {
            "Your session in this browser has ended. Your command-line and editor tokens still work."
        };
        // authentik's default flow for providers returns here and leaves its own session alive.
        let advice = if view.asked_provider {
            "Your sign-in service was asked to sign you out too, but it does not confirm that it did. On a \
             shared computer, make sure that it asks for your password before you leave."
        } else {
            "You may still be signed in at your sign-in service. On a shared computer, sign out there as well."
        };
        let actions = [PageButton { text: "Sign in again", to: view.sign_in.as_str() }];
        let frame = Frame::new("You are signed out", &self.site, request);
        self.message(StatusCode::OK, frame, (happened, advice, None), &actions).build()
    }

    /// The form that ends the session at the provider. 200.
    pub fn sign_out_at_provider(&self, view: &SignOutAtProviderView<'_>, request: RequestId) -> Response {
        let page = SignOutAtProviderPage {
            frame: Frame::new("You are signed out", &self.site, request),
            action: view.action,
            fields: view.fields,
            stay: &view.stay,
        };
        let origin = PolicyOrigin::of(view.action);
        let allow = origin.as_ref().map_or(Allow::Nothing, Allow::FormsTo);
        self.sender.answer(StatusCode::OK, &page, allow).build()
    }

    /// Signing in succeeded again and again, and again the browser came without a session. 403,
    /// so that nothing follows it any further.
    pub fn sign_in_loop(&self, again: &Link, request: RequestId) -> Response {
        let frame = Frame::new("Signing in goes round in circles", &self.site, request);
        let happened = "You were signed in three times in a row, and each time your browser came back \
                        without its session.";
        let advice = "Most often the browser does not keep cookies for this site: allow them, or leave \
                      private browsing. Otherwise Coder may have ended your session at once, as it does for \
                      a suspended account: ask your administrator.";
        let detail = format!(
            "The session cookie is set for the access URL, {}. Look whether browsers reach Coder under \
             exactly this address and whether the user is active in Coder.",
            self.access_url
        );
        let actions = [PageButton { text: "Try once more", to: again.as_str() }];
        self.message(StatusCode::FORBIDDEN, frame, (happened, advice, Some(&detail)), &actions).build()
    }

    /// A request that cannot be served as it is; `why` is a sentence. 400.
    pub fn bad_request(&self, why: &str, request: RequestId) -> Response {
        let frame = Frame::new("This request cannot be served", &self.site, request);
        let advice = "Look at the address again, or start from Coder.";
        let actions = [PageButton { text: "Go to Coder", to: self.access_url.as_str() }];
        self.message(StatusCode::BAD_REQUEST, frame, (why, advice, None), &actions).build()
    }

    /// Nothing is here. 404.
    pub fn not_found(&self, request: RequestId) -> Response {
        let frame = Frame::new("Nothing is here", &self.site, request);
        let actions = [PageButton { text: "Go to Coder", to: "/" }];
        let text = ("There is no such page.", "Look at the address again, or start from Coder.", None);
        self.message(StatusCode::NOT_FOUND, frame, text, &actions).build()
    }

    /// A host name that is not served here (RFC 9110 §15.5.20). 421.
    pub fn misdirected(&self, request: RequestId) -> Response {
        let frame = Frame::new("This address is not served here", &self.site, request);
        let happened = "The name in your address bar is not one that this gateway serves.";
        let advice = "Coder is reached under the address below.";
        let detail = "Names served are the host of the access URL and those under the wildcard access URL. \
                      Behind another proxy, the Host header must arrive as the browser sent it.";
        let actions = [PageButton { text: self.access_url.as_str(), to: self.access_url.as_str() }];
        let text = (happened, advice, Some(detail));
        self.message(StatusCode::MISDIRECTED_REQUEST, frame, text, &actions).build()
    }

    /// Too many attempts from one address (RFC 6585 §4). 429.
    pub fn too_many_requests(&self, after: Duration, again: Option<&Link>, request: RequestId) -> Response {
        let frame = Frame::new("Too many attempts", &self.site, request);
        let happened = "Too many sign-in attempts came from your network in a short time.";
        let advice = match after.as_secs() {
            0..=1 => "Wait a moment, then try again.".to_owned(),
            seconds @ 2..=90 => format!("Wait {seconds} seconds, then try again."),
            seconds => format!("Wait {} minutes, then try again.", seconds.div_ceil(60)),
        };
        let again = again.map(|to| PageButton { text: "Try again", to: to.as_str() });
        let text = (happened, advice.as_str(), None);
        self.message(StatusCode::TOO_MANY_REQUESTS, frame, text, again.as_slice()).retry_after(after).build()
    }

    /// A person's own sessions and tokens, each with a button that ends it. 200.
    pub fn sessions(&self, view: &SessionsView<'_>, request: RequestId) -> Response {
        let page = SessionsPage::new(view, Frame::new("Your sessions", &self.site, request));
        self.sender.answer(StatusCode::OK, &page, Allow::OwnForms).build()
    }

    /// A page of what happened, what to do, and what the administrator may want to know.
    fn message(
        &self,
        status: StatusCode,
        frame: Frame<'_>,
        (happened, advice, detail): (&str, &str, Option<&str>),
        actions: &[PageButton<'_>],
    ) -> UncachedResponse {
        let detail = detail.map(Text::new);
        let page =
            MessagePage { frame, happened: Text::new(happened), advice: Text::new(advice), detail, actions };
        self.sender.answer(status, &page, Allow::Nothing)
    }
}
