//! `coder-stand-in`: the stand-in for Coder that the tests use, as a separate program for
//! `scripts/demo` and the browser suite.

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

#[path = "../it/support/client.rs"]
mod client;
#[path = "../it/support/coder.rs"]
mod coder;
#[path = "../it/support/coder_pages.rs"]
mod coder_pages;
#[path = "../it/support/coder_requests.rs"]
mod coder_requests;
#[path = "../it/support/coder_sign_in.rs"]
mod coder_sign_in;
#[path = "../it/support/coder_tunnels.rs"]
mod coder_tunnels;
#[path = "../it/support/coder_users.rs"]
mod coder_users;
#[path = "../it/support/coder_verify.rs"]
mod coder_verify;
#[path = "../it/support/server.rs"]
mod server;
#[path = "../it/support/within.rs"]
mod within;

use clap::Parser;
use coder::{Coder, Setup, Version};
use tokio::net::TcpListener;
use vestibule::types::Clock;

/// A Coder that knows just enough for trying Vestibule out. It keeps nothing and secures nothing.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3100")]
    listen: String,
    /// Coder's access URL: the gateway's address.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    access_url: String,
    /// The gateway's issuer listener, with a trailing slash.
    #[arg(long, default_value = "http://127.0.0.1:3001/")]
    issuer_url: String,
    /// Client id at the issuer.
    #[arg(long, default_value = "cid")]
    client_id: String,
    /// Client secret at the issuer.
    #[arg(long, default_value = "coder-secret")]
    client_secret: String,
    /// The allowed email domain.
    #[arg(long, default_value = "acme.company")]
    email_domain: String,
    /// Which Coder is played: 2025-07 or 2026-02.
    #[arg(long, default_value = "2026-02")]
    version: String,
    /// The wildcard access URL, for workspace apps.
    #[arg(long)]
    wildcard: Option<String>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(&arguments.listen).await?;
    let version = if arguments.version == "2025-07" { Version::July2025 } else { Version::February2026 };
    let setup = Setup {
        version,
        access_url: arguments.access_url,
        wildcard: arguments.wildcard,
        issuer_url: arguments.issuer_url,
        client_id: arguments.client_id,
        client_secret: arguments.client_secret,
        email_domain: arguments.email_domain,
        host_prefix_cookie: false,
    };
    let coder = Coder::on(listener, setup, &Clock::system());
    println!("coder stand-in listens on {}", coder.address);
    tokio::signal::ctrl_c().await
}
