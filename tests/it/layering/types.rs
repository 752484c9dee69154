//! A type is defined once, under a name that is clear elsewhere too, and its methods are in the same file.

use std::collections::BTreeMap;

use super::files::{Definition, inherent_impls, library};

#[test]
fn every_type_name_is_defined_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in library() {
        for definition in file.definitions.iter().filter(|definition| definition.is_type()) {
            places.entry(definition.name.clone()).or_default().push(file.name.clone());
        }
    }
    assert!(places.len() > 300, "types are not found");
    places.retain(|_, files| files.len() > 1);
    assert!(
        places.is_empty(),
        "Two types of one name cannot be told apart elsewhere. Qualify one: `RefusalCause`, not `Cause`.\n{places:#?}"
    );
}

#[test]
fn no_file_holds_only_methods_of_a_type_defined_elsewhere() {
    let mut found = BTreeMap::new();
    for file in library() {
        let foreign = inherent_impls(&file.code);
        if !foreign.is_empty() && !file.definitions.iter().any(Definition::is_type) {
            found.insert(file.name.clone(), foreign);
        }
    }
    assert!(
        found.is_empty(),
        "The methods of a type stand beside it. Give these a type of their own, or move them.\n{found:#?}"
    );
}
