//! Makes text from outside safe for a page, a log line or a terminal.

/// Whether a character is visible in its place and does not affect its neighbours. Control characters, line and
/// paragraph separators, invisible characters, tags, and Unicode bidirectional controls are not.
pub fn is_printable(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !hidden
}

/// The first `max` printable characters of a text; the others are left out. See [`is_printable`].
pub fn printable(text: &str, max: usize) -> String {
    text.chars().filter(|c| is_printable(*c)).take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_dropped_and_length_is_bounded() {
        assert_eq!(printable("a\r\nb\u{202e}c\0\u{1b}[31m", 50), "abc[31m");
        assert_eq!(printable("ééééé", 3), "ééé");
    }

    #[test]
    fn what_hides_or_turns_the_reading_direction_is_dropped_and_writing_stays() {
        for c in [
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{2028}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
            '\u{85}',
            '\t',
        ] {
            assert!(!is_printable(c), "{c:?}");
            assert_eq!(printable(&format!("a{c}b"), 5), "ab");
        }
        assert_eq!(printable("Zoë 名前 <b> שלום", 50), "Zoë 名前 <b> שלום");
    }
}
