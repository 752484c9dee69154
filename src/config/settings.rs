//! What the program runs on: plain, valid, complete. Made only by [`Config::load`] and [`Config::from_text`].

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::types::{EmailDomain, Issuer, Secret};

use super::Warning;
use super::keys::Key;

/// The whole configuration. What has a default or must be given is never an `Option`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers, the CLI and agents arrive.
    pub listen: Listen,
    /// Where operators ask.
    pub admin: Admin,
    /// The Coder deployment behind.
    pub coder: Coder,
    /// The provider.
    pub oidc: Oidc,
    /// How long somebody stays signed in.
    pub session: Session,
    /// How a sign-in begins.
    pub sign_in: SignIn,
    /// What a sign-out ends.
    pub sign_out: SignOut,
    /// Who gets through.
    pub policy: Policy,
    /// What happens while the provider does not answer.
    pub unreachable: Unreachable,
    /// Where grants are kept.
    pub store: Store,
    /// What is written, and how.
    pub log: Log,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Warning>,
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Address and port. Default: `127.0.0.1:3000`.
    pub address: SocketAddr,
    /// Certificate and key for TLS. Default: none, plain HTTP.
    pub tls: Option<Tls>,
    /// Proxies whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether every connection begins with a PROXY protocol header. Default: false.
    pub proxy_protocol: bool,
    /// Worker threads. `None`: one for each core that may be used.
    pub workers: Option<NonZeroUsize>,
}

/// Files for TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The operator's side.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address for metrics and probes. Default: none, not served.
    pub listen: Option<SocketAddr>,
    /// The local socket for `vestibule sessions`. Default: `admin.sock` in the embedded store's folder.
    pub socket: PathBuf,
}

/// Coder, seen from here.
#[derive(Clone, Debug)]
pub struct Coder {
    /// Where Coder listens: scheme, host and port.
    pub url: Url,
    /// Coder's access URL, which now leads here. Its path is `/`.
    pub access_url: Url,
    /// Coder's pattern for app hosts in lower case, such as `*.apps.example.com` or `*--dev.example.com:8443`.
    pub wildcard_access_url: Option<String>,
    /// Takes an access URL of plain http beyond loopback: dangerous, session cookies cross the network
    /// in the clear. Default: false.
    pub danger_allow_http: bool,
    /// The listener that only Coder calls.
    pub issuer: CoderIssuer,
}

/// The issuer listener.
#[derive(Clone, Debug)]
pub struct CoderIssuer {
    /// Address and port. Default: `127.0.0.1:3001`.
    pub listen: SocketAddr,
    /// The URL under which Coder reaches it (`CODER_OIDC_ISSUER_URL` of Coder).
    pub url: Url,
    /// What Coder identifies itself with (`CODER_OIDC_CLIENT_SECRET` of Coder).
    pub client_secret: Secret,
    /// The file that the secret was read from, if it was.
    pub client_secret_file: Option<PathBuf>,
}

/// How the client secret is sent to the provider (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// HTTP Basic, and the body when the provider refuses that.
    Auto,
    /// HTTP Basic.
    Basic,
    /// In the body.
    Post,
}

/// The provider, in Coder's words.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as in the file")]
pub struct Oidc {
    /// The issuer identifier, byte for byte.
    pub issuer: Issuer,
    /// Where the gateway itself reaches the provider. Default: at the issuer's own address.
    pub internal_url: Option<Url>,
    /// Our client identifier at the provider.
    pub client_id: String,
    /// Our client secret at the provider.
    pub client_secret: Secret,
    /// How it is sent.
    pub client_authentication: ClientAuthentication,
    /// The scopes asked for, with `openid` among them.
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request, in the order written.
    pub auth_url_params: Vec<(String, String)>,
    /// Allowed email domains. Empty: all.
    pub email_domains: Vec<EmailDomain>,
    /// The claim with the email address. Default: `email`.
    pub email_field: String,
    /// The claim with the user name. Default: `preferred_username`.
    pub username_field: String,
    /// Lets addresses in that are not verified. Default: false.
    pub ignore_email_verified: bool,
    /// Leaves the userinfo endpoint alone. Default: false.
    pub ignore_user_info: bool,
    /// The claim with the groups. Default: none, or `groups` when that is one of the scopes.
    pub group_field: Option<String>,
    /// The groups of which one is needed. Empty: none is.
    pub groups_allowed: Vec<String>,
    /// The sign-in button's text. Default: `OpenID Connect`.
    pub sign_in_text: String,
    /// The sign-in button's icon.
    pub icon_url: Option<Url>,
    /// The `prompt` parameter (OpenID Connect Core §3.1.2.1). Default: none.
    pub prompt: Option<String>,
    /// The longest time since the person last signed in at the provider, in whole seconds. Default: none.
    pub max_age: Option<Duration>,
    /// The names of the signature algorithms taken. Default: all of [`super::ALGORITHMS`].
    pub algorithms: Vec<&'static str>,
    /// What the provider must announce of PKCE. Default: [`Pkce::Auto`].
    pub pkce: Pkce,
    /// Takes one token as both the access token and the ID token: dangerous. Default: false.
    pub danger_access_token_as_id_token: bool,
    /// Takes plain http for the provider beyond loopback: dangerous. Default: false.
    pub danger_allow_http: bool,
    /// Settings that were given here and matter only to Coder, for `vestibule coder-env`.
    pub coder_only: Vec<CoderOnly>,
}

