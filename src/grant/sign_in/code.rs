//! The one-time code of the hand-off: the gateway gives it to Coder, and Coder redeems it at the issuer.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::types::{GrantId, Sealer, Secret, Timestamp, random_token};

/// How long a code is valid. Coder redeems it within the same second.
pub(super) const CODE_LIFE: Duration = Duration::from_secs(30);

/// The context that a code is authenticated with.
const CODE_CONTEXT: &[u8] = b"code";

/// The sealed content of a code.
#[derive(Deserialize, Serialize)]
struct CodePayload {
    grant: String,
    redirect_uri: String,
    challenge: Option<String>,
    expires_at: i64,
    /// Random: no two codes are the same.
    once: String,
}

/// Makes a code for a grant.
pub(super) fn seal(
    sealer: &Sealer,
    grant: GrantId,
    redirect_uri: &str,
    challenge: Option<&str>,
    now: Timestamp,
) -> Secret {
    let payload = CodePayload {
        grant: grant.to_string(),
        redirect_uri: redirect_uri.to_owned(),
        challenge: challenge.map(str::to_owned),
        expires_at: (now + CODE_LIFE).as_millis(),
        once: random_token(),
    };
    // Strings and a number always become JSON; an empty code would never open.
    let plain = serde_json::to_vec(&payload).unwrap_or_default();
    Secret::new(sealer.seal_text(CODE_CONTEXT, &plain))
}

/// The grant of a code that is ours, not expired, and presented with the matching `redirect_uri` and PKCE verifier (RFC
/// 6749 §4.1.3, RFC 7636 §4.6). Does not know whether it was redeemed before.
pub(super) fn open(
    sealer: &Sealer,
    code: &Secret,
    redirect_uri: &str,
    verifier: Option<&Secret>,
    now: Timestamp,
) -> Option<GrantId> {
    let plain = sealer.open_text(CODE_CONTEXT, code.expose()).ok()?;
    let payload: CodePayload = serde_json::from_slice(&plain).ok()?;
    let in_time = now < Timestamp::from_millis(payload.expires_at);
    let bound = payload.redirect_uri == redirect_uri && proven(payload.challenge.as_deref(), verifier);
    payload.grant.parse().ok().filter(|_| in_time && bound)
}

/// Whether the verifier matches the challenge (S256). One without the other is refused: RFC 9700 §2.1.1 names both
/// downgrades (CVE-2023-48228, CVE-2024-23647).
fn proven(challenge: Option<&str>, verifier: Option<&Secret>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()));
            made.as_bytes().ct_eq(challenge.as_bytes()).into()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Keyring, Purpose};

    const URI: &str = "http://127.0.0.1:3000/api/v2/users/oidc/callback";
    /// The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn sealer() -> Sealer {
        Keyring::new([1; 32], []).sealer(Purpose::Code)
    }

    #[test]
    fn a_code_opens_for_its_redirect_uri_and_verifier_in_time() {
        let (sealer, grant) = (sealer(), GrantId::random());
        let code = seal(&sealer, grant, URI, Some(CHALLENGE), NOW);
        let (verifier, other) = (Secret::new(VERIFIER), Secret::new("other"));
        let open = |uri, verifier, now| open(&sealer, &code, uri, verifier, now);
        let last = NOW + CODE_LIFE - Duration::from_millis(1);
        assert_eq!(open(URI, Some(&verifier), last), Some(grant));
        assert_eq!(open(URI, Some(&verifier), NOW + CODE_LIFE), None, "too late");
        assert_eq!(open("http://127.0.0.1:3000/", Some(&verifier), NOW), None, "another redirect_uri");
        assert_eq!(open(URI, Some(&other), NOW), None, "another verifier");
        assert_eq!(open(URI, None, NOW), None, "no verifier");
    }

    #[test]
    fn a_verifier_without_a_challenge_is_refused() {
        let (sealer, grant) = (sealer(), GrantId::random());
        let code = seal(&sealer, grant, URI, None, NOW);
        assert_eq!(open(&sealer, &code, URI, None, NOW), Some(grant));
        assert_eq!(open(&sealer, &code, URI, Some(&Secret::new(VERIFIER)), NOW), None);
    }

    #[test]
    fn a_foreign_or_bent_code_is_refused() {
        let (sealer, grant) = (sealer(), GrantId::random());
        let foreign = Keyring::new([2; 32], []).sealer(Purpose::Code);
        let code = seal(&foreign, grant, URI, None, NOW);
        assert_eq!(open(&sealer, &code, URI, None, NOW), None);
        for text in ["", "x", "a.b.c", "%00", &"A".repeat(300)] {
            assert_eq!(open(&sealer, &Secret::new(text), URI, None, NOW), None);
        }
    }
}
