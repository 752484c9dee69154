//! The description of a setting, independent of the type of its value.

/// A setting: its names, its default, its meaning. The documentation is generated from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyEntry {
    /// Its path in the file: `oidc.clientID`.
    pub(super) path: &'static str,
    /// The variable, which overrides the file: `CODER_OIDC_CLIENT_ID`.
    pub(super) variable: &'static str,
    /// The type of its value.
    pub(super) kind: ValueKind,
    /// Its default.
    pub(super) absent: WhenAbsent,
    /// Who uses it.
    pub(super) role: KeyRole,
    /// Whether it decides who may sign in.
    pub(super) guard: SignInGuard,
    /// The secret whose file it names. The two exclude each other.
    pub(super) file_of: Option<&'static Self>,
    /// What it means, in one paragraph of Markdown.
    pub(super) doc: &'static str,
}

/// The type of a setting's value.
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
    /// An integer from 1 up.
    Count,
    /// A list of texts; in a variable separated by commas.
    List,
    /// A list of networks (CIDR) or single addresses.
    Networks,
    /// A map; in a variable, as JSON.
    Map,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Rules of `policy.routes`; in a variable, as JSON.
    Rules,
}

/// The default of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenAbsent {
    /// This value, in the syntax of a variable.
    Default(&'static str),
    /// None: the setting is optional.
    Nothing,
    /// None: the gateway does not start without the setting.
    Required,
}

/// Who uses a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRole {
    /// The gateway alone.
    Gateway,
    /// The gateway, and Coder through `vestibule coder-env`.
    Both,
    /// Coder alone: passed on by `vestibule coder-env` if it has the syntax that Coder accepts.
    Coder(CoderSyntax),
    /// Nobody, for this reason: enabling it causes a warning.
    Ignored(&'static str),
    /// Nobody, for this reason: it cannot work behind the gateway, and only its default is accepted.
    Refused(&'static str),
}

/// The syntax of a setting that only Coder uses (`codersdk/deployment.go`).
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

/// Whether a setting decides who may sign in. If such a setting is misspelled, the wrong people may.
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

impl KeyEntry {
    /// A setting of the gateway whose text is read without a parser.
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

    /// A setting that only Coder uses.
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

    /// Itself: `keys!` calls this on every type of key.
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
