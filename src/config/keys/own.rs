//! The gateway's own keys.

use super::Absent::{Default, Nothing, Refused};
use super::Kind::{Address, Bool, Count, Duration, Networks, Path, Rules, Secret, Text, Url, Word};
use super::{Key, Kind, both, own};

const VERDICT: Kind = Word(&["allow", "deny"]);

/// The sections before `oidc`.
#[rustfmt::skip]
pub(super) const BEFORE: &[Key] = &[
    own("listen.address", "VESTIBULE_LISTEN_ADDRESS", Address, Default("127.0.0.1:3000"),
        "Where browsers, the CLI, IDEs and workspace agents arrive. `0.0.0.0:3000` or `[::]:3000` listens on every address."),
    own("listen.tls.certificate", "VESTIBULE_LISTEN_TLS_CERTIFICATE", Path, Nothing,
        "PEM file with the certificate and its chain. With it the listener speaks TLS and HTTP/2; a changed file is taken over while running."),
    own("listen.tls.key", "VESTIBULE_LISTEN_TLS_KEY", Path, Nothing,
        "PEM file with the certificate's private key."),
    own("listen.trustedProxies", "VESTIBULE_LISTEN_TRUSTED_PROXIES", Networks, Default(""),
        "Proxies in front whose `X-Forwarded-For` is believed: the client is the right-most address that is not one of them. Everybody else's header is dropped."),
    own("listen.proxyProtocol", "VESTIBULE_LISTEN_PROXY_PROTOCOL", Bool, Default("false"),
        "Every connection from `listen.trustedProxies` begins with a PROXY protocol header (version 1 or 2) that names the client; a connection without one is closed."),
    own("listen.workers", "VESTIBULE_LISTEN_WORKERS", Count, Nothing,
        "Threads that forward requests. Not given: one for each core that the process may use."),

    own("admin.listen", "VESTIBULE_ADMIN_LISTEN", Address, Nothing,
        "Where probes and metrics are served (`/healthz`, `/readyz`, `/metrics`), without a credential: keep it off the public network. Not given: nowhere."),
    own("admin.socket", "VESTIBULE_ADMIN_SOCKET", Path, Default("./vestibule-data/admin.sock"),
        "The local socket that `vestibule sessions` asks. Whoever can open it may end everybody's session: it is made with mode 0600. Not given: `admin.sock` in the store's folder."),

    own("coder.url", "VESTIBULE_CODER_URL", Url, Refused,
        "Where Coder listens (its `CODER_HTTP_ADDRESS`): scheme, host and port. Nobody but the gateway should reach it."),
    both("coder.accessURL", "CODER_ACCESS_URL", Url, Refused,
        "Coder's access URL. It now leads to the gateway; Coder keeps the same value. `https`, or `http` on loopback."),
    both("coder.wildcardAccessURL", "CODER_WILDCARD_ACCESS_URL", Text, Nothing,
        "Coder's pattern for the hosts of workspace apps, such as `*.apps.example.com`. Its names must lead to the gateway too."),
    own("coder.dangerAllowHTTP", "VESTIBULE_CODER_DANGER_ALLOW_HTTP", Bool, Default("false"),
        "Takes an access URL of plain `http` beyond loopback. Session cookies then cross the network readable for everybody on it."),
    own("coder.issuer.listen", "VESTIBULE_CODER_ISSUER_LISTEN", Address, Default("127.0.0.1:3001"),
        "The issuer listener: the second socket, which only Coder calls."),
    own("coder.issuer.url", "VESTIBULE_CODER_ISSUER_URL", Url, Refused,
        "The URL under which Coder reaches the issuer listener. Coder gets it as `CODER_OIDC_ISSUER_URL`."),
    own("coder.issuer.clientSecret", "VESTIBULE_CODER_ISSUER_CLIENT_SECRET", Secret, Refused,
        "The secret that Coder identifies itself with at the issuer listener. Make one up (`openssl rand -hex 32`); Coder gets it as `CODER_OIDC_CLIENT_SECRET`. It is not the provider's."),
    own("coder.issuer.clientSecretFile", "VESTIBULE_CODER_ISSUER_CLIENT_SECRET_FILE", Path, Nothing,
        "A file with that secret, instead of the secret."),
];

