//! What a route is, as far as the decision needs it.

use std::str::FromStr;

use thiserror::Error;

/// The class of a route. The route table gives every method and path exactly one; what no rule
/// names is [`RouteClass::User`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteClass {
    /// An endpoint of the gateway itself.
    Own,
    /// Reachable by anybody without a credential.
    Public(Public),
    /// Coder's OpenID Connect callback, which the gateway serves itself: it starts and ends a sign-in.
    SignIn,
    /// The list of sign-in methods, which the gateway answers itself.
    AuthMethods,
    /// Everything that takes or changes a password without a session.
    PasswordSignIn,
    /// Says whether a password would be good enough: part of the password sign-in, and of pages for people.
    PasswordCheck,
    /// Coder's own sign-in by GitHub.
    GithubSignIn,
    /// Makes the first user, who owns the deployment.
    FirstUser,
    /// For a machine; each kind with its own credential.
    Machine(Machine),
    /// For a person who is still welcome. The default.
    User,
    /// For a person, or for the machine with its credential.
    UserOr(Machine),
    /// Ends the presented session.
    SignOut,
    /// Makes a new credential for a person, so its answer is read.
    CreatesKey(CreatesKey),
    /// A document of the dashboard.
    Page,
    /// Coder's own sign-in page: public in sign-in mode `coder`, otherwise a [`Self::Page`].
    LoginPage,
    /// A workspace app below a path of the dashboard's host.
    AppPath,
    /// A workspace app on its own host.
    AppHost,
    /// The sandbox document on a reserved app host, public by design.
    AppSandbox,
    /// Closed unless opened by name.
    Closed(ClosedRoute),
}

/// What a public route is for.
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
    /// A document for the frame of an IDE; a credential that comes with it is judged.
    Embed,
    /// Whatever carries its own proof: signed downloads, webhooks.
    SelfProven,
}

/// The machines that speak to Coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// A workspace agent: a UUID as token.
    Agent,
    /// An agent on a cloud machine before it has its token; the proof is in the body.
    InstanceIdentity,
    /// The relay for tunnels: Coder asks for no credential.
    Derp,
    /// A provisioner daemon: its key, or the key that all of them share.
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

/// Which new credential an answer carries.
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

/// What has to be known of a request's credential before the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// Nothing: it is neither looked for nor forwarded.
    Nothing,
    /// Its format alone: Coder judges it.
    Format,
    /// Whether the person it belongs to may be served.
    Person,
}

impl RouteClass {
    /// What has to be known of a request's credential on such a route, before any rule of the operator.
    pub(super) const fn judging(self) -> Judging {
        match self {
            Self::Public(Public::Embed)
            | Self::Machine(Machine::Derp | Machine::AiGateway | Machine::Mcp)
            | Self::User
            | Self::UserOr(_)
            | Self::SignOut
            | Self::CreatesKey(_)
            | Self::Page
            | Self::LoginPage
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
            Self::Public(_) => ClassName::Public,
            Self::SignIn => ClassName::SignIn,
            Self::AuthMethods => ClassName::AuthMethods,
            Self::PasswordSignIn | Self::PasswordCheck => ClassName::PasswordSignIn,
            Self::GithubSignIn => ClassName::GithubSignIn,
            Self::FirstUser => ClassName::FirstUser,
            Self::Machine(machine) => machine.name(),
            // A person there does a provisioner's work.
            Self::UserOr(Machine::Provisioner) => ClassName::Provisioner,
            Self::User | Self::UserOr(_) => ClassName::User,
            Self::SignOut => ClassName::SignOut,
            Self::CreatesKey(_) => ClassName::KeyCreation,
            Self::Page => ClassName::Page,
            Self::LoginPage => ClassName::LoginPage,
            Self::AppPath => ClassName::PathApp,
            Self::AppHost => ClassName::AppHost,
            Self::AppSandbox => ClassName::AppSandbox,
            Self::Closed(ClosedRoute::Swagger) => ClassName::Swagger,
            Self::Closed(ClosedRoute::Debug) => ClassName::Debug,
        }
    }
}

impl Machine {
    /// The name of the class that such a machine's routes are.
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
        /// A class by name: what settings, the access log and metrics call it.
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
    LoginPage "login-page" "Coder's own sign-in page.",
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

/// A word that names no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("names no class of routes")]
pub struct UnknownClass;
