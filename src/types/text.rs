//! Text of others, made fit for a page or a log line.

/// At most `max` characters of a text, without control characters, line and paragraph separators
/// and those that turn the direction of writing round.
pub fn printable(text: &str, max: usize) -> String {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars().filter(|c| !c.is_control() && !hidden(*c)).take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_dropped_and_length_is_bounded() {
        assert_eq!(printable("a\r\nb\u{202e}c\0\u{1b}[31m", 50), "abc[31m");
        assert_eq!(printable("ééééé", 3), "ééé");
    }
}
