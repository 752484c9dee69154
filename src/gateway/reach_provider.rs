//! Before a browser is sent to the provider: is the provider known, and does it answer?

use std::sync::Arc;
use std::time::Duration;

use super::{Gateway, RefusalCause};
use crate::oidc::LoginError;

/// How long a sign-in waits while the provider's documents are read for the first time.
const FIRST_READING: Duration = Duration::from_secs(3);

impl Gateway {
    /// Waits for the first reading of the provider's documents, or asks whether the provider answers. Bounded, and
    /// on the slow runtime.
    ///
    /// A browser that is sent to a provider that is down sees an error page of its own, or the provider's, and
    /// nothing there tries again.
    pub(super) async fn provider_answers(&self) -> Result<(), RefusalCause> {
        let provider = Arc::clone(&self.provider);
        let work = async move {
            if provider.ready() {
                return provider.answers().await;
            }
            provider.first_reading(FIRST_READING).await;
            Ok(())
        };
        let asked = self.slow.spawn(work).await.map_err(|_| RefusalCause::Gone)?;
        asked.map_err(|unreachable| RefusalCause::Login(LoginError::Unreachable(unreachable)))
    }
}
