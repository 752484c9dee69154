use super::*;

fn text_at(source: &str, key: &str) -> String {
    let YamlValue::Map(entries) = parse(source).unwrap().value else { panic!("no mapping") };
    let entry = entries.into_iter().find(|entry| entry.key == key).unwrap();
    let YamlValue::Text(text) = entry.node.value else { panic!("no text") };
    text
}

/// Numbers, booleans, dates, octals, hexadecimals and words like null, as YAML 1.1 and 1.2 would read them.
const SCALARS: &str = "\
    0123 1_000 +7 -0 00 1.50 1. -.5 1e9 1e999 -1e999 12345e678 99999999999999999999999999 0x1F 0XFF \
    0o17 0O17 017 0b101 1:30:45 .nan .NaN .inf -.INF +.inf yes Yes no on Off y N true TRUE False nil \
    None NuLL nULL undefined 2001-01-01 2001-12-14t21:59:43.10-05:00 12:30 1e 0x = ١٢";

#[test]
fn scalars_keep_the_text_that_was_written() {
    for text in SCALARS.split_ascii_whitespace() {
        assert_eq!(text_at(&format!("# é\nk: {text} # c\n"), "k"), text);
        assert_eq!(text_at(&format!("{{\"k\": \"{text}\"}}"), "k"), text);
        assert_eq!(text_at(&format!("{{k: '{text}'}}"), "k"), text);
        assert_eq!(text_at(&format!("a: &x {text}\nk: *x\n"), "k"), text);
        assert_eq!(text_at(&format!("k: !!str {text}\n"), "k"), text);
        assert_eq!(text_at(&format!("k: |-\n  {text}\n"), "k"), text);
        let items = parse(&format!("- {text}\n- [{{ {text}: x }}]\n")).unwrap();
        let YamlValue::List(items) = items.value else { panic!("no list") };
        assert!(matches!(&items[0].value, YamlValue::Text(item) if item == text), "{text}");
        let YamlValue::List(maps) = &items[1].value else { panic!("no list") };
        assert!(matches!(&maps[0].value, YamlValue::Map(entries) if entries[0].key == text), "{text}");
    }
}

#[test]
fn a_scalar_with_a_tag_is_its_text_without_the_quotes() {
    for (written, text) in [
        ("!!int \"12\"", "12"),
        ("!!int '12'", "12"),
        ("!!int 12", "12"),
        ("!!int &a \"12\"", "12"),
        ("!!int \"\\x31\\x32\"", "12"),
        ("!!int |\n  12", "12"),
        ("!!float '1.50'", "1.50"),
        ("!!float \"1e999\"", "1e999"),
        ("!!bool \"yes\"", "yes"),
        ("!!str null", "null"),
        ("! 012", "012"),
        ("!ours 012", "012"),
    ] {
        assert_eq!(text_at(&format!("k: {written}\n"), "k"), text, "{written}");
    }
}

#[test]
fn nothing_is_null_and_so_are_the_words_for_it_but_not_as_a_key() {
    for text in ["", "~", "null", "Null", "NULL"] {
        let YamlValue::Map(entries) = parse(&format!("k: {text}\n")).unwrap().value else { panic!("no map") };
        assert!(matches!(entries[0].node.value, YamlValue::Null), "{text}");
        assert_eq!(text_at(&format!("k: '{text}'\n"), "k"), text);
        let YamlValue::Map(entries) = parse(&format!("? {text}\n: x\n")).unwrap().value else {
            panic!("no map")
        };
        assert_eq!(entries[0].key, text);
    }
}

#[test]
fn keys_that_are_there_twice_are_found_at_any_depth() {
    let yaml = "a: {x: 1, 'x': 2}\nb:\n  - c:\n      y: 1\n      z: 2\n      y: 3\n";
    assert_eq!(parse(yaml).unwrap().twice(), [("x", 1), ("y", 6)]);
    assert!(parse("a: {x: 1}\nb: {x: 1}\n").unwrap().twice().is_empty());
}

#[test]
fn duplicate_keys_are_both_kept_with_their_lines() {
    let YamlValue::Map(entries) = parse("a: 1\nb: 2\na: 3\n").unwrap().value else { panic!("no mapping") };
    assert_eq!(
        entries.iter().map(|e| (e.key.as_str(), e.line)).collect::<Vec<_>>(),
        [("a", 1), ("b", 2), ("a", 3)]
    );
}

#[test]
fn what_is_no_yaml_is_refused_with_its_line_and_none_of_its_text() {
    let cases = [
        "a: [canary",
        "a: *canary",
        "a: !canary%zz x",
        "a: \"canary\n",
        "a: %canary\n  - @canary: @canary",
        "a: 1\n---\ncanary: 2",
        "a: b: canary",
        "a: !!binary canary!",
        "{canary",
        "? [canary]\n: 1",
        "a: !!int canary",
        "a: !!canary canary",
        "a: !!float canary",
        "a: !!timestamp canary",
    ];
    for source in cases {
        match parse(source) {
            Err(error) => {
                assert!(!error.what.contains("canary"), "{source:?}: {}", error.what);
                assert!(error.line > 0, "{source:?}: {}", error.what);
            }
            Ok(node) => assert!(!format!("{node:?}").contains("Text(canary"), "{source:?}"),
        }
    }
    let deep = "[".repeat(10_000);
    assert!(parse(&deep).is_err());
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(parse(laughs).is_err());
}
