//! Settings from variables, and the variables that nothing reads.

use super::super::keys::{self, Key, Kind};
use super::super::leftover;
use super::super::names::{self, Unread};
use super::super::parse::Fault;
use super::super::problem::Place;
use super::super::source::{Environment, FILE_VARIABLE};
use super::super::tree::{self, Node, Value};
use super::{Found, Reader};

impl Reader {
    /// Takes every variable that is a key's. What the file says about the same key no longer counts.
    pub(in super::super) fn environment(&mut self, environment: &Environment) {
        for key in keys::all() {
            let Some(text) = environment.get(key.variable) else { continue };
            let place = Place::Variable(key.variable.to_owned());
            for form in forms(key.path) {
                let replaced = |found: &Found| matches!(found.place, Place::File(..));
                if self.found.get(form.as_str()).is_some_and(replaced) {
                    self.found.remove(form.as_str());
                }
            }
            match node_of(key, text) {
                Ok(node) => self.take(key, Found { node, place }),
                Err((what, remedy)) => self.problem(key.path, place, &what, &remedy),
            }
        }
        for (name, value) in environment.iter() {
            let known = name == FILE_VARIABLE || keys::all().any(|key| key.variable == name);
            if !known && let Some(unread) = names::unread(name, value) {
                self.unread_variable(name, unread);
            }
        }
    }

    /// Notes a variable that nothing reads: as a problem where people could otherwise sign in who should not.
    fn unread_variable(&mut self, name: &str, unread: Unread) {
        let meant = |key: &Key| format!("Did you mean {}? Otherwise remove it", key.variable);
        let look = || "Remove it, or look up the right name in docs/configuration.md".to_owned();
        let place = Place::Variable(name.to_owned());
        match unread {
            Unread::Own(key) => {
                let remedy = key.map_or_else(look, meant);
                self.problem("", place, "is not a variable of the gateway", &remedy);
            }
            Unread::Decides(key) => {
                let what = "is not a variable of Coder or the gateway, but looks like one that decides who may sign in";
                self.problem("", place, what, &meant(key));
            }
            Unread::Oidc(key) => {
                let what =
                    "is not a variable of Coder or the gateway that this version knows, and has no effect";
                self.warning(name, what, &key.map_or_else(look, meant));
            }
        }
    }
}

/// A variable's value: maps and rules are YAML, as Coder reads its own, and so JSON; everything else is text.
fn node_of(key: &Key, text: &str) -> Result<Node, Fault> {
    if !matches!(key.kind, Kind::Map | Kind::Rules) {
        return Ok(Node { line: 0, value: Value::Text(text.to_owned()) });
    }
    let node = tree::parse(text).map_err(|error| (error.what, "Write it as JSON".to_owned()))?;
    match (&node.value, leftover::of(text, true)) {
        (Value::Text(_), Some(fault)) => Err(fault),
        _ => Ok(node),
    }
}

/// The ways to give a setting that exclude each other: a secret as text or as a file.
fn forms(path: &str) -> [String; 2] {
    match path.strip_suffix("File").filter(|value| keys::find(value).is_some()) {
        Some(value) => [value.to_owned(), path.to_owned()],
        None => [path.to_owned(), format!("{path}File")],
    }
}
