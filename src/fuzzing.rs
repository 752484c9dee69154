//! The properties that the fuzzers of `fuzz/` check: one function each, which panics when bytes violate it. The tests
//! run each with its corpus.
//!
//! The top tier: each function is in the module that it examines.

pub use crate::coder::fuzzing::{credentials, routes};
pub use crate::coder::node_keys::fuzzing::node_keys;
pub use crate::config::fuzzing::configuration;
pub use crate::listen::fuzzing::proxy_protocol;
pub use crate::oidc::fuzzing::{provider_documents, provider_tokens};
pub use crate::proxy::fuzzing::upstream_response;
pub use crate::types::fuzzing::{local_redirect, sealed_values};
pub use crate::web::fuzzing::{cookies, sanitized_headers};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    type Property = fn(&[u8]);

    const TARGETS: [(&str, Property); 12] = [
        ("configuration", configuration),
        ("cookies", cookies),
        ("credentials", credentials),
        ("local_redirect", local_redirect),
        ("node_keys", node_keys),
        ("provider_documents", provider_documents),
        ("provider_tokens", provider_tokens),
        ("proxy_protocol", proxy_protocol),
        ("routes", routes),
        ("sanitized_headers", sanitized_headers),
        ("sealed_values", sealed_values),
        ("upstream_response", upstream_response),
    ];

    fn entries(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn names(folder: &str) -> BTreeSet<String> {
        entries(folder).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    /// A file that violates a property fails under its name.
    #[test]
    fn every_corpus_holds_its_property() {
        for (name, property) in TARGETS {
            let files = entries(&format!("corpus/{name}"));
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                println!("{}", file.display());
                property(&fs::read(&file).unwrap());
            }
        }
    }

    #[test]
    fn every_target_has_a_fuzzer_and_a_corpus_and_nothing_else_has() {
        let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names("fuzz_targets"), targets);
        assert_eq!(names("corpus"), targets);
    }
}
