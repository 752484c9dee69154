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
        let ValueFault { what, remedy } = origin(text).expect_err(text);
        assert!(!what.contains("canary") && !remedy.contains("canary"));
    }
}
