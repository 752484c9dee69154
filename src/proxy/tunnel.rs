//! A connection that has switched protocols: bytes both ways until somebody ends it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::websocket::{Frames, close_frame};
use crate::policy::TunnelLimits;

/// The buffer of a quiet direction, in bytes: thousands of idle terminals wait in it.
const SMALL_BUFFER: usize = 1024;

/// The buffer of a busy direction, in bytes.
const LARGE_BUFFER: usize = 64 * 1024;

/// How long one direction may outlive the other: enough to deliver a last answer.
const LINGER: Duration = Duration::from_secs(5);

/// How long a last frame and the end of the stream may take to be written.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a tunnel is bound to.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) websocket: bool,
    /// Fires when the standing of its user ends; machines have none.
    pub(super) ended: Option<CancellationToken>,
    /// Fires when the gateway goes.
    pub(super) stop: CancellationToken,
    pub(super) limits: TunnelLimits,
}

/// Why a tunnel is closed from here, as a websocket close status (RFC 6455 §7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// The standing ended, or a limit was reached: 1008, policy violation.
    Policy(&'static str),
    /// The gateway goes: 1001, going away.
    Away,
}

/// When bytes last flowed, in milliseconds since the tunnel began.
struct Activity {
    began: Instant,
    last: AtomicU64,
}

impl Activity {
    fn touch(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

type Io = TokioIo<Upgraded>;

impl Tunnel {
    /// Waits for both sides to switch, then lets bytes flow.
    pub(super) async fn run(self, client: OnUpgrade, coder: OnUpgrade) {
        let (Ok(client), Ok(coder)) = tokio::join!(client, coder) else { return };
        let (from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
        let (from_coder, to_coder) = tokio::io::split(TokioIo::new(coder));
        let activity = Activity { began: Instant::now(), last: AtomicU64::new(0) };
        let mut frames = Frames::default();
        let why = {
            let down = Direction { frames: self.websocket.then_some(&mut frames), activity: &activity };
            let flow = flow(from_client, to_coder, from_coder, &mut to_client, down);
            tokio::select! {
                biased;
                why = self.closed(&activity) => Some(why),
                () = flow => None,
            }
        };
        if let Some(why) = why {
            self.say_goodbye(why, &frames, &mut to_client).await;
        }
        let _ = timeout(FAREWELL, to_client.shutdown()).await;
    }

    /// Completes when the tunnel must be closed from here.
    async fn closed(&self, activity: &Activity) -> Close {
        let ended = async {
            match &self.ended {
                Some(ended) => ended.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => Close::Policy("your sign-in has ended"),
            () = self.stop.cancelled() => Close::Away,
            () = self.too_old(activity.began) => Close::Policy("the connection has reached its age limit"),
            () = self.too_quiet(activity) => Close::Policy("the connection was idle for too long"),
        }
    }

    async fn too_old(&self, began: Instant) {
        match self.limits.max_age {
            Some(age) => sleep_until(began + age).await,
            None => std::future::pending().await,
        }
    }

    async fn too_quiet(&self, activity: &Activity) {
        let Some(idle) = self.limits.idle else { return std::future::pending().await };
        loop {
            let until = activity.last() + idle;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Tells a websocket's client why, where a frame of ours does not fall into one of Coder's.
    async fn say_goodbye(&self, why: Close, frames: &Frames, to_client: &mut WriteHalf<Io>) {
        if !self.websocket || !frames.at_border() {
            return;
        }
        let frame = match why {
            Close::Policy(reason) => close_frame(1008, reason),
            Close::Away => close_frame(1001, "the gateway is restarting"),
        };
        let _ = timeout(FAREWELL, to_client.write_all(&frame)).await;
    }
}

/// What the direction towards the client keeps account of.
struct Direction<'a> {
    frames: Option<&'a mut Frames>,
    activity: &'a Activity,
}

/// Both directions, until one of them ends and the other had its time to follow.
async fn flow(
    from_client: ReadHalf<Io>,
    to_coder: WriteHalf<Io>,
    from_coder: ReadHalf<Io>,
    to_client: &mut WriteHalf<Io>,
    down: Direction<'_>,
) {
    let activity = down.activity;
    let up = Direction { frames: None, activity };
    let mut to_coder = to_coder;
    let upward = pump(from_client, &mut to_coder, up);
    let downward = pump(from_coder, to_client, down);
    tokio::pin!(upward, downward);
    tokio::select! {
        _ = &mut upward => { let _ = timeout(LINGER, downward).await; }
        _ = &mut downward => { let _ = timeout(LINGER, upward).await; }
    }
}

/// Copies until the reader ends, then closes the writer. The buffer grows with a busy stream and
/// shrinks again with a quiet one.
async fn pump<R, W>(mut from: R, to: &mut W, mut direction: Direction<'_>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; SMALL_BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        direction.activity.touch();
        if let Some(frames) = &mut direction.frames {
            frames.begin();
        }
        to.write_all(bytes).await?;
        if let Some(frames) = &mut direction.frames {
            frames.follow(bytes);
        }
        if read == buffer.len() && buffer.len() < LARGE_BUFFER {
            buffer = vec![0; LARGE_BUFFER];
        } else if read < SMALL_BUFFER && buffer.len() > SMALL_BUFFER {
            buffer = vec![0; SMALL_BUFFER];
        }
    }
    to.shutdown().await
}
