//! The basic types: values that are valid by construction, secrets that do not print, time and randomness as
//! parameters.
//!
//! Tier 0: imports nothing of the project.

mod backoff;
mod clock;
mod deadline;
mod email;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hash_memo;
mod identity;
mod ids;
mod lock;
mod login_type;
mod node_key;
mod random;
mod redirect;
mod seal;
mod secret;
mod single_flight;
mod text;
mod text_file;
mod token_hash;
mod watched;
#[cfg(test)]
pub(crate) mod within;

pub use backoff::{Backoff, jitter};
pub use clock::{CLOCK_LEEWAY, Clock, ManualClock, Moment, Timestamp};
pub use deadline::{Deadline, StallLimit};
pub use email::{Email, EmailDomain, InvalidEmail};
pub use hash_memo::HashMemo;
pub use identity::{IdentityKey, InvalidIssuer, Issuer, Subject, is_loopback};
pub use ids::{CoderUserId, GrantId, InvalidId, is_uuid};
pub use lock::lock;
pub use login_type::LoginType;
pub use node_key::NodeKey;
pub use random::{RequestId, random_bytes, random_token};
pub use redirect::LocalRedirect;
pub use seal::{KEY_BYTES, Keyring, LostKey, Purpose, Sealer, UnsealError};
pub use secret::Secret;
pub use single_flight::{CutOff, InFlight, SingleFlight};
pub use text::{is_printable, printable};
pub use text_file::{SecretFileError, TextFileError, WatchedSecret, read_secret, read_text};
pub use token_hash::{TokenHash, TokenHashState};
pub use watched::{FromFiles, Watched, watch_files};
