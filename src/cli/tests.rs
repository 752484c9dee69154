use std::process::ExitCode;

use super::*;

const MINIMAL: &str = include_str!("../../config/minimal.yaml");

struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

/// Runs with the text as configuration file.
fn run_with(yaml: &str, arguments: &[&str]) -> Ran {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    let path = file.path().to_str().unwrap();
    let all: Vec<OsString> =
        ["vestibule", "--config", path].iter().chain(arguments).map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(all, &Environment::default(), &mut out, &mut err);
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

#[test]
fn wrong_arguments_exit_with_64_and_say_how_it_goes() {
    for arguments in
        [&["frobnicate"][..], &["--frobnicate"], &["coder-env", "--format", "xml"], &["check", "--gateway"]]
    {
        let ran = run_with(MINIMAL, arguments);
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Usage, ""), "{arguments:?}");
        assert!(ran.err.contains("--help") || ran.err.contains("possible values"), "{}", ran.err);
    }
    assert_eq!(ExitCode::from(Exit::Usage), ExitCode::from(64));
}

#[test]
fn help_and_version_are_no_failure() {
    for (argument, text) in [("--help", "coder-env"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let ran = run_with("", &[argument]);
        assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
        assert!(ran.out.contains(text), "{}", ran.out);
    }
}

#[test]
fn every_command_refuses_a_wrong_configuration_with_64() {
    let wrong =
        MINIMAL.replace("clientID: cid", "clientld: canary").replace("accessURL: http", "accessURL: canary");
    for arguments in [&[][..], &["serve"], &["check"], &["check", "--online"], &["coder-env"]] {
        let ran = run_with(&wrong, arguments);
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Usage, ""), "{arguments:?}");
        for part in [
            "the configuration has 3 mistakes",
            ":5: coder.accessURL",
            "oidc.clientld",
            "CODER_OIDC_CLIENT_ID",
        ] {
            assert!(ran.err.contains(part), "{part}: {}", ran.err);
        }
        assert!(!ran.err.contains("canary") && !ran.err.contains("coder-secret"), "{}", ran.err);
    }
}

#[test]
fn check_says_what_is_understood_and_no_secret() {
    let more = "policy: {routes: [{class: swagger, effect: dangerAllow}]}\n";
    let ran = run_with(&format!("{MINIMAL}{more}"), &["check"]);
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
    for part in [
        "http://127.0.0.1:3000/",
        "http://127.0.0.1:9100/application/o/coder/",
        "email addresses in acme.company",
        "http://127.0.0.1:3000/api/v2/users/oidc/callback",
        "warning: policy.routes opens the class swagger",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains("coder-secret") && !ran.out.contains("sec\n"), "{}", ran.out);
}

/// authentik's own guide for Coder has neither the setting nor the mapping (2025.10 and later).
#[test]
fn check_says_beforehand_that_authentik_calls_no_address_verified_and_that_is_no_failure() {
    let ran = run_with(MINIMAL, &["check"]);
    assert_eq!(ran.exit, Exit::Done);
    for part in [
        "hint: authentik since 2025.10 sends email_verified: false by default",
        "\"email_verified\": True",
        "CODER_OIDC_IGNORE_EMAIL_VERIFIED",
        "coder-env",
        "docs/authentik.md",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ignored = MINIMAL.replace("oidc:\n", "oidc:\n  ignoreEmailVerified: true\n");
    let another = MINIMAL.replace("9100/application/o/coder/", "9100/realms/acme");
    for quiet in [ignored, another] {
        let ran = run_with(&quiet, &["check"]);
        assert!(ran.exit == Exit::Done && !ran.out.contains("hint:"), "{}", ran.out);
    }
}

/// authentik's form preselects `default-provider-invalidation-flow`, which leaves its session alive (2026.8.0-rc1).
#[test]
fn check_names_the_invalidation_flow_where_a_sign_out_is_to_end_the_session_at_authentik() {
    let ran = run_with(&format!("{MINIMAL}signOut:\n  from: provider\n"), &["check"]);
    assert!(ran.exit == Exit::Done && ran.out.contains("default-invalidation-flow"), "{}", ran.out);
}

/// A reader that left early, and a full disk.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_left_is_no_failure_and_a_full_disk_is_one() {
    let arguments = || ["vestibule", "--help"].map(OsString::from);
    let environment = Environment::default();
    for (kind, exit) in [(io::ErrorKind::BrokenPipe, Exit::Done), (io::ErrorKind::StorageFull, Exit::Failed)]
    {
        assert_eq!(run(arguments(), &environment, &mut Broken(kind), &mut Vec::new()), exit);
    }
}
