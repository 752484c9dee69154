//! The way to the gateway.

use http::StatusCode;

use crate::coder::api::Api;
use crate::config::Config;
use crate::http::{Client, ClientError};

use super::Finding;

/// Whether a websocket gets through everything that stands in front of the gateway, and through the gateway itself.
pub(super) async fn look(config: &Config, client: Client) -> Finding {
    let url = &config.coder.access_url;
    match Api::new(url, url, client).websocket().await {
        Ok(StatusCode::SWITCHING_PROTOCOLS) => {
            Finding::ok(format!("{url} answers, and lets websockets through."))
        }
        Err(ClientError::Connect) => Finding::hint(
            format!(
                "Whether websockets get through to the gateway could not be told: {url} cannot be reached from here."
            ),
            "The gateway does not run yet, or this machine does not reach its own access URL.",
            "Ask again when the gateway runs.",
        ),
        Ok(StatusCode::FORBIDDEN) => Finding::ok(format!(
            "{url} answers. The relay (class derp) is closed, so no websocket was tried."
        )),
        Ok(status) => Finding::wrong(
            format!("{url} does not let websockets through: it answers {}.", status.as_u16()),
            "Something in front of the gateway drops Connection and Upgrade, or speaks HTTP/1.0, or Coder is not there.",
            "Have it forward both headers over HTTP/1.1: terminals, tunnels and the dashboard need websockets.",
        ),
        Err(error) => Finding::wrong(
            format!("{url} gives no answer to a wish for a websocket."),
            error.to_string(),
            "Look at what stands in front of the gateway, and at the gateway's log.",
        ),
    }
}
