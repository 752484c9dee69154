//! A provider, a Coder and the real gateway between them, all in this process and on free ports.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use vestibule::app::App;
use vestibule::grant::Store;
use vestibule::listen::Shutdown;
use vestibule::types::{Clock, ManualClock, Timestamp};

use super::client::{Answer, Browser};
use super::coder::{Coder, Setup, Version};
use super::config_file::{scheme, write_certificate, yaml};
use super::provider::Provider;
use super::server::Server;
use super::store::{Faulty, StoreFault, Switch};
use super::within::within;

/// The start of every test's clock: 2026-11-24 10:00 UTC.
pub const START: Timestamp = Timestamp::from_seconds(1_795_514_400);

/// The longest pause between two runs of a background task for which a test waits.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(2);

/// The rounds of [`World::until`] in which such a pause passes: late, so that a run in progress can finish, and seldom,
/// so that the time-out of a request (10 s) does not pass with them.
const PASSING: [usize; 3] = [20, 200, 1000];

/// A port reserved for the gateway: bound, never listening, so that only the gateway's own
/// sockets (which share ports) can use it.
struct Reserved {
    _socket: Socket,
    port: u16,
}

impl Reserved {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Self { _socket: socket, port }
    }
}

/// The three parties and their clock.
pub struct World {
    pub hand: ManualClock,
    pub clock: Clock,
    pub provider: Provider,
    pub coder: Coder,
    pub dir: TempDir,
    pub host: String,
    pub issuer_host: String,
    config: String,
    open_files: Option<u64>,
    /// Whether and how the store fails.
    pub store: Switch,
    /// The address of probes and metrics, if they are served.
    pub admin: Option<SocketAddr>,
    running: Option<Running>,
    _ports: [Reserved; 2],
}

struct Running {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

/// A test's changes to the defaults.
pub struct Options {
    pub version: Version,
    /// The wildcard access URL's suffix for app hosts, e.g. `.apps.test`.
    pub wildcard: Option<&'static str>,
    pub host_prefix_cookie: bool,
    /// More lines of the section `listen`.
    pub listen: &'static str,
    /// TLS, with a certificate for 127.0.0.1, and an https access URL.
    pub tls: bool,
    /// More YAML, complete sections.
    pub sections: &'static str,
    /// More lines of the section `oidc`.
    pub oidc: &'static str,
    /// The line of the client's credential at the provider, in place of its secret.
    pub credential: Option<String>,
    /// The line of the secret that Coder presents, in place of its secret.
    pub coder_credential: Option<String>,
    /// `coder.url`, if it is not the stand-in's own address.
    pub coder_url: Option<String>,
    /// More lines of the section `coder`.
    pub coder: String,
    /// The public address of the provider, which the gateway reaches only internally (`oidc.internalURL`).
    pub public_provider: Option<&'static str>,
    /// Email domains that Coder itself allows (its own check follows the gateway's).
    pub coder_domain: &'static str,
    /// The limit on open files that connections are derived from; the process's own if `None`.
    pub open_files: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Version::February2026,
            wildcard: None,
            host_prefix_cookie: false,
            listen: "",
            tls: false,
            sections: "",
            oidc: "",
            credential: None,
            coder_credential: None,
            coder_url: None,
            coder: String::new(),
            public_provider: None,
            coder_domain: "acme.company",
            open_files: None,
        }
    }
}

impl World {
    /// With all defaults.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// With some changes.
    pub async fn with(options: Options) -> Self {
        let mut world = Self::without_gateway(options).await;
        world.start_gateway().await;
        world
    }

    /// Both neighbours, and a gateway that has not started yet.
    pub async fn without_gateway(options: Options) -> Self {
        let (clock, hand) = Clock::manual(START);
        let provider = Provider::start(&clock).await;
        let ports = [Reserved::new(), Reserved::new()];
        let (host, issuer_host) =
            (format!("127.0.0.1:{}", ports[0].port), format!("127.0.0.1:{}", ports[1].port));
        let wildcard = options.wildcard.map(|suffix| format!("*{suffix}:{}", ports[0].port));
        let setup = Setup {
            version: options.version,
            access_url: format!("{}://{host}", scheme(&options)),
            wildcard: wildcard.clone(),
            issuer_url: format!("http://{issuer_host}/"),
            client_id: super::provider::CLIENT_ID.to_owned(),
            client_secret: "coder-secret".to_owned(),
            email_domain: options.coder_domain.to_owned(),
            host_prefix_cookie: options.host_prefix_cookie,
        };
        let coder = Coder::on(Server::bind().await, setup, &clock);
        let dir = tempfile::tempdir().unwrap();
        if options.tls {
            write_certificate(dir.path());
        }
        let config = yaml(&host, &issuer_host, &coder, &provider, dir.path(), wildcard.as_deref(), &options);
        Self {
            hand,
            clock,
            provider,
            coder,
            dir,
            host,
            issuer_host,
            config,
            open_files: options.open_files,
            store: Switch::default(),
            admin: None,
            running: None,
            _ports: ports,
        }
    }

