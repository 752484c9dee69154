//! What a look at something finds.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// It may be as it should be; or it cannot be known from here.
    Hint,
    /// People cannot sign in, or not as it is meant.
    Wrong,
}

/// What was looked at, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was found: a sentence.
    pub what: String,
    /// The likely cause; empty when all is well.
    pub cause: String,
    /// What to do; empty when all is well.
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
