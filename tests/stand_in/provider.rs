//! `provider-stand-in`: the tests' stand-in for authentik, as a program for `bench/run`. It asks for no
//! password: every user is alice, or the user that the parameter `person` of the authorization request names.

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

#[path = "../it/support/keys.rs"]
mod keys;
#[path = "../it/support/provider.rs"]
mod provider;
#[path = "../it/support/provider_clients.rs"]
mod provider_clients;
#[path = "../it/support/provider_endpoints.rs"]
mod provider_endpoints;
#[path = "../it/support/provider_knobs.rs"]
mod provider_knobs;
#[path = "../it/support/server.rs"]
mod server;
#[path = "../it/support/within.rs"]
mod within;

use std::time::Duration;

use clap::Parser;
use provider::Provider;
use tokio::net::TcpListener;
use vestibule::types::Clock;

/// A provider in authentik's shape. It keeps nothing and secures nothing.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: String,
    /// How long access tokens live, in seconds.
    #[arg(long, default_value_t = 300)]
    access_token_seconds: u64,
    /// How many people there are besides: `person-0` and so on.
    #[arg(long, default_value_t = 0)]
    people: u32,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let provider = Provider::on(TcpListener::bind(&arguments.listen).await?, &Clock::system());
    provider.tune(|knobs| {
        knobs.access_token_life = Duration::from_secs(arguments.access_token_seconds);
        // Several gateways may start from copies of one store.
        knobs.rotate = false;
    });
    for number in 0..arguments.people {
        let name = format!("person-{number}");
        provider.add_user(&name);
        provider.change_user(&name, |user| user.sid = Some(name.clone()));
    }
    println!("provider stand-in listens, issuer {}", provider.issuer());
    tokio::signal::ctrl_c().await
}
