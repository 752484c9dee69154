//! The kinds of route that the decision distinguishes.

use std::str::FromStr;

use thiserror::Error;

/// The class of a route. The route table gives every method and path exactly one; a route without a
/// rule is [`RouteClass::User`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteClass {
    /// An endpoint of the gateway itself.
    Own,
    /// Open to everybody without a credential.
    Public(Public),
    /// Coder's OpenID Connect callback, which the gateway serves itself: it begins and completes a sign-in.
    SignIn,
    /// The list of sign-in methods, which the gateway serves itself.
    AuthMethods,
    /// Everything that checks or changes a password without a session.
    PasswordSignIn,
    /// Checks whether a password would be strong enough: used by the password sign-in and by pages for people.
    PasswordCheck,
    /// Coder's own sign-in by GitHub.
    GithubSignIn,
    /// Creates the first user, who owns the deployment.
    FirstUser,
    /// Reports whether there is a user. Coder's pages and its CLI ask before a sign-in, and offer to create the first
    /// user when there is none.
    FirstUserQuery,
    /// For a machine; each kind has its own credential.
    Machine(Machine),
    /// For a person who may be served. The default.
    User,
    /// For a person, or for the machine with its credential.
    UserOr(Machine),
    /// Ends the presented session.
    SignOut,
    /// Creates a credential for a person, so the gateway reads the response.
    CreatesKey(CreatesKey),
    /// Deletes or expires a credential of a person, so the gateway forgets it.
    EndsKey,
    /// A document of the dashboard.
    Page,
    /// One of Coder's own sign-in pages: public in sign-in mode `coder` and where its sign-in method is open,
    /// otherwise a [`Self::Page`].
    LoginPage(LoginPage),
    /// A workspace app below a path of the dashboard's host.
    AppPath,
    /// A workspace app on its own host.
    AppHost,
    /// The sandbox document on a reserved app host, public by design.
    AppSandbox,
    /// Closed unless opened by name.
    Closed(ClosedRoute),
}

/// Coder's own sign-in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginPage {
    /// The page with the password form and a button for each other sign-in method.
    SignIn,
    /// The page of GitHub's device flow.
    Device,
    /// The page that creates the first user.
    Setup,
    /// The pages for a forgotten password.
    PasswordReset,
}

impl LoginPage {
    /// The sign-in methods that the page serves.
    pub(super) const fn methods(self) -> &'static [SignInMethod] {
        match self {
            Self::SignIn => &[SignInMethod::Password, SignInMethod::Github],
            Self::Device => &[SignInMethod::Github],
            Self::Setup => &[SignInMethod::FirstUser],
            Self::PasswordReset => &[SignInMethod::Password],
        }
    }
}

/// Coder's own ways to sign in, each with a switch of its own. OpenID Connect has none: it is the gateway's purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignInMethod {
    /// By password: `policy.passwordSignIn`.
    Password,
    /// By GitHub: `policy.githubSignIn`.
    Github,
    /// Creation of the first user: `policy.firstUser`.
    FirstUser,
}

impl SignInMethod {
    /// The class of its routes.
    pub(super) const fn class(self) -> ClassName {
        match self {
            Self::Password => ClassName::PasswordSignIn,
            Self::Github => ClassName::GithubSignIn,
            Self::FirstUser => ClassName::FirstUser,
        }
    }
}

/// The purpose of a public route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Public {
    /// Liveness and latency probes.
    Probe,
    /// Facts about the deployment that clients need before they sign in.
    Facts,
    /// Files of the dashboard and of the installer without any user data.
    Asset,
    /// Metadata for OAuth 2.0 clients (RFC 8414, RFC 9728).
    Metadata,
    /// Reports of content security policy violations.
    Report,
    /// A cross-origin preflight, which carries no credential by definition.
    Preflight,
    /// A document for the frame of an IDE; a presented credential is judged.
    Embed,
    /// Requests that carry their own proof: signed downloads, webhooks.
    SelfProven,
}

/// The kinds of machine that connect to Coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// A workspace agent: a UUID as token.
    Agent,
    /// An agent on a cloud machine before it has its token; the proof is in the body.
    InstanceIdentity,
    /// The relay for tunnels: Coder asks for no credential.
    Derp,
    /// A provisioner daemon: its own key, or the shared key.
    Provisioner,
    /// A workspace proxy or a replica: its token.
    WorkspaceProxy,
    /// A client that provisions users by SCIM: it presents the configured header.
    Scim,
    /// A client of the AI gateway: a person's token in one of the AI gateway's headers.
    AiGateway,
    /// A stand-alone AI gateway that joins: its key.
    AiGatewayNode,
    /// An OAuth 2.0 client of Coder with its client credentials in the body or as Basic.
    OAuth2Client,
    /// An MCP client with a person's token.
    Mcp,
    /// The start script for an external agent; it carries no secret.
    InitScript,
    /// Coder's binaries, fetched by boot scripts without a credential.
    Binaries,
}

/// The kind of new credential in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreatesKey {
    /// A key for the CLI or an IDE, or a named token: in the JSON body.
    Token,
    /// The app redirect to an app host: in the redirect.
    AppRedirect,
}

/// What is closed unless opened by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedRoute {
    /// Coder's API description.
    Swagger,
    /// Coder's debugging endpoints, profiler included.
    Debug,
}

/// What must be known about a request's credential before the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// Nothing: it is neither looked for nor forwarded.
    Nothing,
    /// Only its format: Coder judges it.
    Format,
    /// Whether its user may be served.
    Person,
}

