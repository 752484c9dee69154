//! Leftovers of the tools that write a configuration: quotes that `docker --env-file` keeps, variables
//! that nothing replaced, placeholders, and comments, for which an environment has no syntax.

use super::fault::ValueFault;

/// Placeholders for a value in examples, in lower case and with `-` between words.
const PLACEHOLDERS: [&str; 14] = [
    "change-it",
    "change-me",
    "changeit",
    "changeme",
    "fill-me-in",
    "from-the-provider",
    "make-one-up",
    "placeholder",
    "redacted",
    "replace-me",
    "replaceme",
    "tbd",
    "todo",
    "xxx",
];

/// Prefixes of placeholders, in the same form.
const PLACEHOLDER_STARTS: [&str; 4] = ["your-", "my-client-", "insert-", "replace-with-"];

/// The leftover in a value and its remedy, never the value. Only the environment (`by_variable`) keeps comments.
pub(super) fn of(text: &str, by_variable: bool) -> Option<ValueFault> {
    let fault = |what: &str, remedy: &str| Some(ValueFault::new(what, remedy));
    if is_quoted(text) {
        return fault(
            "begins and ends with a quotation mark, which is part of the value here (docker --env-file keeps quotes)",
            "Remove the quotation marks",
        );
    }
    if has_reference(text) {
        return fault(
            "contains a reference such as ${NAME}, which nothing has replaced",
            "Write the value itself, or have the tool that starts the gateway replace it",
        );
    }
    if is_placeholder(text) {
        return fault("is a placeholder", "Write the value that belongs there");
    }
    if by_variable && has_comment(text) {
        return fault(
            "contains ` #`, which is part of the value and does not begin a comment in a variable",
            "Remove everything after the value, and the space before it",
        );
    }
    None
}

/// Whether the value has quotes or a reference, which are wrong in every kind of setting.
pub(super) fn is_certain(text: &str) -> bool {
    is_quoted(text) || has_reference(text)
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|mark| {
        text.strip_prefix(*mark)
            .and_then(|rest| rest.strip_suffix(*mark))
            .is_some_and(|inner| !inner.is_empty() && !inner.contains(*mark))
    })
}

/// `${NAME}` of shells and Compose, `$(NAME)` of Kubernetes, `{{ name }}` of Helm and Ansible.
fn has_reference(text: &str) -> bool {
    [("${", "}"), ("$(", ")"), ("{{", "}}")].iter().any(|(open, close)| {
        text.split(open).skip(1).any(|rest| {
            let inner = rest.split_once(close).map_or("", |(inner, _)| inner.trim());
            inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '$'))
                && !inner.contains(char::is_control)
        })
    })
}

/// `<client-id>`, `change_me`, `YOUR-CLIENT-ID`.
fn is_placeholder(text: &str) -> bool {
    let bracketed =
        text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).is_some_and(|inner| !inner.is_empty());
    let plain = text.trim().to_lowercase().replace(['_', ' '], "-");
    bracketed
        || PLACEHOLDERS.contains(&plain.as_str())
        || PLACEHOLDER_STARTS.iter().any(|start| plain.starts_with(start) && !plain.contains('.'))
        || plain.len() >= 3 && plain.bytes().all(|byte| byte == b'x')
}

/// White space, `#`, and something like the start of a sentence.
fn has_comment(text: &str) -> bool {
    text.split_once(" #").or_else(|| text.split_once("\t#")).is_some_and(|(value, comment)| {
        !value.trim().is_empty() && comment.starts_with(|c: char| c == ' ' || c.is_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> Option<String> {
        of(text, true).map(|fault| fault.what)
    }

    #[test]
    fn what_a_tool_left_in_a_value_is_found() {
        for (text, part) in [
            ("\"abc\"", "quotation mark"),
            ("'abc'", "quotation mark"),
            ("${CLIENT_ID}", "reference"),
            ("https://${HOST}/application/o/coder/", "reference"),
            ("${CLIENT_ID:-none}", "reference"),
            ("$(CLIENT_ID)", "reference"),
            ("{{ .Values.clientID }}", "reference"),
            ("{{ client_id }}", "reference"),
            ("<client-id>", "placeholder"),
            ("changeme", "placeholder"),
            ("CHANGE_ME", "placeholder"),
            ("your-client-id", "placeholder"),
            ("YOUR_CLIENT_SECRET", "placeholder"),
            ("xxxxxxxx", "placeholder"),
            ("TODO", "placeholder"),
            ("abc # from authentik", "` #`"),
            ("abc #from authentik", "` #`"),
            ("abc\t# from authentik", "` #`"),
        ] {
            assert!(what(text).is_some_and(|what| what.contains(part)), "{text}: {:?}", what(text));
        }
    }

    #[test]
    fn ordinary_values_are_left_alone() {
        for text in [
            "",
            "a",
            "\"",
            "'",
            "''",
            "\"a",
            "a\"",
            "\"a\" or \"b\"",
            "coder's",
            "$ecret",
            "pa$$word",
            "${",
            "${}",
            "a{2}b{3}",
            "^(?P<name>[a-z]+)$",
            "^coder-[^$]*$",
            "{\"a\": \"b\"}",
            "#1",
            "a#b",
            "We are #1",
            "a #1",
            "todolist",
            "yours",
            "your-company.example.com",
            "xx",
            "<a> or <b>x",
            "https://a.example/x#y",
            "100% {fun}",
            "{{}}",
            "x",
        ] {
            assert_eq!(what(text), None, "{text}");
        }
    }

    #[test]
    fn a_comment_is_found_in_a_variable_only() {
        assert!(of("abc # c", true).is_some() && of("abc # c", false).is_none());
    }
}
