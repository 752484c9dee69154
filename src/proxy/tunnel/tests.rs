//! Tunnels in memory, with time controlled by the test.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::grant::Authorization;
use crate::policy::TunnelLimits;
use crate::proxy::tests::support::permit;
use crate::types::Clock;
use crate::types::LoginType;

const HOUR: Duration = Duration::from_hours(1);
const NEARLY_AN_HOUR: Duration = Duration::from_mins(59);
const MINUTE: Duration = Duration::from_mins(1);

/// A tunnel with a pipe of `capacity` bytes on both sides: the client's end and Coder's.
fn open(capacity: usize, limits: TunnelLimits) -> (DuplexStream, DuplexStream, JoinHandle<()>) {
    let (client, near_client) = duplex(capacity);
    let (coder, near_coder) = duplex(capacity);
    let ends = Termination::new(
        &permit(Some(&Authorization::for_test(None, LoginType::Unknown)), limits),
        &Clock::system(),
    );
    let tunnel = Tunnel::new(near_client, near_coder, b"", true);
    (client, coder, tokio::spawn(tunnel.run(ends, CancellationToken::new())))
}

#[tokio::test(start_paused = true)]
async fn a_quiet_tunnel_without_limits_stays_open() {
    let (mut client, mut coder, tunnel) = open(64, TunnelLimits::default());
    tokio::time::advance(1000 * HOUR).await;
    client.write_all(b"still").await.unwrap();
    let mut bytes = [0; 5];
    coder.read_exact(&mut bytes).await.unwrap();
    assert!(!tunnel.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_without_a_byte_ends_after_the_idle_limit() {
    let begun = Instant::now();
    let (mut client, _coder, tunnel) = open(64, TunnelLimits { idle: Some(HOUR), max_age: None });
    let mut close = Vec::new();
    client.read_to_end(&mut close).await.unwrap();
    assert_eq!(close[2..4], POLICY_VIOLATION.to_be_bytes());
    assert_eq!(begun.elapsed(), HOUR);
    drop(client);
    tunnel.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_byte_in_either_direction_is_activity() {
    let (mut client, mut coder, tunnel) = open(64, TunnelLimits { idle: Some(HOUR), max_age: None });
    let mut byte = [0];
    for _ in 0..5 {
        tokio::time::advance(NEARLY_AN_HOUR).await;
        client.write_all(b"u").await.unwrap();
        coder.read_exact(&mut byte).await.unwrap();
        tokio::time::advance(NEARLY_AN_HOUR).await;
        // An empty ping: control frames count.
        coder.write_all(b"\x89\0").await.unwrap();
        client.read_exact(&mut [0; 2]).await.unwrap();
    }
    assert!(!tunnel.is_finished());
    let last = Instant::now();
    client.read_exact(&mut [0; 4]).await.unwrap();
    assert_eq!(last.elapsed(), HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_busy_tunnel_ends_at_its_age_limit() {
    let limits = TunnelLimits { idle: Some(HOUR), max_age: Some(3 * HOUR) };
    let begun = Instant::now();
    let (mut client, mut coder, tunnel) = open(64, limits);
    let busy = tokio::spawn(async move {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(MINUTE).await;
        }
    });
    let mut bytes = Vec::new();
    coder.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(begun.elapsed(), 3 * HOUR);
    busy.abort();
    tunnel.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_every_byte_in_order() {
    let (mut client, mut coder, tunnel) = open(7, TunnelLimits::default());
    let sent: Vec<u8> = (0..100_000).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let copy = sent.clone();
    let sending = tokio::spawn(async move {
        coder.write_all(&copy).await.unwrap();
        coder.shutdown().await.unwrap();
        let mut up = Vec::new();
        coder.read_to_end(&mut up).await.unwrap();
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == sent);
    drop(client);
    sending.await.unwrap();
    tunnel.await.unwrap();
}

/// 10 000 idle terminals must be cheap: no buffers of their own, and a small task.
#[tokio::test]
async fn a_tunnel_at_rest_is_small() {
    let (_client, near_client) = duplex(64);
    let (_coder, near_coder) = duplex(64);
    let ends = Termination::new(&permit(None, TunnelLimits::default()), &Clock::system());
    let tunnel = Tunnel::new(near_client, near_coder, b"", true);
    let task = tunnel.run(ends, CancellationToken::new());
    assert!(size_of_val(&task) <= 2048, "{}", size_of_val(&task));
}