impl RouteClass {
    /// What must be known about a request's credential on such a route, before any rule of the operator.
    pub(super) const fn judging(self) -> Judging {
        match self {
            Self::Public(Public::Embed)
            | Self::Machine(Machine::Derp | Machine::AiGateway | Machine::Mcp)
            | Self::User
            | Self::UserOr(_)
            | Self::SignOut
            | Self::CreatesKey(_)
            | Self::EndsKey
            | Self::Page
            | Self::LoginPage(_)
            | Self::PasswordCheck
            | Self::GithubSignIn
            | Self::AppPath
            | Self::AppHost
            | Self::Closed(_) => Judging::Person,
            Self::Machine(
                Machine::Agent
                | Machine::Provisioner
                | Machine::WorkspaceProxy
                | Machine::Scim
                | Machine::AiGatewayNode,
            ) => Judging::Format,
            Self::Own
            | Self::Public(_)
            | Self::SignIn
            | Self::AuthMethods
            | Self::PasswordSignIn
            | Self::FirstUser
            | Self::FirstUserQuery
            | Self::AppSandbox
            | Self::Machine(
                Machine::InstanceIdentity | Machine::OAuth2Client | Machine::InitScript | Machine::Binaries,
            ) => Judging::Nothing,
        }
    }

    /// The class's name in settings, logs and metrics.
    pub const fn name(self) -> ClassName {
        match self {
            Self::Own => ClassName::Own,
            Self::Public(_) | Self::FirstUserQuery => ClassName::Public,
            Self::SignIn => ClassName::SignIn,
            Self::AuthMethods => ClassName::AuthMethods,
            Self::PasswordSignIn | Self::PasswordCheck => ClassName::PasswordSignIn,
            Self::GithubSignIn => ClassName::GithubSignIn,
            Self::FirstUser => ClassName::FirstUser,
            Self::Machine(machine) => machine.name(),
            // A person there does a provisioner's work.
            Self::UserOr(Machine::Provisioner) => ClassName::Provisioner,
            Self::User | Self::UserOr(_) | Self::EndsKey => ClassName::User,
            Self::SignOut => ClassName::SignOut,
            Self::CreatesKey(_) => ClassName::KeyCreation,
            Self::Page => ClassName::Page,
            Self::LoginPage(_) => ClassName::LoginPage,
            Self::AppPath => ClassName::PathApp,
            Self::AppHost => ClassName::AppHost,
            Self::AppSandbox => ClassName::AppSandbox,
            Self::Closed(ClosedRoute::Swagger) => ClassName::Swagger,
            Self::Closed(ClosedRoute::Debug) => ClassName::Debug,
        }
    }
}

impl Machine {
    /// The class name of the routes of such a machine.
    pub const fn name(self) -> ClassName {
        match self {
            Self::Agent => ClassName::Agent,
            Self::InstanceIdentity => ClassName::InstanceIdentity,
            Self::Derp => ClassName::Derp,
            Self::Provisioner => ClassName::Provisioner,
            Self::WorkspaceProxy => ClassName::WorkspaceProxy,
            Self::Scim => ClassName::Scim,
            Self::AiGateway | Self::AiGatewayNode => ClassName::AiGateway,
            Self::OAuth2Client => ClassName::OAuth2Client,
            Self::Mcp => ClassName::Mcp,
            Self::InitScript => ClassName::InitScript,
            Self::Binaries => ClassName::Binaries,
        }
    }
}

macro_rules! class_names {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// A class by name, as in settings, the access log and metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ClassName {
            $(#[doc = $meaning] $variant,)*
        }

        impl ClassName {
            /// Every class.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in settings, logs and metrics.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for ClassName {
            type Err = UnknownClass;
            fn from_str(word: &str) -> Result<Self, UnknownClass> {
                match word { $($word => Ok(Self::$variant),)* _ => Err(UnknownClass) }
            }
        }
    };
}

class_names! {
    Own "own" "The gateway's own endpoints.",
    Public "public" "Reachable by anybody.",
    SignIn "sign-in" "The OpenID Connect callback.",
    AuthMethods "auth-methods" "The list of sign-in methods.",
    PasswordSignIn "password-sign-in" "Sign-in by password, and its one-time codes.",
    GithubSignIn "github-sign-in" "Sign-in by GitHub.",
    FirstUser "first-user" "Creation of the first user.",
    User "user" "Everything for people.",
    SignOut "sign-out" "Sign-out.",
    KeyCreation "key-creation" "Creation of keys and tokens.",
    Page "page" "The dashboard's documents.",
    LoginPage "login-page" "Coder's own sign-in pages.",
    PathApp "path-app" "Workspace apps below a path.",
    AppHost "app-host" "Workspace apps on their own host.",
    AppSandbox "app-sandbox" "The sandbox on a reserved app host.",
    Agent "agent" "Workspace agents.",
    InstanceIdentity "instance-identity" "Agents on cloud machines before they have a token.",
    Derp "derp" "The relay for tunnels.",
    Provisioner "provisioner" "Provisioner daemons.",
    WorkspaceProxy "workspace-proxy" "Workspace proxies.",
    Scim "scim" "Provisioning of users by SCIM.",
    AiGateway "ai-gateway" "The AI gateway.",
    OAuth2Client "oauth2-client" "OAuth 2.0 clients of Coder.",
    Mcp "mcp" "MCP clients.",
    InitScript "init-script" "Start scripts for external agents.",
    Binaries "binaries" "Coder's binaries.",
    Swagger "swagger" "Coder's API description.",
    Debug "debug" "Coder's debugging endpoints.",
}

/// A word that is not the name of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("names no class of routes")]
pub struct UnknownClass;
