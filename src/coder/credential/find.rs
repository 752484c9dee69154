//! The order in which credentials are looked for, by class of route.

use std::borrow::Cow;

use http::{HeaderMap, header};

use super::sources::{
    self, AI_GATEWAY_KEY_HEADER, AI_KEY_HEADER, AI_TOKEN_HEADERS, PROVISIONER_KEY_HEADER,
    PROVISIONER_PSK_HEADER, QUERY_ACCESS_TOKEN, QUERY_HANDOVER_PREFIX, QUERY_TOKEN, SESSION_HEADER,
    WORKSPACE_PROXY_HEADER, bearers, cookies_named, header_lines, query_values,
};
use super::{Contradiction, PresentedCredential, PresentedKind, format};
use crate::coder::cookies;
use crate::coder::hosts::Wildcard;
use crate::policy::{Machine, MachineCredential, RouteClass};
use crate::web;

type Found<'a> = Result<Option<PresentedCredential<'a>>, Contradiction>;

/// Finds the credential of a request.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    /// The name of the session cookie on the app hosts.
    app_cookie: Option<String>,
}

impl Finder {
    /// For a deployment with this wildcard, spelled exactly as in Coder: its hash is part of the name of
    /// the app hosts' cookie.
    pub fn new(wildcard: Option<&Wildcard>) -> Self {
        Self { app_cookie: wildcard.map(|wildcard| sources::app_host_cookie(wildcard.as_written())) }
    }

    /// The credential that Coder will use on a route of this class; `query` is raw.
    ///
    /// # Errors
    /// [`Contradiction`]: the request presents two that differ.
    pub fn find<'a>(&self, headers: &'a HeaderMap, query: Option<&'a str>, class: RouteClass) -> Found<'a> {
        match class {
            RouteClass::Machine(Machine::Scim) => scim(headers),
            RouteClass::Machine(Machine::AiGateway) => ai_gateway(headers),
            RouteClass::Machine(Machine::AiGatewayNode) => {
                in_header(headers, AI_GATEWAY_KEY_HEADER, MachineCredential::AiGatewayNode, format::is_opaque)
            }
            RouteClass::Machine(Machine::WorkspaceProxy) => {
                first(workspace_proxy(headers), || standard(headers, query))
            }
            RouteClass::Machine(Machine::Provisioner) => {
                first(provisioner(headers), || standard(headers, query))
            }
            RouteClass::UserOr(Machine::WorkspaceProxy) => {
                either(workspace_proxy(headers)?, standard(headers, query)?)
            }
            RouteClass::UserOr(Machine::Provisioner) => {
                either(provisioner(headers)?, standard(headers, query)?)
            }
            RouteClass::AppPath => {
                let path_app = || cookies_named(headers, |name| name == cookies::PATH_APP_SESSION).next();
                app(headers, query, None, path_app)
            }
            RouteClass::AppHost => first(encrypted_app_key(query), || self.app_host(headers, query)),
            _ => standard(headers, query),
        }
    }

    /// On an app host its own session cookie precedes every other source. The cookie's name shows which of several
    /// is the primary's; another one counts only when that is missing.
    fn app_host<'a>(&self, headers: &'a HeaderMap, query: Option<&'a str>) -> Found<'a> {
        let exact = self.app_cookie.as_deref().unwrap_or(cookies::APP_HOST_SESSION);
        let mut own = cookies_named(headers, move |name| name == exact);
        let own = match (own.next(), own.next()) {
            (Some(one), Some(other)) if one != other => return Err(Contradiction { in_cookies: true }),
            (one, _) => one,
        };
        let any = || {
            let named =
                |name: &str| name.starts_with(cookies::APP_HOST_SESSION) && cookies::is_app_session(name);
            cookies_named(headers, named).next()
        };
        app(headers, query, own.or_else(any), || None)
    }
}

/// The first of two finds that exists.
fn first<'a>(one: Found<'a>, other: impl FnOnce() -> Found<'a>) -> Found<'a> {
    match one? {
        Some(found) => Ok(Some(found)),
        None => other(),
    }
}

