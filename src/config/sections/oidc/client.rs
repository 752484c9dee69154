//! The gateway as a client of the provider.

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::key::{Key, SecretFileKey, keys};
use crate::config::parse;
use crate::config::words::Words;
use crate::oidc::ClientAuthentication;
use crate::types::Secret;

keys! { KEYS;
    CLIENT_ID: Key<String> = Key::new(
        "oidc.clientID", "CODER_OIDC_CLIENT_ID", ValueKind::Text, WhenAbsent::Required, parse::line,
        "The client id at the provider. Coder gets the same one, because it is the audience of the ID tokens.",
    ).and_coder().guards_sign_in();
    CLIENT_SECRET: Key<Secret> = Key::new(
        "oidc.clientSecret", "CODER_OIDC_CLIENT_SECRET", ValueKind::Secret, WhenAbsent::Required, parse::secret,
        "The client secret at the provider. Coder never gets it.",
    ).guards_sign_in();
    CLIENT_SECRET_FILE: SecretFileKey = SecretFileKey::new(
        "oidc.clientSecretFile", "CODER_OIDC_CLIENT_SECRET_FILE", &CLIENT_SECRET,
        "A file that holds this secret, in place of `oidc.clientSecret`.",
    );
    CLIENT_AUTHENTICATION: Key<Option<ClientAuthentication>> = Key::word(
        "oidc.clientAuthentication", "VESTIBULE_OIDC_CLIENT_AUTHENTICATION",
        Words::new(
            &["auto", "basic", "post"],
            &[None, Some(ClientAuthentication::Basic), Some(ClientAuthentication::Post)],
        ),
        WhenAbsent::Default("auto"),
        "How the client secret is sent: `basic` (`client_secret_basic`), `post` (`client_secret_post`), or `auto`. `auto` begins with `basic`, tries `post` if the provider refuses the client, and then keeps to the method that the provider accepted.",
    );
}
