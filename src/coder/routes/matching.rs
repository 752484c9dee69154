//! How rules are written and looked up.

use std::collections::HashMap;

use http::Method;

use crate::policy::{Machine, RouteClass};

/// Declares a table, one rule a line: methods, pattern, class, the Coder version, the reason.
macro_rules! rules {
    ($($methods:ident $pattern:literal $class:expr, $read_from:literal, $reason:literal;)*) => {
        /// The rules, in order.
        pub(super) const RULES: &[Rule] = &[$(Rule {
            methods: MethodSet::$methods,
            pattern: $pattern,
            class: $class,
            read_from: $read_from,
            reason: $reason,
        },)*];
    };
}
pub(super) use rules;

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodSet(u16);

impl MethodSet {
    /// `GET`
    pub const GET: Self = Self(1);
    /// `HEAD`
    pub const HEAD: Self = Self(1 << 1);
    /// `POST`
    pub const POST: Self = Self(1 << 2);
    /// `PUT`
    pub const PUT: Self = Self(1 << 3);
    /// `PATCH`
    pub const PATCH: Self = Self(1 << 4);
    /// `DELETE`
    pub const DELETE: Self = Self(1 << 5);
    /// `OPTIONS`
    pub const OPTIONS: Self = Self(1 << 6);
    /// `GET` and `HEAD`: the methods of a static file.
    pub const FILE: Self = Self(Self::GET.0 | Self::HEAD.0);
    /// `GET`, `PUT` and `DELETE`: an OAuth 2.0 client's own registration (RFC 7592).
    pub const REGISTRATION: Self = Self(Self::GET.0 | Self::PUT.0 | Self::DELETE.0);
    /// `GET` and `POST`.
    pub const FORM: Self = Self(Self::GET.0 | Self::POST.0);
    /// Every method, including those without a name here.
    pub const ANY: Self = Self(u16::MAX);

    /// Whether a method is in the set.
    pub fn contains(self, method: &Method) -> bool {
        let bit = match *method {
            Method::GET => Self::GET,
            Method::HEAD => Self::HEAD,
            Method::POST => Self::POST,
            Method::PUT => Self::PUT,
            Method::PATCH => Self::PATCH,
            Method::DELETE => Self::DELETE,
            Method::OPTIONS => Self::OPTIONS,
            _ => Self(1 << 15),
        };
        self.0 & bit.0 != 0
    }
}

/// Whether a rule covers an upgrade request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// It does: the route is a tunnel, or may be one.
    Covered,
    /// It does not: such a request falls through to a later rule.
    NotCovered,
}

/// One rule of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The methods.
    pub methods: MethodSet,
    /// The path: segments, `{name}` for any one non-empty segment, `*` at the end for the rest.
    pub pattern: &'static str,
    /// The class.
    pub class: RouteClass,
    /// The version of Coder whose router was read: the month of a snapshot, or a release.
    pub read_from: &'static str,
    /// Why it has this class.
    pub reason: &'static str,
}

impl Rule {
    /// Whether the rule covers an upgrade request. A route that is open without a
    /// judged credential does not, unless it is meant for a tunnel.
    pub const fn upgrade(&self) -> Upgrade {
        match self.class {
            RouteClass::Public(_)
            | RouteClass::SignIn
            | RouteClass::AuthMethods
            | RouteClass::PasswordSignIn
            | RouteClass::PasswordCheck
            | RouteClass::GithubSignIn
            | RouteClass::FirstUser
            | RouteClass::FirstUserQuery
            | RouteClass::LoginPage(_)
            | RouteClass::Machine(
                Machine::InstanceIdentity | Machine::OAuth2Client | Machine::InitScript | Machine::Binaries,
            ) => Upgrade::NotCovered,
            _ => Upgrade::Covered,
        }
    }

    /// Whether the rule also covers its path with a trailing slash, as Coder's router often does. A public
    /// route must match exactly.
    const fn tolerates_slash(&self) -> bool {
        !matches!(
            self.class,
            RouteClass::Public(_)
                | RouteClass::FirstUserQuery
                | RouteClass::Machine(Machine::InstanceIdentity | Machine::InitScript)
        )
    }

    /// Whether a path matches the rule. Allocates nothing.
    pub fn matches(&self, path: &str) -> bool {
        let mut wanted = self.pattern.split('/');
        let mut given = path.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) | (Some("*"), Some(_)) => return true,
                (None, Some("")) => return self.tolerates_slash() && given.next().is_none(),
                (Some(segment), Some(text)) if covers_segment(segment, text) => {}
                _ => return false,
            }
        }
    }
}

/// Whether one segment of a pattern matches one of a path.
fn covers_segment(wanted: &str, given: &str) -> bool {
    match wanted.as_bytes().first() {
        Some(b'{') => !given.is_empty(),
        Some(b'@') => app_owner(given).is_some(),
        _ => wanted == given,
    }
}

/// The user's name in the first segment of a path app. Coder also accepts the `@` as `%40`, which is what a
/// doubly encoded one decodes to.
pub(super) fn app_owner(segment: &str) -> Option<&str> {
    let user = segment.strip_prefix('@').or_else(|| segment.strip_prefix("%40"))?;
    (!user.is_empty()).then_some(user)
}

/// The rules by area: the third segment below `/api/v2` and `/api/experimental`, else the first segment.
/// Within an area the order of the table is kept.
#[derive(Debug)]
pub(super) struct Index {
    areas: HashMap<&'static str, Vec<IndexedRule>>,
}

/// A rule, and the prefix of all of its paths: the prefix alone excludes nearly all rules.
#[derive(Debug)]
struct IndexedRule {
    begins: &'static str,
    rule: &'static Rule,
}

/// The area of rules whose own segment is a parameter.
const ANYWHERE: &str = "*";

impl Index {
    pub(super) fn new(rules: impl Iterator<Item = &'static Rule>) -> Self {
        let mut areas: HashMap<&'static str, Vec<IndexedRule>> = HashMap::new();
        for rule in rules {
            let area = area(rule.pattern);
            let area = if area.starts_with(['@', '%']) { ANYWHERE } else { area };
            let begins = rule.pattern.split(['{', '*', '@']).next().unwrap_or_default();
            areas.entry(area).or_default().push(IndexedRule { begins, rule });
        }
        Self { areas }
    }

    /// The first rule that covers a request.
    pub(super) fn find(&self, method: &Method, path: &str, upgrade: bool) -> Option<&'static Rule> {
        let area = area(path);
        let area = if area.starts_with(['@', '%']) { ANYWHERE } else { area };
        let covers = |rule: &Rule| {
            rule.methods.contains(method)
                && (!upgrade || rule.upgrade() == Upgrade::Covered)
                && rule.matches(path)
        };
        let mut entries = self.areas.get(area)?.iter().filter(|entry| path.starts_with(entry.begins));
        entries.find(|entry| covers(entry.rule)).map(|entry| entry.rule)
    }
}

/// The most specific segment of a path.
fn area(path: &str) -> &str {
    let mut segments = path.split('/').skip(1);
    match segments.next() {
        Some("api") => segments.nth(1).unwrap_or_default(),
        Some(first) => first,
        None => "",
    }
}
