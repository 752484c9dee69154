//! The route table: every method and path of Coder gets exactly one class, with the reason.
//!
//! The table is data ([`rules`]). A path is matched in the form that Coder's router sees, decoded
//! once and with repeated slashes collapsed, without its query. A route without a rule is for people.

mod machines;
mod matching;
mod node_keys;
mod people;
mod public;
#[cfg(test)]
mod tests;

use http::Method;

use crate::policy::{ClassName, RouteClass};

use matching::Index;
pub use matching::{MethodSet, Rule, Upgrade};
pub use node_keys::NodeKeyTunnel;

/// The table's entry for a request.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its class.
    pub class: RouteClass,
    /// The rule that matched; `None` when no rule did.
    pub rule: Option<&'static Rule>,
}

impl Route {
    /// The class's name.
    pub const fn class_name(&self) -> ClassName {
        self.class.name()
    }
}

/// Every rule, for the test that walks them and for documents.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().copied().flatten()
}

/// The table in order: the first matching rule decides the class.
const TABLES: [&[Rule]; 3] = [public::RULES, machines::RULES, people::RULES];

/// The class of a request to the dashboard's host.
///
/// `path` is the form that Coder routes on. `upgrade` is the protocol that a client wants to switch to, if
/// any: a route that is public as a plain exchange is not public as a tunnel.
pub fn classify(method: &Method, path: &str, upgrade: Option<&str>) -> Route {
    static INDEX: std::sync::LazyLock<Index> = std::sync::LazyLock::new(|| Index::new(rules()));
    let rule = INDEX.find(method, path, upgrade.is_some());
    Route { class: rule.map_or_else(|| default_class(method, path), |rule| rule.class), rule }
}

/// The default: a document of the dashboard where a browser would look for one, otherwise a route for
/// people. Both ask for a person.
fn default_class(method: &Method, path: &str) -> RouteClass {
    let document = *method == Method::GET || *method == Method::HEAD;
    let program = ["/api", "/oauth2", "/scim", "/derp"]
        .iter()
        .any(|area| path.strip_prefix(area).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if document && !program { RouteClass::Page } else { RouteClass::User }
}

/// Whether a path, in the form that Coder routes on, belongs to a workspace app: `/@user/workspace/apps/app`
/// and everything below. Everything after the app's name belongs to the app, whatever bytes it has.
pub fn is_app_path(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    segments.next().and_then(matching::app_owner).is_some()
        && segments.next().is_some_and(|workspace| !workspace.is_empty())
        && segments.next() == Some("apps")
        && segments.next().is_some_and(|app| !app.is_empty())
}
