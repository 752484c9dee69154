//! `vestibule coder-env`: the environment that Coder needs behind the gateway.

mod render;
mod variable;

use std::io::{self, Write};

use ipnet::IpNet;
use url::{Host, Url};

use crate::coder::hosts::Wildcard;
use crate::config::{CoderSetting, Config};
use crate::gateway::BACKCHANNEL_LOGOUT;
use crate::policy::Switch;
use crate::types::is_loopback;

pub(super) use variable::EnvFormat;
use variable::{EnvValue, Variable};

/// Writes all variables. `gateway` names the networks from which Coder receives the gateway's requests; if empty, they
/// are derived from the configuration.
pub(super) fn write(
    config: &Config,
    format: EnvFormat,
    gateway: &[IpNet],
    out: &mut dyn Write,
) -> io::Result<()> {
    let variables = variables(config, gateway);
    match format {
        EnvFormat::Shell => render::shell(&variables, out),
        EnvFormat::Yaml => render::yaml(&variables, out),
        EnvFormat::Helm => render::helm(&variables, out),
    }?;
    writeln!(
        out,
        "\n# Not for Coder: the logout URI of the provider in authentik (logout method: Back-channel) is"
    )?;
    match config.coder.access_url.join(BACKCHANNEL_LOGOUT) {
        Ok(url) => writeln!(out, "# {url}"),
        Err(_) => Ok(()),
    }
}

fn variables(config: &Config, gateway: &[IpNet]) -> Vec<Variable> {
    let mut all = addresses(config, gateway);
    all.extend(issuer(config));
    let handed_on = |why| move |setting: &CoderSetting| text(setting.variable, &setting.value, why);
    all.extend(
        config.for_coder.shared.iter().map(handed_on("The same value as in the gateway's configuration.")),
    );
    all.extend(
        config.for_coder.only.iter().map(handed_on("From the gateway's configuration; only Coder uses it.")),
    );
    all
}

fn text(name: &'static str, value: impl Into<String>, why: &'static str) -> Variable {
    Variable { name, value: EnvValue::Text(value.into()), why }
}

fn switch(name: &'static str, on: bool, why: &'static str) -> Variable {
    text(name, if on { "true" } else { "false" }, why)
}

/// The addresses of Coder and the gateway.
fn addresses(config: &Config, gateway: &[IpNet]) -> Vec<Variable> {
    let access_url = &config.coder.access_url;
    let mut all = vec![text(
        "CODER_ACCESS_URL",
        without_slash(access_url),
        "The access URL stays the same; the gateway now serves it.",
    )];
    if let Some(pattern) = config.coder.wildcard.as_ref().map(Wildcard::as_written) {
        let why = "The gateway serves the hosts of workspace apps too.";
        all.push(text("CODER_WILDCARD_ACCESS_URL", pattern, why));
    }
    all.push(switch(
        "CODER_REDIRECT_TO_ACCESS_URL",
        false,
        "The gateway checks the host. With https, Coder would see plain HTTP behind it and redirect in a loop.",
    ));
    all.push(text(
        "CODER_PROXY_TRUSTED_HEADERS",
        "X-Forwarded-For",
        "The gateway sends the client's address in this header, for Coder's audit log and rate limits.",
    ));
    all.push(Variable {
        name: "CODER_PROXY_TRUSTED_ORIGINS",
        value: origins(config, gateway),
        why: "Coder trusts that header only from the gateway's own address.",
    });
    if access_url.scheme() == "https" {
        let why = "Browsers send session cookies over https only (the default in newer versions of Coder).";
        all.push(switch("CODER_SECURE_AUTH_COOKIE", true, why));
    }
    if config.rules.github_sign_in == Switch::Off {
        let why = "Otherwise a new deployment offers sign-in with GitHub, which the gateway does not allow.";
        all.push(switch("CODER_OAUTH2_GITHUB_DEFAULT_PROVIDER_ENABLE", false, why));
    }
    if config.relay.block_direct {
        let why =
            "A direct connection between client and agent would go on after its user's access has ended.";
        all.push(switch("CODER_BLOCK_DIRECT", true, why));
    }
    all
}

/// The networks from which Coder receives the gateway's requests.
fn origins(config: &Config, gateway: &[IpNet]) -> EnvValue {
    let networks: Vec<String> = gateway.iter().map(ToString::to_string).collect();
    if !networks.is_empty() {
        return EnvValue::Text(networks.join(","));
    }
    if is_loopback(&config.coder.url) {
        return EnvValue::Text("127.0.0.1/32,::1/128".to_owned());
    }
    match config.coder.issuer.url.host() {
        Some(Host::Ipv4(address)) => EnvValue::Text(format!("{address}/32")),
        Some(Host::Ipv6(address)) => EnvValue::Text(format!("{address}/128")),
        Some(Host::Domain(_)) | None => EnvValue::UnknownGateway,
    }
}

/// The issuer listener, which replaces the provider for Coder.
fn issuer(config: &Config) -> Vec<Variable> {
    let issuer = &config.coder.issuer;
    let secret = match issuer.client_secret.files().first() {
        Some(file) => EnvValue::SecretIn(file.clone()),
        None => EnvValue::Secret((*issuer.client_secret.current()).clone()),
    };
    vec![
        text(
            "CODER_OIDC_ISSUER_URL",
            issuer.url.as_str(),
            "Coder signs users in at the gateway's issuer listener, which passes on the provider's own ID token.",
        ),
        text(
            "CODER_OIDC_CLIENT_ID",
            &config.oidc.client_id,
            "The client id at the provider: Coder compares it with the audience of that token.",
        ),
        Variable {
            name: "CODER_OIDC_CLIENT_SECRET",
            value: secret,
            why: "coder.issuer.clientSecret. Coder never gets the provider's client secret.",
        },
        switch(
            "CODER_DANGEROUS_OIDC_SKIP_ISSUER_CHECKS",
            true,
            "Skips one check: that the token's issuer is the URL above. The token's issuer is the provider, so accounts \
             stay linked as before. Coder still checks signature and audience.",
        ),
    ]
}

fn without_slash(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

#[cfg(test)]
mod tests;
