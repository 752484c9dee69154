//! Checks whether Go's package `regexp` accepts a regular expression, as far as Rust's parser can tell: both
//! come from RE2. Differences between the dialects are handled here; in doubt an expression is accepted.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    self, Ast, ErrorKind, Flag, FlagsItemKind, HexLiteralKind, LiteralKind, RepetitionRange,
};

use crate::config::fault::ValueFault;
use crate::config::parse;

/// The most repetitions that Go accepts (`regexp/syntax`).
const MAX_REPEAT: u32 = 1000;

/// The expression as written, unless Coder would not start with it.
pub(super) fn check(text: &str) -> Result<String, ValueFault> {
    let text = parse::text(text)?;
    if goes(&text) {
        return Ok(text);
    }
    let remedy = "Write it in the syntax of RE2, without lookaround and backreferences: `^coder-.*$`";
    Err(ValueFault::new("is not a regular expression that Coder accepts", remedy))
}

fn goes(text: &str) -> bool {
    // Only Go has quoted parts.
    if text.contains(r"\Q") {
        return true;
    }
    match ParserBuilder::new().octal(true).build().parse(text) {
        Ok(ast) => !matches!(ast::visit(&ast, RustAlone), Err(NotInGo)),
        Err(error) => !is_certain(&error, text),
    }
}

/// Whether what Rust's parser rejects is wrong in Go too.
fn is_certain(error: &ast::Error, text: &str) -> bool {
    // In Go a bracket within brackets is an ordinary character.
    let nested = text.split('[').skip(1).any(|class| !class.contains(']'));
    let at = text.get(error.span().start.offset..).unwrap_or_default();
    match error.kind() {
        ErrorKind::EscapeHexEmpty
        | ErrorKind::EscapeHexInvalid
        | ErrorKind::EscapeHexInvalidDigit
        | ErrorKind::EscapeUnexpectedEof
        | ErrorKind::EscapeUnrecognized
        | ErrorKind::FlagUnrecognized
        | ErrorKind::GroupNameDuplicate { .. }
        | ErrorKind::RepetitionCountInvalid
        | ErrorKind::UnsupportedBackreference
        | ErrorKind::UnsupportedLookAround => true,
        ErrorKind::ClassRangeInvalid
        | ErrorKind::ClassUnclosed
        | ErrorKind::GroupUnclosed
        | ErrorKind::GroupUnopened => !nested || text.matches('[').count() == 1,
        // In Go a brace that does not begin a repetition is an ordinary character.
        ErrorKind::RepetitionMissing => !at.starts_with('{'),
        _ => false,
    }
}

/// The expression uses something that Rust has and Go does not.
struct NotInGo;

/// Looks for it.
struct RustAlone;

impl ast::Visitor for RustAlone {
    type Output = ();
    type Err = NotInGo;

    fn finish(self) -> Result<(), NotInGo> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), NotInGo> {
        let only_here = match ast {
            Ast::Flags(set) => has_flag_of_rust(&set.flags),
            Ast::Group(group) => group.flags().is_some_and(has_flag_of_rust),
            Ast::Literal(literal) => is_literal_of_rust(literal),
            Ast::Repetition(repetition) => {
                matches!(*repetition.ast, Ast::Repetition(_)) || repeats_too_often(repetition)
            }
            _ => false,
        };
        if only_here { Err(NotInGo) } else { Ok(()) }
    }
}

/// Go knows `i`, `m`, `s` and `U`.
fn has_flag_of_rust(flags: &ast::Flags) -> bool {
    let of_rust = |flag: &Flag| matches!(flag, Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace);
    flags.items.iter().any(|item| matches!(&item.kind, FlagsItemKind::Flag(flag) if of_rust(flag)))
}

/// `\u0041`; and `\1`, which Go refuses as a backreference.
fn is_literal_of_rust(literal: &ast::Literal) -> bool {
    match literal.kind {
        LiteralKind::HexFixed(ref kind) | LiteralKind::HexBrace(ref kind) => {
            !matches!(kind, HexLiteralKind::X)
        }
        LiteralKind::Octal => {
            let digits = literal.span.end.offset - literal.span.start.offset - 1;
            digits == 1 && literal.c != '\0'
        }
        _ => false,
    }
}

fn repeats_too_often(repetition: &ast::Repetition) -> bool {
    match &repetition.op.kind {
        ast::RepetitionKind::Range(
            RepetitionRange::Exactly(most)
            | RepetitionRange::AtLeast(most)
            | RepetitionRange::Bounded(_, most),
        ) => *most > MAX_REPEAT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_takes_is_taken() {
        for text in [
            ".*",
            "^coder-.*$",
            "^(a|b)+?$",
            r"\d+\w*\s",
            "(?i)admins",
            "(?P<n>a)",
            "(?<n>a)",
            "(?P<1>a)",
            "(?U)a*",
            "[[:alpha:]]+",
            r"\pL\p{Greek}",
            r"\x41\x{41}\012",
            r"\Q*(\E",
            "a{",
            "a{,5}",
            "{",
            "a{2,1000}",
            "[a[b]",
            "[a[(]",
            "[]a]",
            r"\/\-\_",
            r"\A.*\z",
            "(a*)*",
            "",
            "ä+",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "(",
            "a)",
            "[a",
            "*a",
            "*.coder",
            "+",
            "a|*",
            "a**",
            "a++",
            "x{1}{2}",
            "a{1001}",
            "a{2,1}",
            "[z-a]",
            "(?=x)",
            "(?!x)",
            "(?<=x)",
            "(?<!x)",
            r"\1",
            r"(a)\1",
            r"\9",
            "(?P=n)",
            "(?z)a",
            "(?x) a",
            "(?u)a",
            "(?P<n>a)(?P<n>b)",
            r"\Z",
            r"\h",
            r"\u0041",
            r"\x4",
            r"\x{}",
            r"a\",
            "(?#c)",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
