//! A fault of one value.

/// A fault of a value, with its remedy. Never the value itself, which might be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValueFault {
    /// What is wrong: the end of a sentence that begins with the key.
    pub(super) what: String,
    /// What to do: a sentence without its full stop.
    pub(super) remedy: String,
}

impl ValueFault {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// The fault of one entry of a list, counted from 1.
    pub(super) fn of_entry(self, number: usize) -> Self {
        Self { what: format!("{} (entry {number})", self.what), ..self }
    }
}
