//! The words everything else is written in: values that are valid by
//! construction, secrets that do not print, time and randomness as parameters.
//!
//! Tier 0: imports nothing of the project.

mod clock;
mod deadline;
mod email;
mod identity;
mod ids;
mod login_type;
mod random;
mod redirect;
mod seal;
mod secret;
mod text;
mod token_hash;

pub use clock::{Clock, ManualClock, Timestamp};
pub use deadline::Deadline;
pub use email::{Email, EmailDomain, InvalidEmail};
pub use identity::{IdentityKey, InvalidIssuer, Issuer, Subject, is_loopback};
pub use ids::{CoderUserId, GrantId, InvalidId};
pub use login_type::LoginType;
pub use random::{RequestId, random_bytes, random_token};
pub use redirect::LocalRedirect;
pub use seal::{KEY_BYTES, Keyring, OpenError, Purpose, Sealer};
pub use secret::Secret;
pub use text::printable;
pub use token_hash::{TokenHash, TokenHashState};
