//! The program itself: exit codes, and start and stop under a process manager.

use std::process::{Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;
use vestibule::app;
use vestibule::cli::{self, Exit};
use vestibule::config::{Config, Environment};
use vestibule::types::Clock;

use crate::support::process::{PATIENCE, output_of};
use crate::support::within::within;
use crate::support::world::{Options, World};

/// The program in an empty folder, without any variable.
fn vestibule(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).current_dir(folder.path()).env_clear().stdin(Stdio::null());
    command
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    output_of(vestibule(folder, arguments))
}

/// The minimal configuration on free ports, with neighbours that are not running.
fn folder() -> TempDir {
    let minimal = include_str!("../../config/minimal.yaml")
        .replace("address: 127.0.0.1:3000", "address: 127.0.0.1:0")
        .replace("listen: 127.0.0.1:3001", "listen: 127.0.0.1:0")
        .replace("127.0.0.1:9100", "127.0.0.1:9")
        .replace("127.0.0.1:3100", "127.0.0.1:9");
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("vestibule.yaml"), minimal).unwrap();
    folder
}

#[test]
fn exit_codes_are_0_1_and_64() {
    let (with_file, empty) = (folder(), TempDir::new().unwrap());
    for (folder, arguments, code) in [
        (&with_file, &["check"][..], 0),
        (&with_file, &["coder-env", "--format", "helm"], 0),
        (&with_file, &["--version"], 0),
        (&with_file, &["check", "--online"], 1),
        (&with_file, &["chek"], 64),
        (&with_file, &["check", "--config", "other.yaml"], 64),
        (&empty, &["check"], 64),
        (&empty, &[], 64),
    ] {
        let output = run(folder, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn an_address_that_is_taken_is_a_failure_and_no_wrong_configuration() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder();
    let address = taken.local_addr().unwrap().to_string();
    let mut serve = vestibule(&folder, &["serve"]);
    serve.env("VESTIBULE_LISTEN_ADDRESS", &address);
    let output = output_of(serve);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("listen.address"), "{said}");
    assert!(said.contains("choose another port"), "{said}");
}

#[test]
fn check_says_why_a_neighbour_cannot_be_reached_and_what_to_do() {
    let output = run(&folder(), &["check", "--online"]);
    let (found, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(log.contains("127.0.0.1:9") && log.contains("refused"), "the system's own words: {log}");
    assert!(found.contains("cannot be reached") && found.contains("SSL_CERT_FILE"), "{found}");
}

/// Typical configuration mistakes and the program's messages: variables on top of the minimal file.
#[test]
fn check_refuses_what_cannot_be_meant_and_names_what_to_write() {
    for (variable, value, code, words) in [
        ("CODER_OIDC_EMAIL_DOMAINS", "acme.company", 64, &["CODER_OIDC_EMAIL_DOMAIN"][..]),
        ("CODER_OIDC_GROUP_ALLOWED", "devs", 64, &["CODER_OIDC_ALLOWED_GROUPS"]),
        ("CODER_OIDC_ALLOWED_GROUP", "devs", 64, &["CODER_OIDC_ALLOWED_GROUPS"]),
        (
            "CODER_OIDC_ISSUER_URL",
            "http://127.0.0.1:9/application/o/<application_slug>/",
            64,
            &["placeholder"],
        ),
        ("CODER_OIDC_ISSUER_URL", "http://127.0.0.1:9/application/o/application_slug/", 64, &["placeholder"]),
        ("CODER_OIDC_ISSUER_URL", "http://127.0.0.1:9/application/o/coder", 64, &["slash"]),
        ("CODER_OIDC_SOMETHING_NEW", "1", 0, &["CODER_OIDC_SOMETHING_NEW"]),
        ("CODER_OIDC_CLIENT_ID", "\"cid\"", 0, &["quotation marks"]),
        ("CODER_OIDC_CLIENT_SECRET", "${SECRET}", 0, &["oidc.clientSecret"]),
        ("CODER_OIDC_SCOPES", "openid profile email", 0, &["offline_access"]),
        ("CODER_OIDC_GROUP_MAPPING", "[\"a\"]", 64, &["oidc.groupMapping"]),
        ("CODER_OIDC_GROUP_REGEX_FILTER", "(", 64, &["oidc.groupRegexFilter"]),
    ] {
        let folder = folder();
        let mut check = vestibule(&folder, &["check"]);
        check.env(variable, value);
        let output = output_of(check);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{variable}={value}: {said}");
        for word in words {
            assert!(said.contains(word), "{variable}={value}, {word}: {said}");
        }
        assert!(!said.contains("${SECRET}"), "a secret is not shown: {said}");
    }
    let open = folder();
    let file = open.path().join("vestibule.yaml");
    let config = std::fs::read_to_string(&file).unwrap().replace("  emailDomain: [acme.company]\n", "");
    std::fs::write(file, config).unwrap();
    let output = run(&open, &["check"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: ") && said.contains("oidc.groupAllowed"), "{said}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_found_by_check_and_by_serve() {
    let folder = folder();
    let config = std::fs::read_to_string(folder.path().join("vestibule.yaml")).unwrap();
    let tls = "listen:\n  tls: {certificate: ./none.pem, key: ./none.key}\n";
    std::fs::write(
        folder.path().join("vestibule.yaml"),
        config.replace("accessURL: http:", "accessURL: https:").replace("listen:\n", tls),
    )
    .unwrap();
    for command in ["check", "serve"] {
        let output = run(&folder, &[command]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("listen.tls cannot be used: ./none.pem"), "{said}");
        assert!(output.stdout.is_empty(), "check must not report a valid configuration");
    }
}

/// The program with TLS and a certificate file of this text.
fn check_with_certificate(certificate: &[u8], key: &str) -> Output {
    let folder = folder();
    let file = |name| folder.path().join(name);
    let config = std::fs::read_to_string(file("vestibule.yaml")).unwrap();
    let tls = "listen:\n  tls: {certificate: ./tls.crt, key: ./tls.key}\n";
    let config = config
        .replace("accessURL: http://127.0.0.1:3000", "accessURL: https://coder.company")
        .replace("listen:\n", tls);
    std::fs::write(file("vestibule.yaml"), config).unwrap();
    std::fs::write(file("tls.crt"), certificate).unwrap();
    std::fs::write(file("tls.key"), key).unwrap();
    run(&folder, &["check"])
}

#[test]
fn check_fails_for_a_certificate_that_clients_refuse_and_says_why() {
    let made = rcgen::generate_simple_self_signed(["other.company".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let output = check_with_certificate(pem.as_bytes(), &key);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in
        ["wrong: The certificate in ./tls.crt is not for coder.company", "It is for other.company", "to do:"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let output = check_with_certificate(&[b"\xef\xbb\xbf", pem.as_bytes()].concat(), &key);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("listen.tls cannot be used") && said.contains("byte order mark"), "{said}");
    let made = rcgen::generate_simple_self_signed(["coder.company".to_owned()]).unwrap();
    let output = check_with_certificate(made.cert.pem().as_bytes(), &made.signing_key.serialize_pem());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("ok: The certificate in ./tls.crt is for coder.company"), "{said}");
    assert!(said.contains("The hard limit on open files is"), "{said}");
}

#[tokio::test]
async fn it_serves_without_a_subcommand_and_stops_when_asked() {
    let folder = folder();
    let mut command = tokio::process::Command::from(vestibule(&folder, &[]));
    let mut running = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let stop = async {
        // The provider is contacted once everything else is up.
        while !said.contains("the provider is not usable") {
            let line = lines.next_line().await.unwrap();
            said += &line.unwrap_or_else(|| panic!("it ended before it served:\n{said}"));
        }
        let process = running.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        while let Some(line) = lines.next_line().await.unwrap() {
            said += &line;
        }
        running.wait().await.unwrap().code()
    };
    let code = timeout(PATIENCE, stop).await.expect("it stops");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("hint: authentik since 2025.10 sends email_verified: false by default"),
        "the issuer is authentik's by its path: {said}"
    );
    assert!(said.contains("limits on open files and connections soft="), "{said}");
    assert!(
        said.contains("vestibule listens") && said.contains("stopped") && !said.contains("coder-secret"),
        "{said}"
    );
}

/// The output of `check --online` with both neighbours running.
async fn check_online(world: &World) -> (Exit, String) {
    let config = world.config_file();
    let arguments = ["vestibule", "--config", config.to_str().unwrap(), "check", "--online"];
    let arguments: Vec<_> = arguments.iter().map(std::ffi::OsString::from).collect();
    let run = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = cli::run(arguments, &Environment::default(), &mut out, &mut err);
        out.extend(err);
        (exit, String::from_utf8(out).unwrap())
    };
    within(tokio::task::spawn_blocking(run)).await.unwrap()
}

#[tokio::test]
async fn a_sign_in_that_would_end_with_its_access_token_is_said_and_the_addresses_for_authentik_are() {
    let world = World::start().await;
    let (exit, text) = check_online(&world).await;
    assert_eq!(exit, Exit::Done, "{text}");
    for path in ["/api/v2/users/oidc/callback", "/vestibule/backchannel-logout", "/vestibule/signed-out"] {
        assert!(text.contains(&world.url(path)), "{path}: {text}");
    }
    world.provider.tune(|knobs| {
        knobs.discovery.insert("scopes_supported".to_owned(), json!(["openid", "email", "profile"]));
    });
    let (exit, text) = check_online(&world).await;
    assert_eq!(exit, Exit::Done, "a hint is no failure: {text}");
    for part in [
        "hint: The provider may send no refresh token",
        "does not list the scope",
        "mapping for \"offline_access\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    world.provider.tune(|knobs| knobs.redirect_uris = Some(Vec::new()));
    let (exit, text) = check_online(&world).await;
    assert_eq!(exit, Exit::Failed, "{text}");
    assert!(text.contains("wrong: The redirect URI is not registered") && text.contains("to do:"), "{text}");
    let world = World::without_gateway(Options::default()).await;
    let config = std::fs::read_to_string(world.config_file()).unwrap().replace(", offline_access", "");
    let found = app::check_online(Config::from_text(&config).unwrap(), Clock::system()).await;
    let lacking = found.iter().find(|finding| finding.cause.starts_with("oidc.scopes lacks offline_access"));
    assert!(lacking.is_some_and(|finding| finding.level == app::Level::Hint), "{found:?}");
}