/// The sections after `oidc`.
#[rustfmt::skip]
pub(super) const AFTER: &[Key] = &[
    own("session.maxAge", "VESTIBULE_SESSION_MAX_AGE", Duration, Nothing,
        "The longest life of a session from its sign-in on, used or not. Not given or `0`: no limit of its own."),
    own("session.idle", "VESTIBULE_SESSION_IDLE", Duration, Nothing,
        "The longest time between two requests of a session. Not given or `0`: no limit of its own."),
    own("session.recheck", "VESTIBULE_SESSION_RECHECK", Duration, Default("5m"),
        "How old an answer of the provider may get before it is asked again, before the request is served. Never later than the access token's expiry."),
    own("session.signOutWithProvider", "VESTIBULE_SESSION_SIGN_OUT_WITH_PROVIDER", Bool, Default("true"),
        "Ends a browser's session here when its session at the provider has ended (a refreshed ID token without `sid`). Tokens of the CLI and IDEs go on."),

    own("signIn.mode", "VESTIBULE_SIGN_IN_MODE", Word(&["page", "redirect", "coder"]), Default("page"),
        "What somebody sees who is not signed in: `page` is the gateway's page with a button, `redirect` goes to the provider at once, `coder` shows Coder's own login page."),

    own("signOut.from", "VESTIBULE_SIGN_OUT_FROM", Word(&["session", "provider"]), Default("session"),
        "What a sign-out ends: this `session`, or the one at the `provider` as well."),
    own("signOut.tokens", "VESTIBULE_SIGN_OUT_TOKENS", Word(&["keep", "end"]), Default("keep"),
        "Whether the person's CLI and IDE tokens are served on after a sign-out (`keep`) or not until the next sign-in (`end`)."),

    own("policy.passwordSignIn.allow", "VESTIBULE_POLICY_PASSWORD_SIGN_IN_ALLOW", Bool, Default("false"),
        "Lets Coder's sign-in by password through, for emergencies. Every use is written to the audit log."),
    own("policy.passwordSignIn.from", "VESTIBULE_POLICY_PASSWORD_SIGN_IN_FROM", Networks, Default(""),
        "Only from these networks. Empty: from everywhere."),
    own("policy.githubSignIn.allow", "VESTIBULE_POLICY_GITHUB_SIGN_IN_ALLOW", Bool, Default("false"),
        "Lets Coder's own sign-in by GitHub through."),
    own("policy.githubSignIn.from", "VESTIBULE_POLICY_GITHUB_SIGN_IN_FROM", Networks, Default(""),
        "Only from these networks. Empty: from everywhere."),
    own("policy.firstUser.allow", "VESTIBULE_POLICY_FIRST_USER_ALLOW", Bool, Default("false"),
        "Lets the first user, who owns the deployment, be made by password. Not needed: the first person who signs in becomes the owner."),
    own("policy.firstUser.from", "VESTIBULE_POLICY_FIRST_USER_FROM", Networks, Default(""),
        "Only from these networks. Empty: from everywhere."),
    own("policy.tokens.withoutGrant.oidc", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_OIDC", VERDICT, Default("deny"),
        "Valid Coder tokens of a user who signs in by OpenID Connect but has not done so through the gateway, or whose sign-in has ended."),
    own("policy.tokens.withoutGrant.none", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_NONE", VERDICT, Default("allow"),
        "Valid Coder tokens of service accounts (login type `none`)."),
    own("policy.tokens.withoutGrant.password", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_PASSWORD", VERDICT, Nothing,
        "Valid Coder tokens of users with a password. Not given: allowed where `policy.passwordSignIn` is."),
    own("policy.tokens.withoutGrant.github", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_GITHUB", VERDICT, Nothing,
        "Valid Coder tokens of users of GitHub. Not given: allowed where `policy.githubSignIn` is."),
    own("policy.tokens.unattributed", "VESTIBULE_POLICY_TOKENS_UNATTRIBUTED", VERDICT, Default("deny"),
        "Valid Coder tokens whose owner Coder does not tell (scoped tokens made before the gateway was put in front)."),
    own("policy.apps.public", "VESTIBULE_POLICY_APPS_PUBLIC", Bool, Default("true"),
        "Workspace apps that Coder shares with everybody are reachable without signing in, as with Coder alone. `false`: everybody signs in; only preflights, which browsers send without cookies, still reach apps."),
    own("policy.routes", "VESTIBULE_POLICY_ROUTES", Rules, Default("[]"),
        "Rules for single classes of routes, see below. They narrow; what widens is spelled `danger`."),

    own("unreachable.grace", "VESTIBULE_UNREACHABLE_GRACE", Duration, Default("10m"),
        "How long somebody who is signed in is served on while the provider does not answer. A definite no of the provider counts at once."),

    own("store.embedded.path", "VESTIBULE_STORE_EMBEDDED_PATH", Path, Default("./vestibule-data"),
        "The folder that sign-ins are kept in. Made on first start; must survive restarts and belong to one process alone."),
    own("store.embedded.keyFile", "VESTIBULE_STORE_EMBEDDED_KEY_FILE", Path, Nothing,
        "The file with the key that tokens are sealed with (one line of base64 for 32 bytes, mode 0600). Not given: made in the folder on first start."),

    own("log.level", "VESTIBULE_LOG_LEVEL", Text, Default("info"),
        "`error`, `warn`, `info`, `debug` or `trace`; also by module: `info,vestibule::grant=debug`."),
    own("log.format", "VESTIBULE_LOG_FORMAT", Word(&["text", "json"]), Default("text"),
        "How a line looks: `text` for people, `json` for machines."),
];
