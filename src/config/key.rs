//! A setting as one item: its names, its default, its meaning, and the parser of its text.
//!
//! Each section declares its settings with [`keys!`], next to the code that reads them. Nothing else can be read:
//! the reader accepts these items, not paths.

use std::path::PathBuf;

use crate::types::Secret;

use super::entry::{KeyEntry, KeyRole, SignInGuard, ValueKind, WhenAbsent};
use super::fault::ValueFault;
use super::parse;
use super::words::Words;

/// A setting of one value.
#[derive(Debug)]
pub(super) struct Key<T: 'static> {
    entry: KeyEntry,
    parser: ValueParser<T>,
}

/// The parser of a setting's text.
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

/// Declares the settings of a section in the order of the file: an item for each, and the list of all of them.
macro_rules! keys {
    ($table:ident; $($(#[$meta:meta])* $name:ident: $type:ty = $key:expr;)+) => {
        $($(#[$meta])* pub(crate) static $name: $type = $key;)+
        pub(crate) static $table: &[&$crate::config::entry::KeyEntry] = &[$($name.entry()),+];
    };
}
pub(super) use keys;

impl<T> Key<T> {
    /// A setting of the gateway; `parse` turns its text into the value.
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

    /// Marks it as deciding who may sign in.
    pub(super) const fn guards_sign_in(mut self) -> Self {
        self.entry.guard = SignInGuard::Decides;
        self
    }

    /// Its description, independent of the type of its value.
    pub(super) const fn entry(&'static self) -> &'static KeyEntry {
        &self.entry
    }
}

impl<T: Clone> Key<T> {
    /// Parses a text into the value.
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
    /// A setting of the gateway; `parse` turns each entry into a value.
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

    /// Marks it as deciding in this way who may sign in.
    pub(super) const fn guards_sign_in(mut self, guard: SignInGuard) -> Self {
        self.entry.guard = guard;
        self
    }

    /// Its description, independent of the type of its value.
    pub(super) const fn entry(&'static self) -> &'static KeyEntry {
        &self.entry
    }

    /// Parses the text of one entry into a value.
    pub(super) fn parse(&self, text: &str) -> Result<T, ValueFault> {
        (self.parse)(text)
    }
}

impl SecretFileKey {
    /// The setting for the file of `secret`. It affects who may sign in as much as the secret itself.
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

    /// Its description, independent of the type of its value.
    pub(super) const fn entry(&'static self) -> &'static KeyEntry {
        &self.file.entry
    }
}
