//! A type is defined once, under a name that says elsewhere too what it is, and its methods stand beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::differences;
use super::files::{Definition, inherent_impls, library};

/// Names that more than one file gives to a type, and why that is right.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("ClientAuthentication", AS_WRITTEN),
    ("LogFormat", AS_WRITTEN),
    ("Pkce", AS_WRITTEN),
    ("RouteEffect", AS_WRITTEN),
    ("RouteRule", AS_WRITTEN),
    ("SignInMode", AS_WRITTEN),
    ("WithoutGrant", AS_WRITTEN),
];

/// A reason to share a name.
const AS_WRITTEN: &str =
    "the notion as the operator writes it, and as its module, which must not import `config`, works with it";

/// Names that more than one file gives to a type, and that are to become different ones. None may be added. One that
/// is gone fails the test until it is deleted here.
const KNOWN_DUPLICATES: &[&str] = &[
    "Authorization",
    "Entry",
    "Fault",
    "Flight",
    "Issuer",
    "Landing",
    "Presented",
    "SessionRow",
    "Store",
    "Tokens",
    "Unreachable",
];

/// Files that hold methods of types that other files define, and no type of their own. None may be added. One that is
/// gone fails the test until it is deleted here.
const KNOWN_FILES_OF_METHODS: &[&str] = &[
    "coder/refusal/advice.rs",
    "config/mod.rs",
    "config/reader/environment.rs",
    "gateway/endpoints.rs",
    "gateway/judge.rs",
    "gateway/notice.rs",
    "gateway/reach_provider.rs",
    "gateway/refuse.rs",
    "gateway/sessions.rs",
    "gateway/sign_in.rs",
    "gateway/sign_out.rs",
    "gateway/worker/answer.rs",
    "grant/background.rs",
    "grant/shared_slot.rs",
    "grant/store/embedded/grants.rs",
    "grant/store/embedded/people.rs",
    "grant/store/embedded/small.rs",
    "oidc/upkeep.rs",
];

#[test]
fn every_type_name_is_defined_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in library() {
        for definition in file.definitions.iter().filter(|definition| definition.is_type()) {
            places.entry(definition.name.clone()).or_default().push(file.name.clone());
        }
    }
    assert!(places.len() > 300, "types are not found");
    let found: BTreeMap<String, String> = places
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| (name, format!("    in {}\n", files.join(", "))))
        .collect();
    let shared: BTreeSet<&str> = SHARED_NAMES.iter().map(|(name, _)| *name).collect();
    let known = shared.into_iter().chain(KNOWN_DUPLICATES.iter().copied()).map(str::to_owned);
    let wrong = differences("SHARED_NAMES or KNOWN_DUPLICATES", &found, known);
    assert!(
        wrong.is_empty(),
        "Two types of one name cannot be told apart elsewhere. Qualify one: `RefusalCause`, not `Cause`.\n{wrong}"
    );
}

#[test]
fn every_shared_name_has_a_reason() {
    for (name, reason) in SHARED_NAMES {
        assert!(reason.len() > 20 && !KNOWN_DUPLICATES.contains(name), "{name}");
    }
}

#[test]
fn no_file_holds_only_methods_of_a_type_defined_elsewhere() {
    let mut found = BTreeMap::new();
    for file in library() {
        let foreign = inherent_impls(&file.code);
        if !foreign.is_empty() && !file.definitions.iter().any(Definition::is_type) {
            let foreign: Vec<_> = foreign.into_iter().collect();
            found.insert(file.name.clone(), format!("    has methods of {}\n", foreign.join(", ")));
        }
    }
    let known = KNOWN_FILES_OF_METHODS.iter().map(|name| (*name).to_owned());
    let wrong = differences("KNOWN_FILES_OF_METHODS", &found, known);
    assert!(
        wrong.is_empty(),
        "The methods of a type stand beside it. Give these a type of their own, or move them.\n{wrong}"
    );
}
