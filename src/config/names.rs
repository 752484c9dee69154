//! Names that nothing reads: which setting was probably meant, and whether the mistake can be ignored.

use super::entry::{KeyEntry, SignInGuard};
use super::table::KeyTable;

/// The prefix of the gateway's own variables.
const OWN_PREFIX: &str = "VESTIBULE_";

/// The prefix of Coder's variables. All but those of its section `oidc` are ignored.
const CODER_PREFIX: &str = "CODER_";

/// The prefix of the variables of Coder's section `oidc`.
const OIDC_PREFIXES: [&str; 2] = ["CODER_OIDC_", "CODER_DANGEROUS_OIDC_"];

/// The largest edit distance at which a name counts as a misspelling.
const MAX_EDITS: usize = 2;

/// The longest name that is compared, in bytes. All real ones are shorter.
const MAX_COMPARED_NAME: usize = 64;

/// A variable that nothing reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnreadVariable {
    /// One of the gateway's own that does not exist; this setting may have been meant.
    Own(Option<&'static KeyEntry>),
    /// Nearly the variable of a setting that decides who may sign in.
    Decides(&'static KeyEntry),
    /// One of Coder's section `oidc` that neither Coder nor the gateway knows; this setting may have been meant.
    Oidc(Option<&'static KeyEntry>),
}

/// Judges a variable that belongs to no setting. `None` when it does not concern the gateway: Coder's other settings,
/// what Kubernetes sets, the rest of the environment.
pub(super) fn unread(name: &str, value: &str, table: KeyTable) -> Option<UnreadVariable> {
    if !name.starts_with(OWN_PREFIX) && !name.starts_with(CODER_PREFIX) || is_service_variable(name, value) {
        return None;
    }
    if name.starts_with(OWN_PREFIX) {
        return Some(UnreadVariable::Own(meant(name, table)));
    }
    let oidc = OIDC_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let near = |key: &KeyEntry| distance(name, key.variable) <= MAX_EDITS;
    let words = words(name);
    let decides = table
        .all()
        .filter(|key| key.guard != SignInGuard::Unrelated)
        .find(|key| near(key) || oidc && has_words(key, &words))
        .or_else(|| fails_open(&words, table).filter(|_| oidc));
    match decides {
        Some(key) => Some(UnreadVariable::Decides(key)),
        None => oidc.then(|| UnreadVariable::Oidc(meant(name, table))),
    }
}

/// The setting that a name in the file or in the environment probably means.
pub(super) fn meant(name: &str, table: KeyTable) -> Option<&'static KeyEntry> {
    let words = words(name);
    let by_words = || table.all().find(|key| has_words(key, &words));
    let by_edits = || {
        let edits = |key: &KeyEntry| distance(name, key.path).min(distance(name, key.variable));
        table
            .all()
            .map(|key| (edits(key), key))
            .min_by_key(|(edits, _)| *edits)
            .filter(|(edits, _)| *edits <= MAX_EDITS)
            .map(|(_, key)| key)
    };
    // The right name in another section.
    let by_last = || {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let mut same = table.all().filter(|key| last(key.path) == last(name));
        same.next().filter(|_| same.next().is_none())
    };
    by_words().or_else(by_edits).or_else(by_last)
}

/// The list of domains or of groups, when the words are about one of them: without that list everyone may sign in.
fn fails_open(words: &[String], table: KeyTable) -> Option<&'static KeyEntry> {
    let has = |start: &str| words.iter().any(|word| word.starts_with(start));
    let allows = has("allow") || has("requir") || has("permit") || words == ["group", "oidc"];
    let guard = if has("domain") {
        SignInGuard::AllowedDomains
    } else if has("group") && allows {
        SignInGuard::AllowedGroups
    } else {
        return None;
    };
    table.all().find(|key| key.guard == guard)
}

/// Whether a key has these words, in the file or in the environment, in any order.
fn has_words(key: &KeyEntry, those: &[String]) -> bool {
    words(key.path) == those || words(key.variable) == those
}

/// The words of a name in alphabetical order and in lower case, without the endings `s` and `ed`, and without `coder`
/// and `vestibule`: `CODER_OIDC_GROUPS_ALLOWED` and `oidc.groupAllowed` have the same words.
fn words(name: &str) -> Vec<String> {
    if name.len() > MAX_COMPARED_NAME {
        return Vec::new();
    }
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if matches!(c, '_' | '.' | '-') || c.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !matches!(word.as_str(), "" | "coder" | "vestibule"));
    for word in &mut words {
        for ending in ["s", "ed"] {
            if word.len() > ending.len() + 2 && word.ends_with(ending) {
                word.truncate(word.len() - ending.len());
            }
        }
    }
    words.sort_unstable();
    words
}

/// Whether Kubernetes sets a variable of this name in every container of a namespace with a Service called `vestibule`
/// or `vestibule-…`: `VESTIBULE_SERVICE_HOST`, `VESTIBULE_PORT_3000_TCP_ADDR`.
fn is_service_variable(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") {
        return true;
    }
    if name.ends_with("_PORT") && value.contains("://") {
        return true;
    }
    let mut parts = name.rsplit('_').skip_while(|part| matches!(*part, "ADDR" | "PORT" | "PROTO"));
    let protocol = parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"));
    let number =
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    protocol && number && parts.next() == Some("PORT")
}

/// The edit distance of two names, ignoring case. A name longer than [`MAX_COMPARED_NAME`] is close to no other.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > MAX_COMPARED_NAME || b.len() > MAX_COMPARED_NAME {
        return usize::MAX;
    }
    strsim::levenshtein(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
