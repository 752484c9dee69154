//! The complete section: the parts for the relying party, the sign-in button and Coder.

use crate::config::reader::SettingsReader;
use crate::oidc::{ClientCredential, ProviderSettings};

use super::super::coder::{self, CoderConfig};
use super::super::outbound_tls::OutboundTlsConfig;
use super::addresses;
use super::button::{self, SignInButtonConfig};
use super::client::{self, ProviderClientConfig};
use super::coder_only;
use super::coder_setting::{self, CoderSettings};
use super::parameters;
use super::people;
use super::scopes;
use super::tokens;

/// The section `oidc`.
pub(crate) struct OidcSection {
    /// For the relying party.
    pub(crate) provider: ProviderSettings,
    /// TLS towards the provider.
    pub(crate) tls: OutboundTlsConfig,
    /// The sign-in button.
    pub(crate) button: SignInButtonConfig,
    /// For Coder.
    pub(crate) for_coder: CoderSettings,
}

/// Reads the section.
pub(crate) fn read(r: &mut SettingsReader, coder: Option<&CoderConfig>) -> Option<OidcSection> {
    let danger_allow_http = r.get(&tokens::DANGER_ALLOW_HTTP);
    let issuer = addresses::issuer_url(r, danger_allow_http == Some(true));
    let client_id = r.get(&client::CLIENT_ID);
    let client = client::read(r);
    let scopes = scopes::read(r);
    let parameters = parameters::read(r);
    let internal_url = addresses::internal_url(r, danger_allow_http == Some(true));
    let people = people::read(r, scopes.as_deref());
    let button = button::read(r, coder.map(|coder| &coder.access_url));
    let reauthentication = parameters::read_reauthentication(r, parameters.as_ref());
    let algorithms = tokens::algorithms(r);
    let pkce = r.get(&tokens::PKCE);
    let danger_access_token_as_id_token = r.get(&tokens::DANGER_ACCESS_TOKEN_AS_ID_TOKEN);
    let only_for_coder = coder_only::read(r);
    warn_of_a_shared_secret(r, client.as_ref().map(|client| &client.credential), coder);
    warn_of_dangers(r, danger_allow_http, danger_access_token_as_id_token);
    people.warn_of_an_open_door(r);
    let ProviderClientConfig { credential, method, tls } = client?;
    let provider = ProviderSettings {
        issuer: issuer?,
        internal_url,
        client_id: client_id?,
        credential,
        client_authentication: method,
        redirect_uri: coder?.callback(),
        scopes: scopes?,
        auth_url_params: parameters?.rest,
        algorithms: algorithms?,
        email_field: people.email_field?,
        username_field: people.username_field?,
        ignore_email_verified: people.ignore_email_verified?,
        ignore_user_info: people.ignore_user_info?,
        email_domains: people.email_domains?,
        group_field: people.group_field,
        groups_allowed: people.groups_allowed?,
        prompt: reauthentication.prompt,
        max_age: reauthentication.max_age,
        pkce: pkce?,
        danger_access_token_as_id_token: danger_access_token_as_id_token?,
        danger_allow_http: danger_allow_http?,
    };
    let button = button?;
    let for_coder =
        CoderSettings { shared: coder_setting::shared(&provider, &button), only: only_for_coder? };
    Some(OidcSection { provider, tls, button, for_coder })
}

fn warn_of_a_shared_secret(
    r: &mut SettingsReader,
    credential: Option<&ClientCredential>,
    coder: Option<&CoderConfig>,
) {
    if let (Some(secret), Some(coder)) = (credential.and_then(ClientCredential::secret), coder)
        && coder.issuer.client_secrets().any(|own| own.current() == secret)
    {
        r.warn(
            coder::ISSUER_CLIENT_SECRET.entry(),
            "is the same as oidc.clientSecret, so Coder learns the provider's client secret",
            "Generate a separate secret: openssl rand -hex 32",
        );
    }
}

fn warn_of_dangers(r: &mut SettingsReader, allow_http: Option<bool>, access_token_as_id_token: Option<bool>) {
    if allow_http == Some(true) {
        r.warn(
            tokens::DANGER_ALLOW_HTTP.entry(),
            "lets anyone on the network between the gateway and the provider sign in as any user",
            "Reach the provider over https",
        );
    }
    if access_token_as_id_token == Some(true) {
        r.warn(
            tokens::DANGER_ACCESS_TOKEN_AS_ID_TOKEN.entry(),
            "passes the provider's access token to Coder, and puts it into the sign-out URL",
            "Configure the provider to send a separate ID token",
        );
    }
}
