//! `/metrics`, in Prometheus' text format.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::gateway::{Gateway, RelayMetrics};
use crate::grant::Grants;
use crate::oidc::Provider;
use crate::policy::ClassName;
use crate::telemetry::metrics;

/// The metrics of one gateway.
#[derive(Debug)]
pub(super) struct Metrics(Registry);

impl Metrics {
    pub(super) fn new(grants: Arc<Grants>, provider: Arc<Provider>, gateway: Arc<Gateway>) -> Self {
        let mut registry = Registry::with_prefix("vestibule");
        registry.register_collector(Box::new(GatewayCollector { grants, provider, gateway }));
        Self(registry)
    }

    /// The current values.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, and the collector has no other error.
        let _ = prometheus_text::encode(&mut text, &self.0);
        text
    }
}

/// Reads the values on request: each worker counts for itself, so that none waits for another. Every
/// label has a closed list of values.
struct GatewayCollector {
    grants: Arc<Grants>,
    provider: Arc<Provider>,
    gateway: Arc<Gateway>,
}

impl Collector for GatewayCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests answered, by class of route and status.";
        let mut requests = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for (class, status, count) in self.gateway.requests() {
            let class = class.map_or("none", ClassName::label);
            let labels = [("class", class), ("status", &format!("{status}xx"))];
            ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
        }
        let help = "Audit events: sign-ins, refreshes, ends, by outcome.";
        let mut events = encoder.encode_descriptor("events", help, None, MetricType::Counter)?;
        for (action, outcome, count) in metrics::events() {
            let labels = [("action", action), ("outcome", &outcome)];
            ConstCounter::new(count).encode(events.encode_family(&labels)?)?;
        }
        let relay = self.gateway.relay();
        encode_relay(&mut encoder, &relay)?;
        let sizes = self.grants.sizes();
        let provider_known = usize::from(self.provider.ready());
        for (name, help, value) in [
            ("credentials", "Sessions and tokens in memory.", sizes.credentials),
            ("grants", "Grants in memory.", sizes.grants),
            ("tunnels", "Open tunnels, and answers under way.", sizes.tunnels),
            ("relay_keys", "Node keys of clients and agents that may use the relay.", relay.keys),
            ("relay_connections", "Open relay connections.", relay.connections),
            ("provider_known", "1 when somebody can be sent to the provider.", provider_known),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        Ok(())
    }
}

/// What happened at the relay.
fn encode_relay(encoder: &mut DescriptorEncoder<'_>, relay: &RelayMetrics) -> fmt::Result {
    let help = "Relay connections cut, by cause: the access of the key's owners has ended, nobody has announced the key, \
                or the client has not said one.";
    let mut cuts = encoder.encode_descriptor("relay_cuts", help, None, MetricType::Counter)?;
    for (cause, count) in &relay.cuts {
        ConstCounter::new(*count).encode(cuts.encode_family(&[("cause", *cause)])?)?;
    }
    let help = "Announced node keys for which there was no room.";
    let lost = encoder.encode_descriptor("relay_not_remembered", help, None, MetricType::Counter)?;
    ConstCounter::new(relay.not_remembered).encode(lost)?;
    let help = "Tunnels in which the client's node key cannot be read.";
    let mut unreadable = encoder.encode_descriptor("unreadable_tunnels", help, None, MetricType::Counter)?;
    for (tunnel, cause, count) in &relay.unreadable {
        let labels = [("tunnel", *tunnel), ("cause", *cause)];
        ConstCounter::new(*count).encode(unreadable.encode_family(&labels)?)?;
    }
    Ok(())
}

impl fmt::Debug for GatewayCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayCollector")
    }
}
