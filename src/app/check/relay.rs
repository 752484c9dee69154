//! What ends with a user's access: connections through the relay, or direct ones too.

use crate::config::Config;

use super::Finding;

/// Says which of the two promises holds. No request without a sign-in shows whether Coder forbids direct connections, so
/// this follows from the configuration. Both are choices of the operator, so neither is a hint.
pub(super) fn look(config: &Config) -> Finding {
    if config.relay.block_direct {
        return Finding::ok(
            "When a user's access ends, so does every connection to workspaces, within a second: relay.blockDirect is set. This \
             holds once Coder runs with the environment that `vestibule coder-env` prints (CODER_BLOCK_DIRECT=true).",
        );
    }
    Finding::ok(
        "When a user's access ends, connections through Coder's relay end within a second; direct connections to a workspace, \
         past the relay, go on unless Coder forbids them. To end these too, set relay.blockDirect: true and restart Coder with \
         the environment that `vestibule coder-env` prints.",
    )
}
