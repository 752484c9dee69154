//! Sections from settings. Every setting is read before the first missing one ends a section, so that all
//! faults are shown at once.

mod coder;
mod coder_only;
mod internal;
mod oidc;
mod policy;
mod regex;
mod together;

use std::path::PathBuf;
use std::time::Duration;

use super::parse;
use super::reader::Reader;
use super::settings::{
    Admin, Config, Listen, Log, LogFormat, Session, SignIn, SignInMode, SignOut, SignOutFrom, SignOutTokens,
    Store, Tls, Unreachable,
};

pub use coder_only::csv;
pub use oidc::ALGORITHMS;
pub use policy::ROUTE_CLASSES;

/// The most often that the provider may be asked anew.
const MIN_RECHECK: Duration = Duration::from_secs(1);

/// The whole configuration, or nothing when something is missing or wrong; the reader knows what.
pub(super) fn config(r: &mut Reader) -> Option<Config> {
    r.refuse_what_has_no_place();
    r.warn_of_leftovers();
    let listen = listen(r);
    let store = store(r);
    let admin = admin(r, store.as_ref());
    let coder = coder::coder(r);
    let oidc = oidc::oidc(r, coder.as_ref());
    let session = session(r);
    let sign_in = sign_in(r);
    let sign_out = sign_out(r);
    let policy = policy::policy(r);
    let unreachable = r.value("unreachable.grace", parse::duration).map(|grace| Unreachable { grace });
    let log = log(r);
    together::check(r, listen.as_ref(), admin.as_ref(), coder.as_ref());
    Some(Config {
        listen: listen?,
        admin: admin?,
        coder: coder?,
        oidc: oidc?,
        session: session?,
        sign_in: sign_in?,
        sign_out: sign_out?,
        policy: policy?,
        unreachable: unreachable?,
        store: store?,
        log: log?,
        warnings: Vec::new(),
    })
}

fn listen(r: &mut Reader) -> Option<Listen> {
    let address = r.value("listen.address", parse::address);
    let certificate = r.optional("listen.tls.certificate", parse::path);
    let key = r.optional("listen.tls.key", parse::path);
    let trusted_proxies = r.list("listen.trustedProxies", parse::network);
    let proxy_protocol = r.value("listen.proxyProtocol", parse::boolean);
    let workers = r.optional("listen.workers", parse::count);
    for (given, other) in
        [("listen.tls.certificate", "listen.tls.key"), ("listen.tls.key", "listen.tls.certificate")]
    {
        if r.given(given).is_some() && r.given(other).is_none() {
            r.wrong(given, &format!("is set without {other}"), "Set both, or neither");
        }
    }
    let proxies = trusted_proxies?;
    if proxies.iter().any(|network| network.prefix_len() == 0) {
        r.warning(
            "listen.trustedProxies",
            "trusts every address, so any client can claim any address",
            "List only the proxies in front of the gateway",
        );
    }
    if proxy_protocol? && proxies.is_empty() {
        r.wrong(
            "listen.proxyProtocol",
            "is on, but listen.trustedProxies is empty, so no peer may send the header",
            "Add the load balancer to listen.trustedProxies",
        );
    }
    let tls = certificate.zip(key).map(|(certificate, key)| Tls { certificate, key });
    Some(Listen {
        address: address?,
        tls,
        trusted_proxies: proxies,
        proxy_protocol: proxy_protocol?,
        workers,
    })
}

fn admin(r: &mut Reader, store: Option<&Store>) -> Option<Admin> {
    let listen = r.optional("admin.listen", parse::address);
    let given = r.given("admin.socket").is_some();
    let socket = r.value("admin.socket", parse::path)?;
    let socket = match store {
        Some(Store::Embedded { path, .. }) if !given => path.join("admin.sock"),
        _ => socket,
    };
    Some(Admin { listen, socket })
}

fn session(r: &mut Reader) -> Option<Session> {
    let max_age = limit(r, "session.maxAge");
    let idle = limit(r, "session.idle");
    let recheck = r.value("session.recheck", |text| match parse::duration(text)? {
        recheck if recheck < MIN_RECHECK => {
            Err(("is shorter than a second".to_owned(), "Write `1s` or more".to_owned()))
        }
        recheck => Ok(recheck),
    });
    let sign_out_with_provider = r.value("session.signOutWithProvider", parse::boolean);
    Some(Session { max_age, idle, recheck: recheck?, sign_out_with_provider: sign_out_with_provider? })
}

/// A duration that limits something; none and zero are no limit.
fn limit(r: &mut Reader, path: &str) -> Option<Duration> {
    r.optional(path, parse::duration).filter(|limit| !limit.is_zero())
}

fn sign_in(r: &mut Reader) -> Option<SignIn> {
    let modes =
        [("page", SignInMode::Page), ("redirect", SignInMode::Redirect), ("coder", SignInMode::Coder)];
    Some(SignIn { mode: r.word("signIn.mode", &modes)? })
}

fn sign_out(r: &mut Reader) -> Option<SignOut> {
    let from =
        r.word("signOut.from", &[("session", SignOutFrom::Session), ("provider", SignOutFrom::Provider)]);
    let tokens = r.word("signOut.tokens", &[("keep", SignOutTokens::Keep), ("end", SignOutTokens::End)]);
    Some(SignOut { from: from?, tokens: tokens? })
}

fn store(r: &mut Reader) -> Option<Store> {
    let path: Option<PathBuf> = r.value("store.embedded.path", parse::path);
    let key_file = r.optional("store.embedded.keyFile", parse::path);
    Some(Store::Embedded { path: path?, key_file })
}

fn log(r: &mut Reader) -> Option<Log> {
    let level = r.value("log.level", parse::log_level);
    let format = r.word("log.format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    Some(Log { level: level?, format: format? })
}
