//! Work that must not be left half-done.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::store::StoreError;

/// The runtime that [`super::Grants::open`] was called on. Its work continues when the request for it is dropped.
#[derive(Clone, Debug)]
pub(in crate::grant) struct WorkRuntime(Handle);

impl WorkRuntime {
    /// The runtime of the caller.
    pub(in crate::grant) fn current() -> Self {
        Self(Handle::current())
    }

    /// The runtime itself.
    pub(in crate::grant) fn handle(&self) -> &Handle {
        &self.0
    }

    /// Runs work in the background.
    pub(in crate::grant) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.0.spawn(work)
    }

    /// Runs work to completion, even when the caller stops waiting.
    pub(in crate::grant) async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let cut_off = |_| StoreError::Failed("the work was cut off".to_owned());
        self.0.spawn(work).await.map_err(cut_off)?
    }
}
