//! Lists in one line of text, as in Coder's variables: `a,b` or `"a,b",c` (CSV).

use super::fault::ValueFault;

/// The fields of one line. White space around a field is dropped.
pub(super) fn read(text: &str) -> Result<Vec<String>, ValueFault> {
    let mut fields = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Ok(fields);
    }
    loop {
        let (field, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let (field, tail) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            (field.trim().to_owned(), tail)
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    if fields.iter().any(String::is_empty) {
        return Err(ValueFault::new("has an empty entry", "Remove the extra comma"));
    }
    Ok(fields)
}

/// The text up to the closing quote, and what follows it.
fn quoted_field(text: &str) -> Result<(String, &str), ValueFault> {
    let bad = || {
        ValueFault::new(
            "has quotes that do not match",
            "Separate entries with commas, and double every quote within quotes",
        )
    };
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or_else(bad)?;
        let (part, tail) = rest.split_at(end);
        field.push_str(part);
        let tail = tail.strip_prefix('"').ok_or_else(bad)?;
        if let Some(more) = tail.strip_prefix('"') {
            field.push('"');
            rest = more;
            continue;
        }
        let tail = tail.trim_start();
        return if tail.is_empty() || tail.starts_with(',') { Ok((field, tail)) } else { Err(bad()) };
    }
}

/// A line from which [`read`] returns the same fields.
pub(super) fn write<T: AsRef<str>>(fields: &[T]) -> String {
    let quoted = |field: &str| field.contains(['"', ',', '\n', '\r']) || field.trim() != field;
    let written = |field: &T| match field.as_ref() {
        field if quoted(field) => format!("\"{}\"", field.replace('"', "\"\"")),
        field => field.to_owned(),
    };
    fields.iter().map(written).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for text in [",", "a,", ",a", "a,,b", "\"a", "\"a\"b", "\"\""] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_fields() {
        for fields in [&[][..], &["a"], &["a,b", "c"], &["say \"x\"", " c "], &["two\nlines", "d"]] {
            assert_eq!(read(&write(fields)).unwrap(), fields);
        }
    }
}
