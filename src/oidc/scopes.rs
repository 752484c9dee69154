//! The requested scopes, and their comparison with the granted ones.

use tracing::warn;

use crate::types::printable;

/// The scopes to request: `openid` first (OpenID Connect Core §3.1.2.1), each scope once.
pub(super) fn requested_scopes(configured: &[String]) -> Vec<&str> {
    let mut all = vec!["openid"];
    for scope in configured.iter().map(String::as_str).filter(|scope| !scope.is_empty()) {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    all
}

/// Warns when the granted scopes differ from the requested ones (CVE-2024-38371). authentik drops a scope that has no
/// mapping there. Additional scopes are unusual and have no effect here.
pub(super) fn report_scopes(configured: &[String], granted: Option<&str>) {
    let (missing, unasked) = compare_scopes(&requested_scopes(configured), granted);
    if !missing.is_empty() {
        let missing = printable(&missing.join(" "), 200);
        warn!(%missing, "the provider grants less than oidc.scopes: give it the scope mappings in authentik");
    }
    if !unasked.is_empty() {
        let unasked = printable(&unasked.join(" "), 200);
        warn!(%unasked, "the provider grants scopes that were not asked for");
    }
}

/// The scopes requested but not granted, and those granted but not requested. A response without a scope grants the
/// requested ones (RFC 6749 §5.1).
pub(super) fn compare_scopes<'a>(
    asked: &[&'a str],
    granted: Option<&'a str>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let Some(granted) = granted else { return (Vec::new(), Vec::new()) };
    let granted: Vec<&str> = granted.split_ascii_whitespace().collect();
    let missing = asked.iter().copied().filter(|scope| !granted.contains(scope)).collect();
    let unasked = granted.iter().copied().filter(|scope| !asked.contains(scope)).collect();
    (missing, unasked)
}
