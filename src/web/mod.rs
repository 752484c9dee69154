//! HTTP as the gateway needs it: bodies, the outbound client, cookies, the parsed target, and requests that are safe
//! to forward.
//!
//! Tier 1: imports only `types`. Knows nothing of Coder except the names of a few headers, and nothing of OpenID
//! Connect.

mod address;
mod body;
mod client;
pub mod cookies;
mod dial;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod guarded_body;
mod key_pair;
mod list;
mod message;
mod request_kind;
mod response;
mod sanitize;
mod send_credit;
mod socket;
mod target;
#[cfg(test)]
mod tests;
mod upgrade;
pub mod websocket;

pub use address::TrustedProxies;
pub use body::{Body, BodyError, ReadError, read_limited};
pub use client::{
    Client, ClientError, ClientSettings, ClientSetupError, OutboundTls, OutboundTlsFiles, system_tls,
};
pub use dial::Dialer;
pub use guarded_body::GuardedBody;
pub use key_pair::{CertificateError, read_certificates, read_key_pair, read_private_key};
pub use list::items;
pub use message::{BadRequest, Host, check_message};
pub use request_kind::{RequestKind, is_preflight, request_kind, shows_pages};
pub use response::{UncachedResponse, response};
pub use sanitize::{Hop, Sanitized, remove_hop_by_hop, sanitize};
pub use send_credit::{MeteredCredit, SendCredit};
pub use socket::{KEEPALIVE, poll_write_pieces};
pub use target::{BadTarget, Target};

/// A request as it arrived.
pub type Request = http::Request<hyper::body::Incoming>;

/// A response of the gateway or of Coder.
pub type Response = http::Response<Body>;
