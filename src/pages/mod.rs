//! Vestibule's own pages: small, without scripts, under a strict content security policy, light and dark. Each shows
//! what happened, what to do, and the request's id. The caller supplies the texts of a problem.
//!
//! No text on a page is trusted: the template engine escapes it, [`Link`] cannot leave this origin, and `Text`
//! replaces characters that change the reading direction.

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
pub use views::{NextStep, NextTarget, ProblemView, SignInView, SignOutAtProviderView, SignedOutView};

/// How long the page about an unreachable provider waits before it reloads.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The pages' part of the configuration.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// Coder's access URL. Pages show its host as the name of the site, and link to it from a page
    /// that was requested under another host.
    pub access_url: Url,
    /// The sign-in button's text (Coder's `signInText`; Coder's default is "OpenID Connect").
    pub sign_in_text: String,
    /// The sign-in button's icon (Coder's `iconURL`), shown if it is an http or https URL. The page may
    /// load images from its origin only.
    pub icon_url: Option<Url>,
}

/// Creates the pages.
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

/// A button. The first one on a page is the most likely choice.
struct PageButton<'a> {
    text: &'a str,
    to: &'a str,
}

impl Pages {
    /// The pages of one deployment.
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

    /// The sign-in page. 200.
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

    /// The page about a problem, with the status and texts of `view`.
    pub fn problem(&self, view: &ProblemView<'_>, request: RequestId) -> Response {
        let button = view.next.as_ref().map(|next| match &next.to {
            NextTarget::Link(link) => PageButton { text: next.text, to: link.as_str() },
            NextTarget::AccessUrl => PageButton { text: next.text, to: self.access_url.as_str() },
        });
        let mut frame = Frame::new(view.heading, &self.site, request);
        frame.retry = view.reload.as_ref().map(|to| Retry { after: RETRY_AFTER, to });
        let text = (view.happened, view.advice, view.detail);
        let response = self.message(view.status, frame, text, button.as_slice());
        match view.reload.as_ref().map(|_| RETRY_AFTER).or(view.retry_after) {
            Some(after) => response.retry_after(after).build(),
            None => response.build(),
        }
    }

    /// A user's own sessions and tokens, each with a button that ends it. 200.
    pub fn sessions(&self, view: &SessionsView<'_>, request: RequestId) -> Response {
        let page = SessionsPage::new(view, Frame::new("Your sessions", &self.site, request));
        self.sender.answer(StatusCode::OK, &page, Allow::OwnForms).build()
    }

    /// The page after a sign-out. It does not sign in again by itself. 200.
    pub fn signed_out(&self, view: &SignedOutView, request: RequestId) -> Response {
        let happened = if view.tokens {
            "Your session in this browser has ended, and so have your tokens."
        } else {
            "Your session in this browser has ended. Your command-line and editor tokens still work."
        };
        // authentik's default flow for providers returns here and keeps its own session.
        let advice = if view.asked_provider {
            "Your sign-in service was asked to sign you out too, but it does not confirm that it did. On a \
             shared computer, check before you leave that it asks for your password."
        } else {
            "You may still be signed in at your sign-in service. On a shared computer, sign out there as well."
        };
        let actions = [PageButton { text: "Sign in again", to: view.sign_in.as_str() }];
        let frame = Frame::new("You are signed out", &self.site, request);
        self.message(StatusCode::OK, frame, (happened, advice, None), &actions).build()
    }

    /// The page with the form that ends the session at the provider. 200.
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

    /// A page with what happened, what to do, and details for the administrator.
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
