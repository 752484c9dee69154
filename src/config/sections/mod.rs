//! The sections of the file: for each its settings, the types they are read into, and the rules between them.
//!
//! Every setting of a section is read before the first missing one ends it, so that all faults are reported at once.

pub(super) mod admin;
pub(super) mod coder;
pub(super) mod listen;
pub(super) mod log;
pub(super) mod oidc;
pub(super) mod outbound_tls;
pub(super) mod policy;
pub(super) mod relay;
pub(super) mod session;
pub(super) mod sign_in_out;
pub(super) mod store;
pub(super) mod together;

use super::entry::KeyEntry;
use super::table::KeyTable;

/// Every setting, in the order of the file.
pub(super) static TABLE: KeyTable = KeyTable::new(SETTINGS);

static SETTINGS: &[&[&KeyEntry]] = &[
    listen::KEYS,
    admin::KEYS,
    coder::KEYS,
    oidc::addresses::KEYS,
    oidc::client::KEYS,
    oidc::scopes::KEYS,
    oidc::people::EMAIL_KEYS,
    oidc::parameters::PARAMETER_KEYS,
    oidc::people::GROUP_KEYS,
    oidc::button::KEYS,
    oidc::parameters::REAUTHENTICATION_KEYS,
    oidc::tokens::KEYS,
    oidc::coder_only::KEYS,
    oidc::unsupported::KEYS,
    session::SESSION_KEYS,
    sign_in_out::KEYS,
    policy::KEYS,
    relay::KEYS,
    session::UNREACHABLE_KEYS,
    store::KEYS,
    log::KEYS,
];
