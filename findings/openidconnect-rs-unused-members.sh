#!/usr/bin/env bash
# openidconnect-rs refuses a whole discovery document because of an odd value in a member that no client needs.
#
# Library    openidconnect, version 4.1.0 (Rust)
# Behaviour  CoreProviderMetadata reads every member that it knows into a fixed type. An empty string in `op_tos_uri` or
#            `service_documentation`, or a string in `display_values_supported`, is an error for the whole document,
#            although a sign-in needs none of them. OpenID Connect Discovery 1.0 section 3 lets a provider add further
#            members; providers write an empty string when the operator leaves a field empty.
# Seen       minimal: read
#            op_tos_uri "": op_tos_uri: relative URL without a base at line 1 column N
#            service_documentation "": service_documentation: relative URL without a base at line 1 column N
#            display_values_supported "page": display_values_supported: invalid type: string "page", expected a sequence …
# Source     this script
# Effect     Vestibule reads only the members that it uses.
set -euo pipefail
command -v cargo >/dev/null || { echo "this needs Rust" >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src

cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
openidconnect = { version = "=4.1.0", default-features = false }
serde_json = "1"
serde_path_to_error = "0.1"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use openidconnect::core::CoreProviderMetadata;
use serde_json::{Value, json};

fn read(name: &str, value: Value) -> String {
    let mut document = json!({
        "issuer": "https://provider.example", "authorization_endpoint": "https://provider.example/authorize",
        "token_endpoint": "https://provider.example/token", "jwks_uri": "https://provider.example/keys",
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    if !name.is_empty() {
        document[name] = value;
    }
    let text = document.to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    match serde_path_to_error::deserialize::<_, CoreProviderMetadata>(&mut reader) {
        Ok(_) => "read".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn main() {
    println!("minimal: {}", read("", Value::Null));
    println!("an unknown member: {}", read("x_theme", json!({"colour": 7})));
    for (name, value) in [
        ("op_tos_uri", json!("")),
        ("service_documentation", json!("")),
        ("display_values_supported", json!("page")),
    ] {
        println!("{name} {value}: {}", read(name, value.clone()));
    }
}
RUST
timeout 1200 cargo run --quiet | tee seen
grep -qx 'minimal: read' seen
grep -qx 'an unknown member: read' seen
grep -q '^op_tos_uri "": .*relative URL without a base' seen
grep -q '^service_documentation "": .*relative URL without a base' seen
grep -q '^display_values_supported "page": .*invalid type' seen
