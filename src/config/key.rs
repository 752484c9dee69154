//! A setting as one item: its names, its default, its meaning, and how its text becomes a value.
//!
//! Each section declares its settings with [`keys!`], next to the code that reads them. Nothing else can be read:
//! the reader takes these items, not paths.

use std::path::PathBuf;

use crate::types::Secret;

use super::fault::ValueFault;
use super::parse;

/// What the table of keys says of a setting, whatever the type of its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyEntry {
    /// Where it stands in the file: `oidc.clientID`.
    pub(super) path: &'static str,
    /// The variable that wins over the file: `CODER_OIDC_CLIENT_ID`.
    pub(super) variable: &'static str,
    /// What it holds.
    pub(super) kind: ValueKind,
    /// What holds when it is not given.
    pub(super) absent: WhenAbsent,
    /// Who acts on it.
    pub(super) role: KeyRole,
    /// Whether it decides who may sign in.
    pub(super) guard: SignInGuard,
    /// The secret that it names the file of. The two exclude each other.
    pub(super) file_of: Option<&'static Self>,
    /// What it means, in one paragraph of Markdown.
    pub(super) doc: &'static str,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
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
pub(super) enum WhenAbsent {
    /// This value, in the syntax of a variable.
    Default(&'static str),
    /// Nothing: it is optional.
    Nothing,
    /// The gateway does not start without it.
    Required,
}

/// Who acts on a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRole {
    /// The gateway alone.
    Gateway,
    /// The gateway, and Coder through `vestibule coder-env`.
    Both,
    /// Coder alone: handed on by `vestibule coder-env` when it has the syntax that Coder accepts.
    Coder(CoderSyntax),
    /// Nobody, for this reason: a warning when it is switched on.
    Ignored(&'static str),
    /// Nobody: it has no place behind the gateway, for this reason, and only its default is accepted.
    Refused(&'static str),
}

/// The syntax of a setting that only Coder acts on (`codersdk/deployment.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoderSyntax {
    /// `true` or `false`.
    Switch,
    /// Any text.
    Text,
    /// A regular expression of Go's package `regexp`.
    Regex,
    /// A list of names.
    List,
    /// A map of names to names.
    NameMap,
    /// A map of names to lists of names.
    ListMap,
    /// A map of names to lists of UUIDs.
    IdMap,
}

/// Whether a setting decides who may sign in. Where such a setting is meant and not read, the wrong people may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignInGuard {
    /// It does not.
    Unrelated,
    /// It does.
    Decides,
    /// It is the list of allowed domains: without it, every domain is allowed.
    AllowedDomains,
    /// It is the list of allowed groups: without it, no group is needed.
    AllowedGroups,
}

/// A setting of one value.
#[derive(Debug)]
pub(super) struct Key<T: 'static> {
    entry: KeyEntry,
    parser: ValueParser<T>,
}

/// How the text of a setting becomes its value.
#[derive(Debug)]
enum ValueParser<T: 'static> {
    Text(fn(&str) -> Result<T, ValueFault>),
    Word(Words<T>),
}

/// A setting that is a list. Without a default it is empty.
#[derive(Debug)]
pub(super) struct ListKey<T> {
    entry: KeyEntry,
    parse: fn(&str) -> Result<T, ValueFault>,
}

/// A setting that names the file of a secret, in place of the secret itself.
#[derive(Debug)]
pub(super) struct SecretFileKey {
    file: Key<PathBuf>,
    secret: &'static Key<Secret>,
}

/// Words, and the value that each of them stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<T: 'static> {
    words: &'static [&'static str],
    values: &'static [T],
}

