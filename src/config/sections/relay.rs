//! The section `relay`: Coder's relay (DERP), and connections past it.

use std::time::Duration;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::gateway::{RelayPolicy, RelaySettings};

keys! { KEYS;
    SETTLE: Key<Duration> = Key::new(
        "relay.settle", "VESTIBULE_RELAY_SETTLE", ValueKind::Duration, WhenAbsent::Default("30s"), settle,
        "How long a client may use the relay before its node key is announced on a judged stream; with `policy.relay: known` its connections are cut then. Also how long a relay connection may take to say its key. From 15 seconds to an hour.",
    );
    BLOCK_DIRECT: Key<bool> = Key::switch(
        "relay.blockDirect", "VESTIBULE_RELAY_BLOCK_DIRECT", "false",
        "`vestibule coder-env` prints `CODER_BLOCK_DIRECT=true`: clients and agents reach each other only through the relay, so that a user's `coder ssh` ends within a second after the user's access. Without it, a direct connection goes on until it is closed.",
    );
}

/// The shortest `relay.settle`. After an outage, clients announce their keys up to about 11 seconds after they have
/// reached the relay: they redial their judged streams every 10 seconds.
const MIN_SETTLE: Duration = Duration::from_secs(15);

/// The longest `relay.settle`.
const MAX_SETTLE: Duration = Duration::from_hours(1);

/// The relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Who may use it.
    pub access: RelaySettings,
    /// Whether Coder gets `CODER_BLOCK_DIRECT=true`. Default: false.
    pub block_direct: bool,
}

/// Reads the section; `policy` is that of the section `policy`.
pub(crate) fn read(r: &mut SettingsReader, policy: Option<RelayPolicy>) -> Option<RelayConfig> {
    let settle = r.get(&SETTLE);
    let block_direct = r.get(&BLOCK_DIRECT);
    let access = RelaySettings { policy: policy?, settle: settle? };
    Some(RelayConfig { access, block_direct: block_direct? })
}

fn settle(text: &str) -> Result<Duration, ValueFault> {
    let settle = parse::duration(text)?;
    if !(MIN_SETTLE..=MAX_SETTLE).contains(&settle) {
        return Err(ValueFault::new("is not between 15 seconds and an hour", "Write `30s`"));
    }
    Ok(settle)
}
