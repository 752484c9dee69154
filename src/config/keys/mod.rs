//! The one table of keys: names in the file and in the environment, defaults, and what each means.
//!
//! The readers take names and defaults from here, `docs/configuration.md` and `config/vestibule.yaml` are
//! compared with it by tests, and errors and `vestibule coder-env` name keys through it.

mod own;
mod provider;

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands in the file: `oidc.clientID`.
    pub path: &'static str,
    /// The variable that wins over the file: `CODER_OIDC_CLIENT_ID`.
    pub variable: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What holds when it is not given.
    pub absent: Absent,
    /// Who acts on it.
    pub role: Role,
    /// What it means, in one paragraph of Markdown.
    pub doc: &'static str,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A path, relative to the working folder.
    Path,
    /// An absolute URL.
    Url,
    /// Address and port.
    Address,
    /// `true` or `false`.
    Bool,
    /// A number with a unit, as in Go: `90s`, `1h30m`.
    Duration,
    /// A whole number from 1 up.
    Count,
    /// A list of texts; in a variable separated by commas.
    List,
    /// A list of networks (CIDR) or single addresses.
    Networks,
    /// A map; in a variable as JSON.
    Map,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Entries of `policy.routes`; in a variable as JSON.
    Rules,
}

/// What holds when a setting is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// This value, in the syntax of a variable.
    Default(&'static str),
    /// Nothing: it is optional.
    Nothing,
    /// Nothing works without it.
    Refused,
}

/// Who acts on a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The gateway alone.
    Own,
    /// The gateway, and Coder through `vestibule coder-env`.
    Both,
    /// Coder alone: handed on by `vestibule coder-env`.
    Coder,
    /// Nobody, for this reason: said as a warning when it is switched on.
    Ignored(&'static str),
    /// Nobody: it has no place behind the gateway, for this reason, and only its default is taken.
    Refused(&'static str),
}

/// Every key there is, in the order of the file.
pub fn all() -> impl Iterator<Item = &'static Key> {
    own::BEFORE.iter().chain(provider::OIDC).chain(own::AFTER)
}

/// The key at a path of the file.
pub fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

impl Key {
    /// The default in the syntax of a variable, if there is one.
    pub const fn default(&self) -> Option<&'static str> {
        match self.absent {
            Absent::Default(text) => Some(text),
            Absent::Nothing | Absent::Refused => None,
        }
    }
}

impl Kind {
    /// What to write for it.
    pub fn syntax(self) -> String {
        match self {
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Url => "URL".to_owned(),
            Self::Address => "address:port".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Count => "whole number".to_owned(),
            Self::List => "list".to_owned(),
            Self::Networks => "list of networks".to_owned(),
            Self::Map => "map".to_owned(),
            Self::Word(words) => words.join(", "),
            Self::Rules => "list of rules".to_owned(),
        }
    }
}

const fn own(
    path: &'static str,
    variable: &'static str,
    kind: Kind,
    absent: Absent,
    doc: &'static str,
) -> Key {
    Key { path, variable, kind, absent, role: Role::Own, doc }
}

const fn both(
    path: &'static str,
    variable: &'static str,
    kind: Kind,
    absent: Absent,
    doc: &'static str,
) -> Key {
    Key { path, variable, kind, absent, role: Role::Both, doc }
}

const fn coders(
    path: &'static str,
    variable: &'static str,
    kind: Kind,
    absent: Absent,
    doc: &'static str,
) -> Key {
    Key { path, variable, kind, absent, role: Role::Coder, doc }
}
