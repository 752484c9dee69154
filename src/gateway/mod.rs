//! The life of a request, from its head to its log line.
//!
//! Head -> host -> target -> route -> the one credential -> verdict -> decision -> own endpoint, or forwarding -> log.
//! Every failure becomes a `RefusalCause`, and one table defines what is shown, logged and counted for
//! it.
//!
//! | what | file |
//! | --- | --- |
//! | a worker: one request after the other, with its log line | `worker.rs` |
//! | the head of a request: host, target, client, route | `head.rs`, `context.rs` |
//! | one request: judged, decided, answered or forwarded | `exchange.rs` |
//! | room among the connections for a forwarded request | `room.rs` |
//! | the verdict on a credential; one question to Coder for each unknown token | `judge.rs` |
//! | the sign-in, from request to session; its request | `sign_in.rs`, `attempt.rs` |
//! | pending logins in the browser | `pending_logins.rs` |
//! | the login-loop guard | `login_loop.rs` |
//! | where a browser is sent to sign in | `sign_in_redirect.rs` |
//! | the sign-out, here, at Coder and at the provider | `sign_out.rs` |
//! | why the last session ended, shown once | `notice.rs` |
//! | own endpoints, found by path | `endpoints.rs` |
//! | the sign-in page, the page with a user's own sessions | `sign_in_page.rs`, `sessions_page.rs` |
//! | back-channel logout | `backchannel_logout.rs` |
//! | new credentials, attributed to their user | `keys.rs` |
//! | refusals, and their table | `refusals/` |
//! | the relay and its clients | `relay/` |
//! | limits by client address | `limits/` |
//! | counts of responses, for metrics | `counts.rs` |
//! | the access URL, own paths, queries, small responses | `access_url.rs`, `links.rs`, `query.rs`, `responses.rs` |
//! | the gateway: its services, put together | `services.rs`, `settings.rs` |
//!
//! Tier 6: uses every module below; knows no configuration.

mod access_url;
mod attempt;
mod backchannel_logout;
mod context;
mod counts;
mod endpoints;
mod exchange;
mod head;
mod judge;
mod keys;
mod limits;
mod links;
mod login_loop;
mod notice;
mod pending_logins;
mod query;
mod refusals;
mod relay;
mod responses;
mod room;
mod services;
mod sessions_page;
mod settings;
mod sign_in;
mod sign_in_page;
mod sign_in_redirect;
mod sign_out;
mod worker;

pub use links::{BACKCHANNEL_LOGOUT, SIGNED_OUT};
pub use relay::{RelayMetrics, RelayPolicy, RelaySettings};
pub use services::{Gateway, Parts};
pub use settings::{GatewaySettings, SignInMode};
pub use worker::Worker;