/// What the provider must announce of PKCE. S256 is sent in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// Nothing; but a list must have S256.
    Auto,
    /// A list that has S256.
    Require,
}

/// A setting that is handed on to Coder as it was written.
#[derive(Clone, Debug)]
pub struct CoderOnly {
    /// Which one.
    pub key: &'static Key,
    /// Its value in the syntax of Coder's environment variable.
    pub value: String,
}

/// Limits of a session's life.
#[derive(Clone, Debug)]
pub struct Session {
    /// The longest life from the sign-in on. Default: no limit.
    pub max_age: Option<Duration>,
    /// The longest time without a request. Default: no limit.
    pub idle: Option<Duration>,
    /// How old an authorization may get before the provider is asked again, at most; never longer than the
    /// access token lives. Default: 5 min.
    pub recheck: Duration,
    /// Whether signing out at the provider ends the browser's session here. Default: true.
    pub sign_out_with_provider: bool,
}

/// How a sign-in begins.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// What somebody who is not signed in sees. Default: [`SignInMode::Page`].
    pub mode: SignInMode,
}

/// What somebody who is not signed in sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInMode {
    /// The gateway's own page with a button.
    Page,
    /// The provider, at once.
    Redirect,
    /// Coder's own login page.
    Coder,
}

/// What a sign-out ends.
#[derive(Clone, Debug)]
pub struct SignOut {
    /// Default: [`SignOutFrom::Session`].
    pub from: SignOutFrom,
    /// Default: [`SignOutTokens::Keep`].
    pub tokens: SignOutTokens,
}

/// What one signs out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOutFrom {
    /// The session here.
    Session,
    /// The provider's as well (OpenID Connect RP-Initiated Logout).
    Provider,
}

/// What happens to the person's CLI tokens at a sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOutTokens {
    /// They go on.
    Keep,
    /// They are not served until the next sign-in.
    End,
}

/// Who gets through.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Coder's sign-in by password. Default: off.
    pub password_sign_in: Opening,
    /// Coder's sign-in by GitHub. Default: off.
    pub github_sign_in: Opening,
    /// Creation of the first user by password. Default: off.
    pub first_user: Opening,
    /// Credentials that outlive a browser's session.
    pub tokens: Tokens,
    /// Whether apps that Coder shares with everybody are (`policy.apps.public`). Default: true.
    pub public_apps: bool,
    /// What single classes of routes are narrowed or opened to.
    pub routes: Vec<RouteRule>,
}

/// A way in that is off unless allowed, perhaps only for some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Whether it is open.
    pub allow: bool,
    /// For whom. Empty: everybody.
    pub from: Vec<IpNet>,
}

/// Rules for users' tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Valid tokens of users who have not signed in through the gateway.
    pub without_grant: WithoutGrant,
    /// Valid tokens whose owner nobody says. Default: deny.
    pub unattributed: Verdict,
}

/// By Coder's login type of the token's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithoutGrant {
    /// Signs in by OpenID Connect. Default: deny.
    pub oidc: Verdict,
    /// A service account. Default: allow.
    pub none: Verdict,
    /// Signs in by password. `None` (default): as that sign-in is allowed.
    pub password: Option<Verdict>,
    /// Signs in by GitHub. `None` (default): as that sign-in is allowed.
    pub github: Option<Verdict>,
}

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it pass.
    Allow,
    /// Refuse it.
    Deny,
}

/// One entry of `policy.routes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// The class of routes: one of [`super::ROUTE_CLASSES`].
    pub class: &'static str,
    /// What happens to it.
    pub effect: RouteEffect,
}

/// What an entry of `policy.routes` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEffect {
    /// Closes the class.
    Deny,
    /// Asks for a person who is welcome.
    RequireSignIn,
    /// Closes it for every other address. Never empty.
    From(Vec<IpNet>),
    /// Opens what is closed by default.
    DangerAllow,
    /// Opens it for everybody without a credential.
    DangerPublic,
}

/// What happens while the provider does not answer.
#[derive(Clone, Debug)]
pub struct Unreachable {
    /// How much longer a live authorization is kept. Default: 10 min.
    pub grace: Duration,
}

/// Where grants are kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// In a folder of this machine.
    Embedded {
        /// The folder; made when it is missing. Default: `./vestibule-data`.
        path: PathBuf,
        /// The file with the keys that tokens are sealed with. `None`: made in the folder on first start.
        key_file: Option<PathBuf>,
    },
}

/// What is written, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// A level, or levels by module: `info`, `info,vestibule::grant=debug`. Default: `info`.
    pub level: String,
    /// Default: [`LogFormat::Text`].
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
