//! The gateway as a client of the provider without a secret: `private_key_jwt` (RFC 7523, OpenID Connect Core §9) and
//! certificates (RFC 8705); and its own certificate towards Coder.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;

use crate::support::client::Browser;
use crate::support::provider::Provider;
use crate::support::provider_clients::{KeyFiles, acceptor};
use crate::support::server::Server;
use crate::support::world::{Options, World};

/// Longer than an access token is valid.
const LATER: Duration = Duration::from_mins(6);

fn with_key(files: &KeyFiles) -> Options {
    let credential = format!("oidcClientKeyFile: {}\n  oidcClientCertFile: {}", files.key, files.certificate);
    Options { credential: Some(credential), ..Options::default() }
}

/// A client that the provider knows by this key.
async fn world_of(files: &KeyFiles, options: Options) -> World {
    let mut world = World::without_gateway(options).await;
    register(&world.provider, files);
    world.start_gateway().await;
    world
}

fn register(provider: &Provider, files: &KeyFiles) {
    provider.tune(|knobs| {
        knobs.auth_methods = vec!["private_key_jwt"];
        knobs.client_key = Some(files.registered.clone());
    });
}

fn assertions(world: &World) -> Vec<String> {
    let forms = world.provider.forms("token").into_iter().chain(world.provider.forms("revoke"));
    let value = |form: Vec<(String, String)>| form.into_iter().find(|(name, _)| name == "client_assertion");
    forms.filter_map(value).map(|(_, value)| value).collect()
}

/// As `CODER_OIDC_CLIENT_KEY_FILE` and `CODER_OIDC_CLIENT_CERT_FILE`: sign-in, refresh and revocation.
#[tokio::test]
async fn a_client_with_a_key_signs_in_refreshes_and_revokes_with_a_new_assertion_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut rsa = KeyFiles::rsa(dir.path(), "rsa");
    rsa.registered.needs_thumbprint = true;
    for files in [rsa, KeyFiles::ec(dir.path(), "ec")] {
        let world = world_of(&files, with_key(&files)).await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        world.advance(LATER);
        assert_eq!(world.me(&session).await.status, 200, "refreshed");
        assert_eq!(world.api("POST", "/api/v2/users/logout", &session).await.status, 200);
        world.until("both tokens are revoked", || world.provider.forms("revoke").len() == 2).await;
        let mut sent = assertions(&world);
        let count = sent.len();
        sent.sort();
        sent.dedup();
        assert_eq!((sent.len(), count), (4, 4), "one for each request");
    }
}

/// Microsoft Entra ID may list PS256 alone.
#[tokio::test]
async fn an_assertion_is_signed_with_an_algorithm_that_the_provider_lists() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = KeyFiles::rsa(dir.path(), "rsa");
    files.registered.alg = "PS256";
    let mut world = World::without_gateway(with_key(&files)).await;
    register(&world.provider, &files);
    let listed = json!(["ES256", "PS256"]);
    world.provider.tune(|knobs| {
        knobs.discovery.insert("token_endpoint_auth_signing_alg_values_supported".to_owned(), listed);
    });
    world.start_gateway().await;
    world.sign_in("alice").await;
}

/// A key that the provider does not know: nobody gets in, and the former sessions stay until their grace is over.
#[tokio::test]
async fn an_assertion_by_another_key_is_refused_and_the_registered_key_is_read_when_its_file_appears() {
    let dir = tempfile::tempdir().unwrap();
    let files = KeyFiles::ec(dir.path(), "ec");
    let world = world_of(&files, with_key(&files)).await;
    let session = world.session(&world.sign_in("alice").await);
    let other = KeyFiles::ec(dir.path(), "other");
    register(&world.provider, &other);
    let refused = world.sign_in_with(&Browser::new(), "bob", "/").await;
    assert!(refused.status >= 400, "{}", refused.text());
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "within the grace");
    // The certificate is written first, so for a moment the pair does not fit.
    std::fs::copy(&other.certificate, &files.certificate).unwrap();
    let refused = world.sign_in_with(&Browser::new(), "bob", "/").await;
    assert!(refused.status >= 400, "the former pair is in use");
    std::fs::copy(&other.key, &files.key).unwrap();
    world.sign_in("bob").await;
}