/// Declares the settings of a section in the order of the file: an item for each, and the list of all of them.
macro_rules! keys {
    ($table:ident; $($(#[$meta:meta])* $name:ident: $type:ty = $key:expr;)+) => {
        $($(#[$meta])* pub(crate) static $name: $type = $key;)+
        pub(crate) static $table: &[&$crate::config::key::KeyEntry] = &[$($name.entry()),+];
    };
}
pub(super) use keys;

impl KeyEntry {
    /// A setting of the gateway that is read as it stands, without a parser for its text.
    pub(super) const fn new(
        path: &'static str,
        variable: &'static str,
        kind: ValueKind,
        absent: WhenAbsent,
        doc: &'static str,
    ) -> Self {
        let (role, guard) = (KeyRole::Gateway, SignInGuard::Unrelated);
        Self { path, variable, kind, absent, role, guard, file_of: None, doc }
    }

    /// A setting that only Coder acts on.
    pub(super) const fn for_coder(
        path: &'static str,
        variable: &'static str,
        syntax: CoderSyntax,
        absent: WhenAbsent,
        doc: &'static str,
    ) -> Self {
        let kind = match syntax {
            CoderSyntax::Switch => ValueKind::Bool,
            CoderSyntax::Text | CoderSyntax::Regex => ValueKind::Text,
            CoderSyntax::List => ValueKind::List,
            CoderSyntax::NameMap | CoderSyntax::ListMap | CoderSyntax::IdMap => ValueKind::Map,
        };
        Self { role: KeyRole::Coder(syntax), ..Self::new(path, variable, kind, absent, doc) }
    }

    /// The same, with another role.
    pub(super) const fn with_role(mut self, role: KeyRole) -> Self {
        self.role = role;
        self
    }

    /// Itself: what [`keys!`] asks of every type of key.
    pub(super) const fn entry(&'static self) -> &'static Self {
        self
    }

    /// The default in the syntax of a variable, if there is one.
    pub(super) const fn default(&self) -> Option<&'static str> {
        match self.absent {
            WhenAbsent::Default(text) => Some(text),
            WhenAbsent::Nothing | WhenAbsent::Required => None,
        }
    }
}

impl<T> Key<T> {
    pub(super) const fn new(
        path: &'static str,
        variable: &'static str,
        kind: ValueKind,
        absent: WhenAbsent,
        parse: fn(&str) -> Result<T, ValueFault>,
        doc: &'static str,
    ) -> Self {
        let entry = KeyEntry::new(path, variable, kind, absent, doc);
        Self { entry, parser: ValueParser::Text(parse) }
    }

    /// A setting that holds one of some words.
    pub(super) const fn word(
        path: &'static str,
        variable: &'static str,
        words: Words<T>,
        absent: WhenAbsent,
        doc: &'static str,
    ) -> Self {
        let entry = KeyEntry::new(path, variable, ValueKind::Word(words.words), absent, doc);
        Self { entry, parser: ValueParser::Word(words) }
    }

    /// Coder gets the same value.
    pub(super) const fn and_coder(mut self) -> Self {
        self.entry.role = KeyRole::Both;
        self
    }

    /// It decides who may sign in.
    pub(super) const fn guards_sign_in(mut self) -> Self {
        self.entry.guard = SignInGuard::Decides;
        self
    }

    pub(super) const fn entry(&'static self) -> &'static KeyEntry {
        &self.entry
    }
}

impl<T: Clone> Key<T> {
    /// The value that a text stands for.
    pub(super) fn parse(&self, text: &str) -> Result<T, ValueFault> {
        match &self.parser {
            ValueParser::Text(parse) => parse(text),
            ValueParser::Word(words) => words.find(text),
        }
    }
}

impl Key<bool> {
    /// `true` or `false`.
    pub(super) const fn switch(
        path: &'static str,
        variable: &'static str,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(path, variable, ValueKind::Bool, WhenAbsent::Default(default), parse::boolean, doc)
    }
}

impl<T> ListKey<T> {
    pub(super) const fn new(
        path: &'static str,
        variable: &'static str,
        kind: ValueKind,
        default: &'static str,
        parse: fn(&str) -> Result<T, ValueFault>,
        doc: &'static str,
    ) -> Self {
        Self { entry: KeyEntry::new(path, variable, kind, WhenAbsent::Default(default), doc), parse }
    }

    /// Coder gets the same value.
    pub(super) const fn and_coder(mut self) -> Self {
        self.entry.role = KeyRole::Both;
        self
    }

    /// It decides in this way who may sign in.
    pub(super) const fn guards_sign_in(mut self, guard: SignInGuard) -> Self {
        self.entry.guard = guard;
        self
    }

    pub(super) const fn entry(&'static self) -> &'static KeyEntry {
        &self.entry
    }

    /// The value that the text of one entry stands for.
    pub(super) fn parse(&self, text: &str) -> Result<T, ValueFault> {
        (self.parse)(text)
    }
}

impl SecretFileKey {
    pub(super) const fn new(
        path: &'static str,
        variable: &'static str,
        secret: &'static Key<Secret>,
        doc: &'static str,
    ) -> Self {
        let mut file = Key::new(path, variable, ValueKind::Path, WhenAbsent::Nothing, parse::path, doc);
        file.entry.file_of = Some(&secret.entry);
        file.entry.guard = secret.entry.guard;
        Self { file, secret }
    }

    /// The setting for the file.
    pub(super) const fn file(&'static self) -> &'static Key<PathBuf> {
        &self.file
    }

    /// The setting for the secret itself.
    pub(super) const fn secret(&'static self) -> &'static Key<Secret> {
        self.secret
    }

    pub(super) const fn entry(&'static self) -> &'static KeyEntry {
        &self.file.entry
    }
}

impl<T> Words<T> {
    /// As many words as values.
    pub(super) const fn new<const N: usize>(
        words: &'static [&'static str; N],
        values: &'static [T; N],
    ) -> Self {
        Self { words, values }
    }
}

impl<T: Clone> Words<T> {
    /// The value that a word stands for.
    pub(super) fn find(&self, text: &str) -> Result<T, ValueFault> {
        let mut pairs = self.words.iter().zip(self.values);
        pairs.find(|(word, _)| **word == text).map(|(_, value)| value.clone()).ok_or_else(|| {
            let known: Vec<String> = self.words.iter().map(|word| format!("`{word}`")).collect();
            let remedy = format!("Write one of {}", known.join(", "));
            ValueFault::new("is not one of the accepted values", remedy)
        })
    }
}

impl ValueKind {
    /// What to write for it.
    #[cfg(test)]
    pub(super) fn syntax(self) -> String {
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
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Rules => "list of rules".to_owned(),
        }
    }
}