/// A machine's credential or a person's, but not both: Coder refuses the combination.
fn either<'a>(
    machine: Option<PresentedCredential<'a>>,
    person: Option<PresentedCredential<'a>>,
) -> Found<'a> {
    match (machine, person) {
        (Some(_), Some(_)) => Err(Contradiction { in_cookies: false }),
        (machine, person) => Ok(machine.or(person)),
    }
}

/// What a token is that Coder reads as a person's or an agent's.
fn kind(text: &str) -> PresentedKind {
    if format::is_person(text) {
        PresentedKind::Person
    } else if format::is_agent(text) {
        PresentedKind::Machine(MachineCredential::Agent)
    } else {
        PresentedKind::Malformed
    }
}

/// Where a candidate was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CandidateState {
    Cookie,
    Header,
    Url,
}

/// The first of several candidates. No other may be a different credential.
#[derive(Default)]
struct Pick<'a> {
    first: Option<(Cow<'a, str>, CandidateState)>,
    in_url: bool,
    /// There was another one, the same or different.
    several: bool,
    contradiction: Option<Contradiction>,
}

impl<'a> Pick<'a> {
    /// The next candidates, in the order in which they count.
    fn offer(mut self, place: CandidateState, candidates: impl Iterator<Item = Cow<'a, str>>) -> Self {
        candidates.for_each(|text| self.one(place, text));
        self
    }

    fn one(&mut self, place: CandidateState, text: Cow<'a, str>) {
        let Some((first, at)) = &self.first else {
            self.in_url = place == CandidateState::Url;
            self.first = Some((text, place));
            return;
        };
        self.several = true;
        if text == *first {
            self.in_url |= place == CandidateState::Url;
        } else if format::is_any(&text) {
            let in_cookies = *at == CandidateState::Cookie && place == CandidateState::Cookie;
            self.contradiction.get_or_insert(Contradiction { in_cookies });
        }
    }

    /// The sources that Coder itself names, in its order.
    fn named(self, headers: &'a HeaderMap, query: Option<&'a str>) -> Self {
        let sessions = cookies_named(headers, cookies::is_session).map(String::from_utf8_lossy);
        self.offer(CandidateState::Cookie, sessions).named_elsewhere(headers, query)
    }

    /// Those of them that are not cookies.
    fn named_elsewhere(self, headers: &'a HeaderMap, query: Option<&'a str>) -> Self {
        self.offer(CandidateState::Url, query_values(query, |name| name == QUERY_TOKEN))
            .offer(CandidateState::Header, header_lines(headers, &SESSION_HEADER))
    }

    /// The sources of RFC 6750, which Coder reads last; `counts` selects among them.
    fn rfc_6750(self, headers: &'a HeaderMap, query: Option<&'a str>, counts: fn(&str) -> bool) -> Self {
        self.offer(CandidateState::Header, bearers(headers).filter(|text| counts(text))).offer(
            CandidateState::Url,
            query_values(query, |name| name == QUERY_ACCESS_TOKEN).filter(|text| counts(text)),
        )
    }

    fn done(self) -> Found<'a> {
        if let Some(contradiction) = self.contradiction {
            return Err(contradiction);
        }
        Ok(self.first.map(|(text, _)| {
            let kind = kind(&text);
            PresentedCredential::new(text, kind, self.in_url)
        }))
    }
}

/// In one kind of header only.
fn in_headers<'a>(lines: impl Iterator<Item = Cow<'a, str>>) -> Found<'a> {
    Pick::default().offer(CandidateState::Header, lines).done()
}

/// Everywhere except on app routes.
fn standard<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Found<'a> {
    let (mut picked, mut others) = (Pick::default(), false);
    web::cookies::each(headers).for_each(|(name, value)| {
        if cookies::is_session(name) && !value.is_empty() {
            picked.one(CandidateState::Cookie, String::from_utf8_lossy(value));
        } else {
            others |= cookies::is_session(name) || cookies::is_app_session(name);
        }
    });
    let picked = picked.named_elsewhere(headers, query).rfc_6750(headers, query, |_| true);
    let alone = !picked.several && !others;
    Ok(picked.done()?.map(|found| PresentedCredential { alone, ..found }))
}

