//! Settings that accept one of several words.

use super::fault::ValueFault;

/// Words and their values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<T: 'static> {
    pub(super) words: &'static [&'static str],
    values: &'static [T],
}

impl<T> Words<T> {
    /// The words and their values, equally many and in the same order.
    pub(super) const fn new<const N: usize>(
        words: &'static [&'static str; N],
        values: &'static [T; N],
    ) -> Self {
        Self { words, values }
    }
}

impl<T: Clone> Words<T> {
    /// The value of a word.
    pub(super) fn find(&self, text: &str) -> Result<T, ValueFault> {
        let mut pairs = self.words.iter().zip(self.values);
        pairs.find(|(word, _)| **word == text).map(|(_, value)| value.clone()).ok_or_else(|| {
            let known: Vec<String> = self.words.iter().map(|word| format!("`{word}`")).collect();
            let remedy = format!("Write one of {}", known.join(", "));
            ValueFault::new("is not one of the accepted values", remedy)
        })
    }
}
