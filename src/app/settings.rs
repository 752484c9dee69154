//! Translates the configuration into the settings of each module.

use std::sync::Arc;

use url::Url;

use super::BuildError;
use crate::coder::handoff;
use crate::coder::hosts::Wildcard;
use crate::config::{self, Config};
use crate::policy::{self, Networks, RouteRule, Rules, Switch, TunnelLimits, WithoutGrant};
use crate::proxy::{self, Origin};
use crate::types::Clock;
use crate::web::{ClientSettings, TrustedProxies};
use crate::{gateway, grant, issuer, oidc, pages};

pub(super) fn oidc(config: &Config) -> Result<oidc::ProviderSettings, BuildError> {
    let own = &config.oidc;
    let redirect_uri = config.coder.access_url.join(handoff::CALLBACK).map_err(|_| BuildError::AccessUrl)?;
    let algorithms = own.algorithms.iter().map(|name| name.parse()).collect::<Result<_, _>>();
    Ok(oidc::ProviderSettings {
        issuer: own.issuer.clone(),
        internal_url: own.internal_url.clone(),
        client_id: own.client_id.clone(),
        client_secret: own.client_secret.clone(),
        client_authentication: match own.client_authentication {
            config::ClientAuthentication::Auto => None,
            config::ClientAuthentication::Basic => Some(oidc::ClientAuthentication::Basic),
            config::ClientAuthentication::Post => Some(oidc::ClientAuthentication::Post),
        },
        redirect_uri,
        scopes: own.scopes.clone(),
        auth_url_params: own.auth_url_params.clone(),
        algorithms: algorithms.map_err(BuildError::Algorithm)?,
        email_field: own.email_field.clone(),
        username_field: own.username_field.clone(),
        ignore_email_verified: own.ignore_email_verified,
        ignore_user_info: own.ignore_user_info,
        email_domains: own.email_domains.clone(),
        group_field: own.group_field.clone(),
        groups_allowed: own.groups_allowed.clone(),
        prompt: own.prompt.clone(),
        max_age: own.max_age,
        pkce: match own.pkce {
            config::Pkce::Auto => oidc::Pkce::Auto,
            config::Pkce::Require => oidc::Pkce::Require,
        },
        danger_access_token_as_id_token: own.danger_access_token_as_id_token,
        danger_allow_http: own.danger_allow_http,
    })
}

pub(super) fn grant(config: &Config) -> grant::GrantSettings {
    grant::GrantSettings {
        recheck: config.session.recheck,
        grace: config.unreachable.grace,
        sign_out_with_provider: config.session.sign_out_with_provider,
        max_age: config.session.max_age,
        idle: config.session.idle,
        ..grant::GrantSettings::default()
    }
}

pub(super) fn pages(config: &Config) -> pages::PageSettings {
    pages::PageSettings {
        access_url: config.coder.access_url.clone(),
        sign_in_text: config.oidc.sign_in_text.clone(),
        icon_url: config.oidc.icon_url.clone(),
    }
}

pub(super) fn issuer(config: &Config) -> issuer::IssuerSettings {
    issuer::IssuerSettings {
        url: config.coder.issuer.url.as_str().to_owned(),
        client_id: config.oidc.client_id.clone(),
        client_secret: config.coder.issuer.client_secret.clone(),
    }
}

pub(super) fn handoff(config: &Config) -> handoff::HandoffSettings {
    handoff::HandoffSettings {
        coder_url: config.coder.url.clone(),
        access_url: config.coder.access_url.clone(),
        authorization_endpoint: issuer::Endpoints::of(config.coder.issuer.url.as_str()).authorization,
        client_id: config.oidc.client_id.clone(),
    }
}

/// The HTTP client for Coder, with room for Coder's pages.
pub(super) fn coder_client() -> ClientSettings {
    ClientSettings { max_response: handoff::MAX_ANSWER, ..ClientSettings::default() }
}

pub(super) fn upstream(
    url: &Url,
    tls: Arc<rustls::ClientConfig>,
    clock: Clock,
) -> Result<proxy::UpstreamSettings, BuildError> {
    Ok(proxy::UpstreamSettings {
        origin: Origin::new(url, tls).map_err(BuildError::CoderUrl)?,
        connect_timeout: proxy::CONNECT_TIMEOUT,
        max_idle: 1024,
        idle_timeout: std::time::Duration::from_mins(1),
        stall: std::time::Duration::from_mins(1),
        clock,
    })
}

pub(super) fn gateway(config: &Config) -> Result<gateway::GatewaySettings, BuildError> {
    Ok(gateway::GatewaySettings {
        access_url: config.coder.access_url.clone(),
        wildcard: wildcard(config)?,
        sign_in: match config.sign_in.mode {
            config::SignInMode::Page => gateway::SignInMode::Page,
            config::SignInMode::Redirect => gateway::SignInMode::Redirect,
            config::SignInMode::Coder => gateway::SignInMode::Coder,
        },
        sign_in_text: config.oidc.sign_in_text.clone(),
        icon_url: config.oidc.icon_url.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default(),
        sign_out_at_provider: config.sign_out.from == config::SignOutFrom::Provider,
        sign_out_ends_tokens: config.sign_out.tokens == config::SignOutTokens::End,
        trusted_proxies: TrustedProxies::new(config.listen.trusted_proxies.iter().copied()),
    })
}

fn wildcard(config: &Config) -> Result<Option<Wildcard>, BuildError> {
    let written = config.coder.wildcard_access_url.as_deref();
    written.map(Wildcard::parse).transpose().map_err(BuildError::Wildcard)
}

pub(super) fn rules(config: &Config) -> Result<Rules, BuildError> {
    let own = &config.policy;
    let switch = |opening: &config::Opening| Switch::new(opening.allow, opening.from.clone());
    let routes = own.routes.iter().map(route_rule).collect::<Result<_, _>>()?;
    Ok(Rules {
        password_sign_in: switch(&own.password_sign_in),
        github_sign_in: switch(&own.github_sign_in),
        first_user: switch(&own.first_user),
        without_grant: WithoutGrant {
            oidc: verdict(own.tokens.without_grant.oidc),
            none: verdict(own.tokens.without_grant.none),
            password: own.tokens.without_grant.password.map(verdict),
            github: own.tokens.without_grant.github.map(verdict),
        },
        unattributed: verdict(own.tokens.unattributed),
        public_apps: own.public_apps,
        coder_sign_in_page: config.sign_in.mode == config::SignInMode::Coder,
        routes,
        tunnels: TunnelLimits { max_age: config.session.max_age, idle: config.session.idle },
    })
}

fn verdict(own: config::Verdict) -> policy::TokenRule {
    match own {
        config::Verdict::Allow => policy::TokenRule::Allow,
        config::Verdict::Deny => policy::TokenRule::Deny,
    }
}

fn route_rule(own: &config::RouteRule) -> Result<RouteRule, BuildError> {
    let effect = match &own.effect {
        config::RouteEffect::Deny => policy::RouteEffect::Deny,
        config::RouteEffect::RequireSignIn => policy::RouteEffect::RequireSignIn,
        config::RouteEffect::From(networks) => {
            policy::RouteEffect::From(Networks::new(networks.clone()).map_err(BuildError::Networks)?)
        }
        config::RouteEffect::DangerAllow => policy::RouteEffect::DangerAllow,
        config::RouteEffect::DangerPublic => policy::RouteEffect::DangerPublic,
    };
    Ok(RouteRule { class: own.class.parse().map_err(BuildError::Class)?, effect })
}
