//! The parts of the integration tests.

pub mod client;
pub mod coder;
mod coder_pages;
mod coder_requests;
mod coder_sign_in;
mod coder_tunnels;
mod coder_users;
pub mod coder_verify;
mod config_file;
pub mod keys;
pub mod process;
pub mod provider;
pub mod provider_clients;
mod provider_endpoints;
pub mod provider_knobs;
pub mod relay;
pub mod server;
pub mod store;
pub mod wire;
pub mod within;
pub mod world;

pub use coder_pages::APP_COOKIE;
pub use coder_sign_in::error_page_text;
pub use provider_knobs::Refusals;
