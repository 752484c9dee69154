//! Whether clients reach the gateway through the access URL.

use http::StatusCode;

use crate::coder::api::Api;
use crate::config::Config;
use crate::web::{Client, ClientError};

use super::Finding;

/// Opens a websocket through everything in front of the gateway, and through the gateway itself.
pub(super) async fn look(config: &Config, client: Client) -> Finding {
    let url = &config.coder.access_url;
    match Api::new(url, url, client).websocket().await {
        Ok(StatusCode::SWITCHING_PROTOCOLS) => {
            Finding::ok(format!("{url} answers, and lets websockets through."))
        }
        Err(ClientError::Connect) => Finding::hint(
            format!("Cannot tell whether websockets reach the gateway: this machine cannot reach {url}."),
            "The gateway is not running yet, or this machine cannot reach the access URL.",
            "Start the gateway, then run the check again.",
        ),
        Ok(StatusCode::FORBIDDEN) => Finding::ok(format!(
            "{url} answers. The DERP relay (class derp) is closed, so the check did not try a websocket."
        )),
        Ok(StatusCode::MISDIRECTED_REQUEST) => Finding::wrong(
            format!("The gateway that answers at {url} serves another access URL: it answers 421."),
            "The gateway still runs with an earlier value of coder.accessURL, or a proxy in front of the gateway changes \
             Host.",
            "Restart the gateway with this configuration, and configure the proxy to keep Host.",
        ),
        Ok(status) => Finding::wrong(
            format!("{url} does not let websockets through: it answers {}.", status.as_u16()),
            "A proxy in front of the gateway drops the Connection and Upgrade headers or speaks HTTP/1.0, or Coder does not answer.",
            "Configure the proxy to forward both headers over HTTP/1.1: terminals, tunnels and the dashboard need websockets.",
        ),
        Err(error) => Finding::wrong(
            format!("{url} does not answer a websocket request."),
            error.to_string(),
            "Check the proxy in front of the gateway, and the gateway's log.",
        ),
    }
}
