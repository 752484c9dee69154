//! The sections `session` and `unreachable`: how long a sign-in lasts.

use std::time::Duration;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;

keys! { SESSION_KEYS;
    MAX_AGE: Key<Duration> = Key::new(
        "session.maxAge", "VESTIBULE_SESSION_MAX_AGE", ValueKind::Duration, WhenAbsent::Nothing, parse::duration,
        "The longest life of a session after its sign-in, whether it is used or not. Not set or `0`: no limit.",
    );
    IDLE: Key<Duration> = Key::new(
        "session.idle", "VESTIBULE_SESSION_IDLE", ValueKind::Duration, WhenAbsent::Nothing, parse::duration,
        "The longest time between two requests of a session. Not set or `0`: no limit.",
    );
    RECHECK: Key<Duration> = Key::new(
        "session.recheck", "VESTIBULE_SESSION_RECHECK", ValueKind::Duration, WhenAbsent::Default("5m"), recheck,
        "How old the provider's last answer about a user may be. When it is older, or when the access token has expired, the gateway refreshes the tokens before it serves the next request.",
    );
    SIGN_OUT_WITH_PROVIDER: Key<bool> = Key::switch(
        "session.signOutWithProvider", "VESTIBULE_SESSION_SIGN_OUT_WITH_PROVIDER", "true",
        "Ends a browser's session when its session at the provider has ended (the refreshed ID token has no `sid`). CLI and IDE tokens stay valid.",
    );
}

keys! { UNREACHABLE_KEYS;
    GRACE: Key<Duration> = Key::new(
        "unreachable.grace", "VESTIBULE_UNREACHABLE_GRACE", ValueKind::Duration, WhenAbsent::Default("10m"), parse::duration,
        "How long signed-in users are still served while the provider does not answer. A refusal by the provider takes effect at once.",
    );
}

/// The shortest time between two refreshes for one user.
const MIN_RECHECK: Duration = Duration::from_secs(1);

/// The section `session`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionSection {
    /// The longest life of a session. `None`: no limit.
    pub(crate) max_age: Option<Duration>,
    /// The longest time between two requests. `None`: no limit.
    pub(crate) idle: Option<Duration>,
    /// How old the provider's last answer may be.
    pub(crate) recheck: Duration,
    /// Whether a session ends with the provider's.
    pub(crate) sign_out_with_provider: bool,
}

/// Reads the section `session`.
pub(crate) fn read(r: &mut SettingsReader) -> Option<SessionSection> {
    let max_age = limit(r, &MAX_AGE);
    let idle = limit(r, &IDLE);
    let recheck = r.get(&RECHECK);
    let sign_out_with_provider = r.get(&SIGN_OUT_WITH_PROVIDER);
    Some(SessionSection { max_age, idle, recheck: recheck?, sign_out_with_provider: sign_out_with_provider? })
}

/// Reads the section `unreachable`: how long a session continues while the provider does not respond.
pub(crate) fn grace(r: &mut SettingsReader) -> Option<Duration> {
    r.get(&GRACE)
}

/// A duration that limits something. Zero means no limit.
fn limit(r: &mut SettingsReader, key: &'static Key<Duration>) -> Option<Duration> {
    r.get(key).filter(|limit| !limit.is_zero())
}

fn recheck(text: &str) -> Result<Duration, ValueFault> {
    let recheck = parse::duration(text)?;
    if recheck < MIN_RECHECK {
        return Err(ValueFault::new("is shorter than a second", "Write `1s` or more"));
    }
    Ok(recheck)
}