    /// Starts the gateway; with the same store when it ran before.
    pub async fn start_gateway(&mut self) {
        let config =
            vestibule::config::Config::from_text(&self.config).unwrap_or_else(|errors| panic!("{errors}"));
        let switch = Arc::clone(&self.store);
        let around = |inner| Arc::new(Faulty { inner, switch }) as Arc<dyn Store>;
        let app = App::build_around(config, self.clock.clone(), around).await.unwrap();
        let app = match self.open_files {
            Some(limit) => app.limit_open_files(limit),
            None => app,
        };
        self.admin = app.addresses().admin;
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { app.run(stop).await.unwrap() });
        self.running = Some(Running { shutdown, task });
    }

    /// Makes the store fail from now on, or no longer.
    pub fn store_fails(&self, fault: impl Into<Option<StoreFault>>) {
        *self.store.lock().unwrap() = fault.into();
    }

    /// The configuration as a file.
    pub fn config_file(&self) -> PathBuf {
        let path = self.dir.path().join("vestibule.yaml");
        std::fs::write(&path, &self.config).unwrap();
        path
    }

    /// Stops the gateway as SIGTERM does, and waits until it is gone.
    pub async fn stop_gateway(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown.begin();
            within(running.task).await.unwrap();
        }
    }

    /// Begins the soft stage of the stop, without waiting.
    pub fn begin_stop(&self) {
        self.running.as_ref().expect("it runs").shutdown.begin();
    }

    /// Ends the gateway at once, as `kill -9` does to everything but files.
    pub async fn kill_gateway(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown.force();
            within(running.task).await.unwrap();
        }
    }

    /// Waits until the gateway knows the provider.
    pub async fn ready(&self) {
        self.until("the gateway asked for the provider's keys", || self.provider.count("jwks") > 0).await;
    }

    /// Waits until a condition holds, as it must after background work. Fires the timers of background tasks
    /// instead of waiting for them: see [`World::pass`].
    pub async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for round in 0..10_000 {
            if is_so() {
                return;
            }
            if PASSING.contains(&round) {
                self.pass(BACKGROUND_PAUSE).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it never came about that {what}");
    }

    /// Waits until a browser can be sent to the provider.
    pub async fn until_ready(&self) {
        for _ in 0..1_000 {
            if Browser::new().get(&self.start_url("/")).await.status == 302 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody can sign in");
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    pub fn issuer_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.issuer_host)
    }

    /// Signs `user` in with a fresh browser, which is then on the dashboard.
    pub async fn sign_in(&self, user: &str) -> Browser {
        let browser = Browser::new();
        let answer = self.sign_in_with(&browser, user, "/").await;
        assert_eq!(answer.status, 307, "{}", answer.text());
        browser
    }

    /// Goes through the complete sign-in up to the response of the callback.
    pub async fn sign_in_with(&self, browser: &Browser, user: &str, redirect: &str) -> Answer {
        let back = self.to_callback(browser, user, redirect).await;
        browser.get(&back).await
    }

    /// Starts a sign-in and returns from the provider: the callback's URL with code and state.
    pub async fn to_callback(&self, browser: &Browser, user: &str, redirect: &str) -> String {
        self.ready().await;
        self.provider.sign_in_as(user);
        let start = browser.get(&self.start_url(redirect)).await;
        assert_eq!(start.status, 302, "{}", start.text());
        let authorize = browser.get(start.location()).await;
        authorize.location().to_owned()
    }

    /// Where a sign-in starts.
    pub fn start_url(&self, redirect: &str) -> String {
        let mut url = url::Url::parse(&self.url("/api/v2/users/oidc/callback")).unwrap();
        url.query_pairs_mut().append_pair("redirect", redirect);
        url.to_string()
    }

    /// The session token of a browser.
    pub fn session(&self, browser: &Browser) -> String {
        let names = ["coder_session_token", "__Host-coder_session_token"];
        names.iter().find_map(|name| browser.cookie(&self.host, name)).expect("the browser has a session")
    }

    /// `GET /api/v2/users/me` with a token in the header, as the CLI sends it.
    pub async fn me(&self, token: &str) -> Answer {
        self.api("GET", "/api/v2/users/me", token).await
    }

    /// A request with these headers and no others of its own.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        super::client::send(request.body(bytes::Bytes::new()).unwrap()).await.unwrap()
    }

    /// Whether a request arrived at Coder. Otherwise it was refused, in Coder's shape.
    pub async fn arrives(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let before = self.coder.seen_at(path).len();
        let answer = self.ask(method, path, headers).await;
        let arrived = self.coder.seen_at(path).len() > before;
        if !arrived {
            assert!(matches!(answer.status, 401 | 403), "{method} {path}: {}", answer.status);
            assert!(answer.json()["message"].is_string(), "{method} {path}: {}", answer.text());
        }
        arrived
    }

    /// A request of the CLI.
    pub async fn api(&self, method: &str, path: &str, token: &str) -> Answer {
        let headers = [("coder-session-token", token), ("user-agent", "coder-cli/2.31")];
        self.ask(method, path, &headers).await
    }

    /// Who a browser is according to `GET /api/v2/users/me`.
    pub async fn whoami(&self, browser: &Browser) -> Value {
        browser.fetch(http::Method::GET, &self.url("/api/v2/users/me"), "").await.json()
    }

    /// Moves the clock of provider, Coder and gateway. Timers do not move: see [`World::pass`].
    pub fn advance(&self, by: Duration) {
        self.hand.advance(by);
    }

    /// Fires every timer of the gateway's main runtime that is due within `by`, without waiting for it. That runtime is
    /// the test's own, so background tasks run again. The workers run in real time, on runtimes of their
    /// own. The clock does not move: see [`World::advance`].
    pub async fn pass(&self, by: Duration) {
        tokio::time::pause();
        tokio::time::advance(by).await;
        tokio::time::resume();
    }
}
