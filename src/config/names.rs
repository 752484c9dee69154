//! Names that are not known: whose they are, or which one was meant.

/// What to do about a name that is not one of the candidates.
pub(super) fn remedy<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, candidates) {
        Some(near) => format!("Did you mean {near}? Otherwise take it out"),
        None => "Take it out, or look for its name in docs/configuration.md".to_owned(),
    }
}

/// Whether Kubernetes sets a variable of this name in every container beside a Service called `vestibule`
/// or `vestibule-…`: `VESTIBULE_SERVICE_HOST`, `VESTIBULE_PORT_3000_TCP_ADDR`.
pub(super) fn is_service_variable(name: &str, value: &str) -> bool {
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

/// The candidate that differs least from a name, when it differs little.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, candidate)| candidate)
}

/// The edit distance of two names; names of more than 64 bytes are far from everything.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let here = (*cell + 1).min(left + 1).min(diagonal + usize::from(x != y));
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_kubernetes_sets_for_a_service_are_not_ours() {
        for (name, value) in [
            ("VESTIBULE_SERVICE_HOST", "10.0.0.1"),
            ("VESTIBULE_SERVICE_PORT", "3000"),
            ("VESTIBULE_SERVICE_PORT_HTTP", "3000"),
            ("VESTIBULE_PORT", "tcp://10.0.0.1:3000"),
            ("VESTIBULE_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
            ("VESTIBULE_PORT_3000_TCP_PROTO", "tcp"),
            ("VESTIBULE_PORT_3000_TCP_PORT", "3000"),
            ("VESTIBULE_PORT_3000_TCP_ADDR", "10.0.0.1"),
            ("VESTIBULE_ISSUER_PORT_3001_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_service_variable(name, value), "{name}");
        }
        for (name, value) in [
            ("VESTIBULE_LISTEN_PORT", "3000"),
            ("VESTIBULE_LISTEN_ADRESS", "tcp://10.0.0.1:3000"),
            ("VESTIBULE_PORT_X_TCP", "tcp"),
            ("VESTIBULE_", "1"),
        ] {
            assert!(!is_service_variable(name, value), "{name}");
        }
    }

    #[test]
    fn a_typing_error_is_told_from_another_name() {
        let known = ["oidc.clientID", "oidc.issuerURL", "log.level"];
        assert_eq!(nearest("oidc.clientId", known.into_iter()), Some("oidc.clientID"));
        assert_eq!(nearest("oidc.issurURL", known.into_iter()), Some("oidc.issuerURL"));
        assert_eq!(nearest("networking.tls", known.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100_000), known.into_iter()), None);
    }
}
