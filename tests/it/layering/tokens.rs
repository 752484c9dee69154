//! Rust source as tokens, without comments, texts and numbers. That is enough to read what a file
//! imports and defines, and a name in a comment or a message is never mistaken for code.

use std::iter::Peekable;
use std::str::CharIndices;

/// A token of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// `::`.
    PathSeparator,
    /// Any other character, one at a time.
    Sign(char),
}

impl Token {
    /// The identifier or keyword of this token.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::PathSeparator | Self::Sign(_) => None,
        }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    fn opens(&self) -> bool {
        matches!(self, Self::Sign('{' | '(' | '['))
    }

    fn closes(&self) -> bool {
        matches!(self, Self::Sign('}' | ')' | ']'))
    }
}

/// The tokens of a file that compiles.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = after_comment(rest).or_else(|| after_text(rest)).or_else(|| after_quote(rest)) {
            rest = after;
            continue;
        }
        let word = rest.len() - rest.trim_start_matches(is_of_word).len();
        let length = match word {
            0 if rest.starts_with("::") => {
                tokens.push(Token::PathSeparator);
                2
            }
            0 => {
                if !first.is_whitespace() {
                    tokens.push(Token::Sign(first));
                }
                first.len_utf8()
            }
            length => {
                if !first.is_numeric() {
                    tokens.push(Token::Word(rest[..length].to_owned()));
                }
                length
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_comment(rest: &str) -> Option<&str> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').map_or("", |end| &rest[end..]));
    }
    let mut inner = rest.strip_prefix("/*")?;
    let mut depth = 1;
    while depth > 0 {
        let at = inner.find(['/', '*'])?;
        let two = inner.get(at..at + 2).unwrap_or_default();
        let (change, length) = match two {
            "/*" => (1, 2),
            "*/" => (-1, 2),
            _ => (0, 1),
        };
        depth += change;
        inner = &inner[at + length..];
    }
    Some(inner)
}

/// The position after a string literal of any kind: `""`, `b""`, `c""`, `r""`, `br#""#`.
fn after_text(rest: &str) -> Option<&str> {
    let unprefixed = rest.trim_start_matches(['b', 'c', 'r']);
    let prefix = &rest[..rest.len() - unprefixed.len()];
    let unhashed = unprefixed.trim_start_matches('#');
    let hashes = &unprefixed[..unprefixed.len() - unhashed.len()];
    let inner = unhashed.strip_prefix('"').filter(|_| prefix.len() <= 2)?;
    if prefix.contains('r') {
        let end = format!("\"{hashes}");
        return inner.split_once(&end).map(|(_, after)| after);
    }
    if !hashes.is_empty() {
        return None;
    }
    let mut chars: Peekable<CharIndices<'_>> = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(&inner[at + 1..]),
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    None
}

/// The position after a character literal, or after the name of a lifetime.
fn after_quote(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escaped) = inner.strip_prefix('\\') {
        let mut chars = escaped.chars();
        chars.next();
        return chars.as_str().split_once('\'').map(|(_, after)| after);
    }
    let mut chars = inner.chars();
    chars.next();
    let literal = chars.as_str().strip_prefix('\'');
    Some(literal.unwrap_or_else(|| inner.trim_start_matches(is_of_word)))
}

/// The position of the bracket that closes the one at `open`.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.opens() {
            depth += 1;
        } else if token.closes() {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    panic!("a bracket is never closed");
}

/// The tokens, each with the number of open brackets around it.
pub(super) fn with_depth(tokens: &[Token]) -> impl Iterator<Item = (usize, usize, &Token)> {
    let mut depth = 0_usize;
    tokens.iter().enumerate().map(move |(at, token)| {
        if token.closes() {
            depth -= 1;
        }
        let around = depth;
        if token.opens() {
            depth += 1;
        }
        (at, around, token)
    })
}

/// Removes what is compiled for tests only.
pub(super) struct WithoutTests {
    pub(super) code: Vec<Token>,
    /// The modules that are declared for tests only and have their own files.
    pub(super) test_modules: Vec<String>,
}

impl WithoutTests {
    pub(super) fn of(tokens: &[Token]) -> Self {
        let attribute = self::tokens("#[cfg(test)]");
        let (mut code, mut test_modules) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at..].starts_with(&attribute) {
                let start = start_of_item(tokens, at + attribute.len());
                let end = end_of_item(tokens, start);
                if let [Token::Word(keyword), Token::Word(name), Token::Sign(';')] = &tokens[start..end]
                    && keyword == "mod"
                {
                    test_modules.push(name.clone());
                }
                at = end;
            } else {
                code.push(tokens[at].clone());
                at += 1;
            }
        }
        Self { code, test_modules }
    }
}

/// The position after further attributes and the visibility.
fn start_of_item(tokens: &[Token], mut at: usize) -> usize {
    while tokens[at] == Token::Sign('#') {
        at = closing(tokens, at + 1) + 1;
    }
    if tokens[at].is_word("pub") {
        at += 1;
        if tokens[at] == Token::Sign('(') {
            at = closing(tokens, at) + 1;
        }
    }
    at
}

/// The position after an item, a field, a variant or a statement.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    const KEYWORDS: &[&str] =
        &["async", "const", "enum", "fn", "impl", "mod", "static", "struct", "trait", "type", "unsafe"];
    let is_use = tokens[start].is_word("use");
    let is_item = tokens[start].word().is_some_and(|word| KEYWORDS.contains(&word));
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        if token.opens() {
            depth += 1;
        } else if token.closes() {
            if depth == 0 {
                return at;
            }
            depth -= 1;
            if depth == 0 && is_item && *token == Token::Sign('}') {
                return at + 1;
            }
        } else if depth == 0 {
            match token {
                Token::Sign(';') => return at + 1,
                Token::Sign(',') if !is_item && !is_use => return at + 1,
                _ => {}
            }
        }
    }
    tokens.len()
}

#[test]
fn comments_texts_and_numbers_are_no_code() {
    let words =
        |text| -> Vec<String> { tokens(text).iter().filter_map(Token::word).map(str::to_owned).collect() };
    let code =
        "a /* b /* c */ d */ // e\n\"f \\\" g\" r#\"h \" i\"# b\"j\" 'k' '\\'' '\\u{1f}' &'l m 0x1f 2_u8 n";
    assert_eq!(words(code), ["a", "m", "n"]);
    assert_eq!(words("br##\"x\"# y\"## z crab"), ["z", "crab"]);
    assert_eq!(tokens("a::b"), [Token::Word("a".into()), Token::PathSeparator, Token::Word("b".into())]);
}

#[test]
fn what_is_for_tests_only_is_left_out_whole() {
    for (text, code, modules) in [
        ("a #[cfg(test)] use b::{c, d}; e", "a e", ""),
        ("#[cfg(test)] mod tests { fn f() { x; } } y", "y", ""),
        ("#[cfg(test)] #[path(\"x\")] pub(crate) mod tests; y", "y", "tests"),
        ("struct A { #[cfg(test)] b: C<D>, e: F }", "struct A e F", ""),
        ("impl A { #[cfg(test)] fn b<C, D>(e: [u8; 2]) -> F { g } h }", "impl A h", ""),
    ] {
        let left = WithoutTests::of(&tokens(text));
        let words: Vec<_> = left.code.iter().filter_map(Token::word).collect();
        assert_eq!(
            (words.join(" ").as_str(), left.test_modules.join(" ").as_str()),
            (code, modules),
            "{text}"
        );
    }
}