/// RFC 8705: the token endpoint's alias takes connections with a known certificate only.
#[tokio::test]
async fn a_client_with_a_certificate_signs_in_and_refreshes_at_the_providers_mtls_endpoints() {
    let dir = tempfile::tempdir().unwrap();
    let [server, client] = ["server", "client"].map(|name| KeyFiles::ec(dir.path(), name));
    let mut world = World::without_gateway(with_certificate(&server, &client)).await;
    let _listener = world.provider.listen_with_certificates(&server, &[&client]).await;
    world.provider.tune(|knobs| {
        knobs.auth_methods = vec!["self_signed_tls_client_auth"];
        knobs.client_certificate = Some(client.registered.clone());
    });
    world.start_gateway().await;
    let session = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "refreshed");
    let secrets = ["client_secret", "client_assertion"];
    for form in world.provider.forms("token") {
        assert!(!form.iter().any(|(name, _)| secrets.contains(&name.as_str())), "{form:?}");
    }
}

fn with_certificate(server: &KeyFiles, client: &KeyFiles) -> Options {
    let credential = format!(
        "clientAuthentication: tls\n  tlsCAFile: {}\n  tlsClientCertFile: {}\n  tlsClientKeyFile: {}",
        server.certificate, client.certificate, client.key
    );
    Options { credential: Some(credential), ..Options::default() }
}

#[tokio::test]
async fn a_certificate_that_the_provider_does_not_know_signs_nobody_in_until_it_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let [server, client, known] = ["server", "client", "known"].map(|name| KeyFiles::ec(dir.path(), name));
    let mut world = World::without_gateway(with_certificate(&server, &client)).await;
    let _listener = world.provider.listen_with_certificates(&server, &[&known]).await;
    world.provider.tune(|knobs| {
        knobs.auth_methods = vec!["tls_client_auth"];
        knobs.client_certificate = Some(known.registered.clone());
    });
    world.start_gateway().await;
    let refused = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert!(refused.status >= 400, "{}", refused.text());
    for (from, to) in [(&known.certificate, &client.certificate), (&known.key, &client.key)] {
        std::fs::copy(from, to).unwrap();
    }
    for _ in 0..100 {
        world.pass(Duration::from_secs(10)).await;
        if world.sign_in_with(&Browser::new(), "alice", "/").await.status == 307 {
            return;
        }
    }
    panic!("the new certificate is never shown");
}

/// A TLS server in front of Coder that takes connections with one of these certificates only.
fn front(
    server: &KeyFiles,
    clients: &[&KeyFiles],
    listener: tokio::net::TcpListener,
    to: Arc<OnceLock<SocketAddr>>,
) -> Server {
    let acceptor = acceptor(server, clients);
    Server::accept(listener, move |stream| {
        let (acceptor, to) = (acceptor.clone(), Arc::clone(&to));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut coder = TcpStream::connect(to.get().expect("Coder runs")).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut coder).await;
        }
    })
}

async fn world_behind_tls(dir: &Path, shown: &str, accepted: &str) -> (World, Server) {
    let [server, known, other] = ["server", "known", "other"].map(|name| KeyFiles::ec(dir, name));
    let listener = Server::bind().await;
    let address = listener.local_addr().unwrap();
    let files = |name: &str| if name == "known" { &known } else { &other };
    let own = files(shown);
    let coder = format!(
        "tlsCAFile: {}\ntlsClientCertFile: {}\ntlsClientKeyFile: {}",
        server.certificate, own.certificate, own.key
    );
    let options = Options { coder_url: Some(format!("https://{address}")), coder, ..Options::default() };
    let mut world = World::without_gateway(options).await;
    let to = Arc::new(OnceLock::new());
    to.set(world.coder.address).unwrap();
    let front = front(&server, &[files(accepted)], listener, to);
    world.start_gateway().await;
    (world, front)
}

/// `coder.tlsCAFile`, `coder.tlsClientCertFile`: for the hand-off, for questions to Coder, and for every request.
#[tokio::test]
async fn coder_behind_mtls_is_reached_with_the_gateways_certificate_and_not_with_another() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _front) = world_behind_tls(dir.path(), "known", "known").await;
    let session = world.session(&world.sign_in("alice").await);
    assert_eq!(world.me(&session).await.status, 200);
    let (world, _front) = world_behind_tls(dir.path(), "other", "known").await;
    assert_eq!(world.ask("GET", "/api/v2/buildinfo", &[]).await.status, 502);
}