/// On app routes: `own` precedes every other source, `last` follows those that Coder names.
/// `Authorization` and `access_token` belong to the app, unless nothing else is present and they hold
/// what can only be a credential of Coder. [`super::strip_credentials`] removes everything else in headers;
/// it cannot remove what is in the URL, so that must not differ.
fn app<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    own: Option<&'a [u8]>,
    last: impl FnOnce() -> Option<&'a [u8]>,
) -> Found<'a> {
    let in_cookie = |value: &'a [u8]| {
        let text = String::from_utf8_lossy(value);
        let kind = kind(&text);
        PresentedCredential::new(text, kind, false)
    };
    let found = match own.map(in_cookie) {
        Some(found) => Some(found),
        None => Pick::default().named(headers, query).done()?,
    };
    let Some(mut found) = found.or_else(|| last().map(in_cookie)) else {
        return Pick::default().rfc_6750(headers, query, format::is_any).done();
    };
    for text in query_values(query, |name| name == QUERY_TOKEN || name == QUERY_ACCESS_TOKEN) {
        if text == found.text {
            found.in_url = true;
        } else if format::is_any(&text) {
            return Err(Contradiction { in_cookies: false });
        }
    }
    Ok(Some(found))
}

/// The app redirect to an app host. Coder decrypts it before it looks at anything else.
fn encrypted_app_key(query: Option<&str>) -> Found<'_> {
    let mut values = query_values(query, |name| name.starts_with(QUERY_HANDOVER_PREFIX));
    match (values.next(), values.next()) {
        (Some(one), Some(other)) if one != other => Err(Contradiction { in_cookies: false }),
        (one, _) => Ok(one.map(|text| PresentedCredential::new(text, PresentedKind::EncryptedAppKey, true))),
    }
}

/// A machine's credential in a header of its own.
fn in_header<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    machine: MachineCredential,
    fits: fn(&str) -> bool,
) -> Found<'a> {
    let mut lines = header_lines(headers, name);
    match (lines.next(), lines.next()) {
        (Some(_), Some(_)) => Err(Contradiction { in_cookies: false }),
        (Some(text), None) if fits(&text) => {
            Ok(Some(PresentedCredential::new(text, PresentedKind::Machine(machine), false)))
        }
        (Some(text), None) => Ok(Some(PresentedCredential::new(text, PresentedKind::Malformed, false))),
        (None, _) => Ok(None),
    }
}

fn workspace_proxy(headers: &HeaderMap) -> Found<'_> {
    let machine = MachineCredential::WorkspaceProxy;
    in_header(headers, WORKSPACE_PROXY_HEADER, machine, format::is_workspace_proxy)
}

/// A provisioner daemon's own key, or the shared one. Coder refuses the two together.
fn provisioner(headers: &HeaderMap) -> Found<'_> {
    let machine = MachineCredential::Provisioner;
    let own = in_header(headers, PROVISIONER_KEY_HEADER, machine, format::is_provisioner_key)?;
    either(own, in_header(headers, PROVISIONER_PSK_HEADER, machine, format::is_opaque)?)
}

/// `Authorization` is the operator's SCIM key, with or without a scheme. A person's token there is
/// recognised by its shape.
fn scim(headers: &HeaderMap) -> Found<'_> {
    let name = header::AUTHORIZATION.as_str();
    let found = in_header(headers, name, MachineCredential::Scim, format::is_opaque)?;
    let is_person = |text: &str| format::is_person(text.rsplit(' ').next().unwrap_or_default());
    Ok(found.map(|found| {
        if is_person(&found.text) {
            PresentedCredential { kind: PresentedKind::Person, ..found }
        } else {
            found
        }
    }))
}

/// A person's token in the AI gateway's own headers, else as Bearer, else in the headers of model vendors.
/// Cookie and query do not count there.
fn ai_gateway(headers: &HeaderMap) -> Found<'_> {
    let own = AI_TOKEN_HEADERS.iter().flat_map(|name| header_lines(headers, *name));
    first(in_headers(own), || {
        first(in_headers(bearers(headers)), || in_headers(header_lines(headers, AI_KEY_HEADER)))
    })
}
