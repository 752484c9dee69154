//! The result of one check.

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// A possible problem, or a setting that the check cannot examine.
    Hint,
    /// Users cannot sign in, or a feature does not work as configured.
    Wrong,
}

/// What one check found, with the likely cause and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How severe it is.
    pub level: Level,
    /// What the check found, as a sentence.
    pub what: String,
    /// The likely cause; empty for [`Level::Ok`].
    pub cause: String,
    /// What to do; empty for [`Level::Ok`].
    pub remedy: String,
}

impl Finding {
    pub(super) fn ok(what: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), cause: String::new(), remedy: String::new() }
    }

    pub(super) fn hint(what: impl Into<String>, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Hint, what: what.into(), cause: cause.into(), remedy: remedy.into() }
    }

    pub(super) fn wrong(
        what: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level: Level::Wrong, what: what.into(), cause: cause.into(), remedy: remedy.into() }
    }
}
