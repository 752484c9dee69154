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
        "The proxies in front of the gateway whose `X-Forwarded-For` is trusted: the client is the right-most address that is not one of them. From all other peers the header is dropped."),
    own("listen.proxyProtocol", "VESTIBULE_LISTEN_PROXY_PROTOCOL", Bool, Default("false"),
        "Every connection from `listen.trustedProxies` must begin with a PROXY protocol header (version 1 or 2), which gives the client's address. A connection without one is closed."),
    own("listen.workers", "VESTIBULE_LISTEN_WORKERS", Count, Nothing,
        "Number of threads that forward requests. Not set: one for each core that the process may use."),

    own("admin.listen", "VESTIBULE_ADMIN_LISTEN", Address, Nothing,
        "Where probes and metrics are served (`/healthz`, `/readyz`, `/metrics`), without a credential: keep it off the public network. Not set: nowhere."),
    own("admin.socket", "VESTIBULE_ADMIN_SOCKET", Path, Default("./vestibule-data/admin.sock"),
        "The local socket that `vestibule sessions` uses. It is created with mode 0600, because anyone who can open it can end every session. Not set: `admin.sock` in the store's folder."),

    own("coder.url", "VESTIBULE_CODER_URL", Url, Refused,
        "Where Coder listens (its `CODER_HTTP_ADDRESS`): scheme, host and port. Only the gateway should be able to reach it."),
    both("coder.accessURL", "CODER_ACCESS_URL", Url, Refused,
        "Coder's access URL. It now leads to the gateway, and Coder keeps the same value. `https`, or `http` on loopback."),
    both("coder.wildcardAccessURL", "CODER_WILDCARD_ACCESS_URL", Text, Nothing,
        "Coder's pattern for the hosts of workspace apps, such as `*.apps.example.com`. Its names must lead to the gateway too."),
    own("coder.dangerAllowHTTP", "VESTIBULE_CODER_DANGER_ALLOW_HTTP", Bool, Default("false"),
        "Accepts an access URL with plain `http` outside loopback. Anyone on the network can then read session cookies."),
    own("coder.issuer.listen", "VESTIBULE_CODER_ISSUER_LISTEN", Address, Default("127.0.0.1:3001"),
        "The issuer listener: the second socket, which only Coder calls."),
    own("coder.issuer.url", "VESTIBULE_CODER_ISSUER_URL", Url, Refused,
        "The URL under which Coder reaches the issuer listener. Coder gets it as `CODER_OIDC_ISSUER_URL`."),
    own("coder.issuer.clientSecret", "VESTIBULE_CODER_ISSUER_CLIENT_SECRET", Secret, Refused,
        "The secret with which Coder authenticates at the issuer listener. Generate one (`openssl rand -hex 32`); Coder gets it as `CODER_OIDC_CLIENT_SECRET`. It is not the provider's client secret."),
    own("coder.issuer.clientSecretFile", "VESTIBULE_CODER_ISSUER_CLIENT_SECRET_FILE", Path, Nothing,
        "A file that holds this secret, in place of `coder.issuer.clientSecret`."),
];

