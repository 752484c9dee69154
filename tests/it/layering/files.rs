//! The files of `src` as code, without tests.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::sources;
use super::tokens::{Token, WithoutTests, closing, tokens, with_depth};

/// A file and its code.
pub(super) struct CodeFile {
    /// Relative to `src`: `grant/store/mod.rs`.
    pub(super) name: String,
    /// Its module path: `grant::store`, or empty for `lib.rs`.
    pub(super) module: String,
    pub(super) code: Vec<Token>,
    /// Its items, except those in functions, traits or impl blocks.
    pub(super) definitions: Vec<Definition>,
}

/// An item with a name.
pub(super) struct Definition {
    pub(super) keyword: String,
    pub(super) name: String,
    /// Whether other files may see it.
    is_public: bool,
}

impl Definition {
    /// Whether this is a type or a trait. An alias counts when other files may see it: else it only shortens a name.
    pub(super) fn is_type(&self) -> bool {
        match self.keyword.as_str() {
            "struct" | "enum" | "trait" => true,
            "type" => self.is_public,
            _ => false,
        }
    }
}

/// All non-test files of the library.
pub(super) fn library() -> &'static [CodeFile] {
    static LIBRARY: OnceLock<Vec<CodeFile>> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let sources = sources();
        code_files(sources.iter().map(|source| (source.name.as_str(), source.text.as_str())))
    })
}

/// The non-test files among these, given as names and texts.
pub(super) fn code_files<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Vec<CodeFile> {
    let (mut files, mut tests) = (Vec::new(), BTreeSet::new());
    for (name, text) in texts {
        // The program's own file is not a module of the library.
        if name == "main.rs" {
            continue;
        }
        let module = module_of(name);
        let WithoutTests { code, test_modules } = WithoutTests::of(&tokens(text));
        tests.extend(test_modules.into_iter().map(|test| join(&module, &test)));
        let definitions = definitions(&code);
        files.push(CodeFile { name: name.to_owned(), module, code, definitions });
    }
    let is_test = |module: &str| tests.iter().any(|test| is_within(module, test));
    files.retain(|file| !is_test(&file.module));
    files
}

fn module_of(name: &str) -> String {
    let path = name.strip_suffix(".rs").unwrap_or(name);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

/// The path of an item in a module.
pub(super) fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn is_within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn definitions(code: &[Token]) -> Vec<Definition> {
    const KEYWORDS: &[&str] =
        &["const", "enum", "fn", "macro_rules", "mod", "static", "struct", "trait", "type"];
    let mut found = Vec::new();
    for (at, depth, token) in with_depth(code) {
        let Some(keyword) = token.word().filter(|word| depth == 0 && KEYWORDS.contains(word)) else {
            continue;
        };
        let after = at + 1 + usize::from(keyword == "macro_rules");
        if let Some(name) = code.get(after).and_then(Token::word) {
            // `pub` or `pub(…)` before it.
            let is_public = at > 0 && (code[at - 1].is_word("pub") || code[at - 1] == Token::Sign(')'));
            found.push(Definition { keyword: keyword.to_owned(), name: name.to_owned(), is_public });
        }
    }
    found
}

/// The types with inherent impl blocks in a file: `impl Type { … }`.
pub(super) fn inherent_impls(code: &[Token]) -> BTreeSet<String> {
    // Elsewhere the word begins a type: `-> impl Iterator`.
    let begins_item = |at: usize| at == 0 || matches!(code[at - 1], Token::Sign(';' | '}' | ']'));
    let impls = with_depth(code)
        .filter(|(at, depth, token)| *depth == 0 && token.is_word("impl") && begins_item(*at));
    impls.filter_map(|(at, ..)| inherent_impl(&code[at + 1..])).collect()
}

/// The type after `impl`; `None` where a trait is implemented.
fn inherent_impl(header: &[Token]) -> Option<String> {
    let mut angles = 0_usize;
    let mut name = None;
    for (at, token) in header.iter().enumerate() {
        let is_arrow = at > 0 && header[at - 1] == Token::Sign('-');
        match token {
            Token::Sign('<') => angles += 1,
            Token::Sign('>') if !is_arrow => angles -= 1,
            Token::Sign('{') if angles == 0 => break,
            Token::Word(word) if angles == 0 => match word.as_str() {
                "for" => return None,
                "where" => break,
                word => name = Some(word.to_owned()),
            },
            _ => {}
        }
    }
    name
}

/// The end of a visibility with a path that begins at this word, if one does.
pub(super) fn visibility(code: &[Token], at: usize) -> Option<usize> {
    (code[at].is_word("pub") && code.get(at + 1) == Some(&Token::Sign('('))).then(|| closing(code, at + 1))
}

#[test]
fn definitions_and_inherent_impls_are_told_from_the_rest() {
    let text = "pub struct A<T>(T); enum B { C } impl<T: Fn() -> u8> A<T> { const D: u8 = 1; fn e() { struct F; } } \
                impl From<A> for B { type G = u8; } impl super::H where H: I {} pub(super) type J = A; type K = A; \
                trait L { type M; } fn n() -> impl O {}";
    let file = &code_files([("a/mod.rs", text)])[0];
    let named = |types: bool| -> Vec<&str> {
        let found = file.definitions.iter().filter(|definition| definition.is_type() == types);
        found.map(|definition| definition.name.as_str()).collect()
    };
    assert_eq!(file.module, "a");
    assert_eq!((named(true), named(false)), (vec!["A", "B", "J", "L"], vec!["K", "n"]));
    assert_eq!(inherent_impls(&file.code).into_iter().collect::<Vec<_>>(), ["A", "H"]);
}

#[test]
fn a_module_that_is_declared_for_tests_is_no_code_with_all_below_it() {
    let files = [
        ("a/mod.rs", "#[cfg(test)] mod tests; mod b;"),
        ("a/tests/mod.rs", "mod c;"),
        ("a/tests/c.rs", ""),
        ("a/b.rs", ""),
    ];
    let names: Vec<_> = code_files(files).into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a/mod.rs", "a/b.rs"]);
}

/// What lasts is measured with `Clock::now`, which nobody can set. The wall clock is for what a protocol says (the
/// provider's tokens, certificates) and for what people read.
#[test]
fn only_protocols_and_people_are_given_the_wall_clock() {
    const READERS: [&str; 8] = [
        "app/check/certificate_chain.rs",
        "gateway/sessions_page.rs",
        "oidc/login_flow.rs",
        "oidc/probe.rs",
        "oidc/refresh.rs",
        "oidc/user_info.rs",
        "oidc/verifier.rs",
        "types/clock.rs",
    ];
    let reads = |file: &&CodeFile| file.code.iter().any(|token| token.is_word("wall"));
    let readers: Vec<_> = library().iter().filter(reads).map(|file| file.name.as_str()).collect();
    assert_eq!(readers, READERS);
}
