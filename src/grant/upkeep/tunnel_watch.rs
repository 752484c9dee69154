//! Judges the authorizations of open tunnels without a request.

use std::sync::Arc;

use crate::grant::credential::{JudgeLease, Verdict};
use crate::grant::judge::Judge;
use crate::grant::memory::GrantMemory;
use crate::grant::parts::GrantParts;
use crate::grant::refresh::Refresher;
use crate::grant::work_runtime::WorkRuntime;
use crate::types::Clock;

/// Judges the credentials of open tunnels and of responses in progress.
#[derive(Clone)]
pub(super) struct TunnelWatch {
    memory: Arc<GrantMemory>,
    judge: Arc<Judge>,
    refresher: Arc<Refresher>,
    runtime: WorkRuntime,
    clock: Clock,
}

impl TunnelWatch {
    /// A watch over the open tunnels and responses.
    pub(super) fn new(parts: &GrantParts, judge: Arc<Judge>, refresher: Arc<Refresher>) -> Self {
        Self {
            memory: Arc::clone(&parts.memory),
            judge,
            refresher,
            runtime: parts.runtime.clone(),
            clock: parts.clock.clone(),
        }
    }

    /// Judges the credentials that are stale or exceed a limit, each in its own task, so that a slow provider delays no
    /// other.
    pub(super) fn look(&self) {
        self.memory.register().watch_the_clock();
        for lease in self.memory.tunnels_to_judge() {
            let watch = self.clone();
            self.runtime.spawn(async move { watch.judge(lease).await });
        }
    }

    async fn judge(self, lease: JudgeLease) {
        let over = match self.judge.judge_entry(lease.entry(), self.refresher.patience()).await {
            // Nothing has ended for good, but the provider does not confirm it: the tunnel ends, and may be reopened
            // once the provider answers.
            Ok(Some(Verdict::Unreachable { .. } | Verdict::Declined | Verdict::NeedsAsking(_))) => true,
            Ok(_) => false,
            Err(error) => {
                tracing::error!(%error, "the authorization of an open tunnel cannot be judged");
                self.clock.now() >= self.refresher.last_grace_end(lease.entry())
            }
        };
        if over {
            self.memory.retire(lease.entry());
        }
    }
}