/// The sections after `oidc`.
#[rustfmt::skip]
pub(super) const AFTER: &[Key] = &[
    own("session.maxAge", "VESTIBULE_SESSION_MAX_AGE", Duration, Nothing,
        "The longest life of a session after its sign-in, whether it is used or not. Not set or `0`: no limit."),
    own("session.idle", "VESTIBULE_SESSION_IDLE", Duration, Nothing,
        "The longest time between two requests of a session. Not set or `0`: no limit."),
    own("session.recheck", "VESTIBULE_SESSION_RECHECK", Duration, Default("5m"),
        "How old the provider's last answer about a user may be. When it is older, or when the access token has expired, the gateway refreshes the tokens before it serves the next request."),
    own("session.signOutWithProvider", "VESTIBULE_SESSION_SIGN_OUT_WITH_PROVIDER", Bool, Default("true"),
        "Ends a browser's session when its session at the provider has ended (the refreshed ID token has no `sid`). CLI and IDE tokens stay valid."),

    own("signIn.mode", "VESTIBULE_SIGN_IN_MODE", Word(&["page", "redirect", "coder"]), Default("page"),
        "What a browser without a session gets: `page` is the gateway's page with a button, `redirect` goes to the provider at once, `coder` shows Coder's own login page."),

    own("signOut.from", "VESTIBULE_SIGN_OUT_FROM", Word(&["session", "provider"]), Default("session"),
        "What a sign-out ends: only this `session`, or the session at the `provider` as well."),
    own("signOut.tokens", "VESTIBULE_SIGN_OUT_TOKENS", Word(&["keep", "end"]), Default("keep"),
        "What happens to the user's CLI and IDE tokens at a sign-out: they stay valid (`keep`), or they are not accepted until the next sign-in (`end`)."),

    own("policy.passwordSignIn.allow", "VESTIBULE_POLICY_PASSWORD_SIGN_IN_ALLOW", Bool, Default("false"),
        "Allows Coder's sign-in by password, for emergencies. Every use is written to the audit log."),
    own("policy.passwordSignIn.from", "VESTIBULE_POLICY_PASSWORD_SIGN_IN_FROM", Networks, Default(""),
        "Only from these networks. Empty: from everywhere."),
    own("policy.githubSignIn.allow", "VESTIBULE_POLICY_GITHUB_SIGN_IN_ALLOW", Bool, Default("false"),
        "Allows Coder's own sign-in by GitHub."),
    own("policy.githubSignIn.from", "VESTIBULE_POLICY_GITHUB_SIGN_IN_FROM", Networks, Default(""),
        "Only from these networks. Empty: from everywhere."),
    own("policy.firstUser.allow", "VESTIBULE_POLICY_FIRST_USER_ALLOW", Bool, Default("false"),
        "Allows the creation of the first user, the owner of the deployment, by password. Not needed: the first user to sign in through the gateway becomes the owner."),
    own("policy.firstUser.from", "VESTIBULE_POLICY_FIRST_USER_FROM", Networks, Default(""),
        "Only from these networks. Empty: from everywhere."),
    own("policy.tokens.withoutGrant.oidc", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_OIDC", VERDICT, Default("deny"),
        "Valid Coder tokens of users with OpenID Connect who have not signed in through the gateway, or whose sign-in has ended."),
    own("policy.tokens.withoutGrant.none", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_NONE", VERDICT, Default("allow"),
        "Valid Coder tokens of service accounts (login type `none`)."),
    own("policy.tokens.withoutGrant.password", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_PASSWORD", VERDICT, Nothing,
        "Valid Coder tokens of users with a password. Not set: allowed where `policy.passwordSignIn` allows the sign-in."),
    own("policy.tokens.withoutGrant.github", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_GITHUB", VERDICT, Nothing,
        "Valid Coder tokens of users who sign in with GitHub. Not set: allowed where `policy.githubSignIn` allows the sign-in."),
    own("policy.tokens.unattributed", "VESTIBULE_POLICY_TOKENS_UNATTRIBUTED", VERDICT, Default("deny"),
        "Valid Coder tokens whose owner is unknown because Coder does not name it (scoped tokens created before the gateway was installed)."),
    own("policy.apps.public", "VESTIBULE_POLICY_APPS_PUBLIC", Bool, Default("true"),
        "Workspace apps that Coder shares publicly are reachable without a sign-in, as with Coder alone. `false`: they need a sign-in; only preflights, which browsers send without cookies, still reach apps."),
    own("policy.routes", "VESTIBULE_POLICY_ROUTES", Rules, Default("[]"),
        "Rules for single classes of routes; docs/configuration.md lists the classes. They restrict access; an effect that widens it begins with `danger`."),

    own("unreachable.grace", "VESTIBULE_UNREACHABLE_GRACE", Duration, Default("10m"),
        "How long signed-in users are still served while the provider does not answer. A refusal by the provider takes effect at once."),

    own("store.embedded.path", "VESTIBULE_STORE_EMBEDDED_PATH", Path, Default("./vestibule-data"),
        "The folder in which sign-ins are stored. It is created at the first start, must survive restarts, and must belong to one process only."),
    own("store.embedded.keyFile", "VESTIBULE_STORE_EMBEDDED_KEY_FILE", Path, Nothing,
        "The file with the key that seals the tokens (one line of base64 for 32 bytes, mode 0600). Not set: a key is created in the folder at the first start."),

    own("log.level", "VESTIBULE_LOG_LEVEL", Text, Default("info"),
        "`error`, `warn`, `info`, `debug` or `trace`; also by module: `info,vestibule::grant=debug`."),
    own("log.format", "VESTIBULE_LOG_FORMAT", Word(&["text", "json"]), Default("text"),
        "The format of log lines: `text` for people, `json` for machines."),
];
