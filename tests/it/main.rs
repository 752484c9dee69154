//! The integration tests: the real gateway in-process on port 0, against scriptable
//! stand-ins of both neighbours, over real sockets.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "test equipment: a surprise must end the test, and not every binary uses every part"
)]

mod support;

mod admin;
mod another_account;
mod apps;
mod audit;
mod backchannel;
mod canary;
mod client_authentication;
mod client_bodies;
mod coder_refusals;
mod commands;
mod conformance;
mod contributing;
mod declined;
mod ended_keys;
mod few_places;
mod gate;
mod hostile;
mod inside;
mod layering;
mod limits;
mod login_page;
mod machines;
mod memory_budget;
mod modes;
mod never_seen;
mod new_keys;
mod notices;
mod online_check;
mod other_identity;
mod other_sites;
mod outages;
mod passwords;
mod provider_keys;
mod provider_quirks;
mod reach_provider;
mod refresh;
mod refusals;
mod relay;
mod rotation;
mod route_rules;
mod scan;
mod security_cases;
mod sessions_page;
mod sign_in;
mod sign_out;
mod stand_in;
mod store_files;
mod stray_sessions;
mod tls;
mod tunnels;
mod wanted_page;
