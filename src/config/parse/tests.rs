use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_duration_is_read_as_go_writes_it() {
    for (text, expected) in [
        ("90s", secs(90)),
        ("1h30m", secs(5400)),
        ("1h0m0s", secs(3600)),
        ("1.5h", secs(5400)),
        ("500ms", Duration::from_millis(500)),
        ("720h", secs(720 * 3600)),
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
    ] {
        assert_eq!(duration(text), Ok(expected), "{text}");
    }
}

#[test]
fn a_duration_without_a_unit_or_beyond_measure_is_refused() {
    for text in [
        "", "90", "s", "1x", "-1s", "+1s", "1s ", " 1s", "1 s", "1h30", "1..5s", ".s", "1e3s", "é", "9é",
        "1d",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
    for text in ["99999999999999999999h", "87601h", &format!("{}s", "9".repeat(400))] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_boolean_is_read_as_go_reads_it_and_nothing_else_is() {
    for text in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(boolean(text), Ok(true));
    }
    for text in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(boolean(text), Ok(false));
    }
    for text in ["", "yes", "on", "tRUE", "2", " true"] {
        assert!(boolean(text).is_err(), "{text}");
    }
}

#[test]
fn a_list_is_one_line_of_csv() {
    for (text, expected) in [
        ("", &[][..]),
        ("a", &["a"]),
        ("a,b", &["a", "b"]),
        (" a , b ", &["a", "b"]),
        ("\"a,b\",c", &["a,b", "c"]),
        ("\"say \"\"x\"\"\" , c", &["say \"x\"", "c"]),
    ] {
        assert_eq!(list(text).unwrap(), expected, "{text}");
    }
    for text in [",", "a,", ",a", "a,,b", "\"a", "\"a\"b", "\"\""] {
        assert!(list(text).is_err(), "{text}");
    }
}

#[test]
fn a_network_may_be_a_single_address() {
    for (text, expected) in [
        ("10.0.0.1", "10.0.0.1/32"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("::1", "::1/128"),
        ("fd00::/8", "fd00::/8"),
    ] {
        assert_eq!(network(text).unwrap().to_string(), expected);
    }
    for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "10.0.0.1:80"] {
        assert!(network(text).is_err(), "{text}");
    }
}

#[test]
fn an_address_needs_a_port_and_no_name() {
    assert!(address("127.0.0.1:3000").is_ok() && address("[::]:3000").is_ok());
    for text in ["3000", ":3000", "localhost:3000", "127.0.0.1", "http://127.0.0.1:3000", "127.0.0.1:70000"] {
        assert!(address(text).is_err(), "{text}");
    }
}

#[test]
fn an_origin_has_neither_path_nor_secrets() {
    for text in ["https://c.example.com", "https://c.example.com/", "http://127.0.0.1:3100"] {
        assert!(origin(text).is_ok(), "{text}");
    }
    for text in [
        "c.example.com",
        "c.example.com:3000",
        "ftp://c.example.com",
        "unix:/run/coder",
        "https://",
        "https://c.example.com/coder",
        "https://c.example.com/?a",
        "https://c.example.com/#a",
        "https://user@c.example.com",
        "https://user:canary@c.example.com",
    ] {
        let (what, remedy) = origin(text).expect_err(text);
        assert!(!what.contains("canary") && !remedy.contains("canary"));
    }
}

#[test]
fn a_wildcard_is_read_by_coders_rules() {
    for (text, expected) in [
        ("*.apps.example.com", "*.apps.example.com"),
        ("*.Apps.Example.com", "*.apps.example.com"),
        ("*--dev.example.com", "*--dev.example.com"),
        ("*.apps.example.com:8443", "*.apps.example.com:8443"),
    ] {
        assert_eq!(wildcard(text).as_deref(), Ok(expected));
    }
    for text in [
        "",
        "apps.example.com",
        "*",
        "*com",
        "*.com.",
        "*.*.example.com",
        "a.*.example.com",
        "https://*.example.com",
        "*.exa mple.com",
        "*.example.com:0",
        "*.example.com:x",
        "*..example.com",
        "*-.example.com",
        "*.-a.example.com",
    ] {
        assert!(wildcard(text).is_err(), "{text}");
    }
}

#[test]
fn a_prompt_that_lets_nobody_in_is_refused() {
    assert!(prompt("login").is_ok() && prompt("login consent").is_ok());
    for text in ["none", "login none", "", "create", "login  consent"] {
        assert!(prompt(text).is_err(), "{text}");
    }
}

#[test]
fn a_log_level_may_be_by_module() {
    assert!(log_level("debug").is_ok() && log_level("info,vestibule::grant=debug,hyper=off").is_ok());
    for text in ["", "verbose", "info,", "vestibule=", "=info", "[x]=info", "info;debug"] {
        assert!(log_level(text).is_err(), "{text}");
    }
}
