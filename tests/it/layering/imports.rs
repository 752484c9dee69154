//! Which file imports which: the `use` declarations and the paths in the code, followed through re-exports to the
//! file that defines the named item. A re-export itself is not an import.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{CodeFile, join, visibility};
use super::tokens::Token;

/// The files, by name, and the files that each imports.
pub(super) type ImportGraph = BTreeMap<String, BTreeSet<String>>;

/// A path that a file names.
struct NamedPath {
    /// The segments; the last is `*` where everything is imported.
    segments: Vec<String>,
    /// Its name in the file.
    alias: Option<String>,
    is_reexport: bool,
}

/// The target of a re-export.
struct Reexport {
    module: String,
    /// The item there; `None` for the module itself.
    item: Option<String>,
}

/// The modules and their re-exports.
struct Modules<'f> {
    files: BTreeMap<&'f str, &'f CodeFile>,
    /// By module and name. The name `*` means everything in the other module.
    reexports: BTreeMap<(String, String), Vec<Reexport>>,
}

pub(super) fn import_graph(files: &[CodeFile]) -> ImportGraph {
    let paths: Vec<(&CodeFile, Vec<NamedPath>)> =
        files.iter().map(|file| (file, named_paths(file))).collect();
    let mut modules = Modules {
        files: files.iter().map(|file| (file.module.as_str(), file)).collect(),
        reexports: BTreeMap::new(),
    };
    for (file, path) in each(&paths).filter(|(_, path)| path.is_reexport) {
        let Some((module, rest)) = modules.locate(&file.module, &path.segments) else { continue };
        let name = path.alias.as_ref().or(path.segments.last()).expect("a path has segments");
        let reexport = Reexport { module, item: rest.first().cloned() };
        modules.reexports.entry((file.module.clone(), name.clone())).or_default().push(reexport);
    }
    let mut graph: ImportGraph = files.iter().map(|file| (file.name.clone(), BTreeSet::new())).collect();
    for (file, path) in each(&paths).filter(|(_, path)| !path.is_reexport) {
        let Some((module, rest)) = modules.locate(&file.module, &path.segments) else { continue };
        let defining = rest.first().and_then(|name| modules.defining(&module, name, 0)).unwrap_or(module);
        if let Some(target) = modules.files.get(defining.as_str()).filter(|target| target.name != file.name) {
            graph.entry(file.name.clone()).or_default().insert(target.name.clone());
        }
    }
    graph
}

fn each<'p, 'f>(
    paths: &'p [(&'f CodeFile, Vec<NamedPath>)],
) -> impl Iterator<Item = (&'f CodeFile, &'p NamedPath)> {
    paths.iter().flat_map(|(file, paths)| paths.iter().map(move |path| (*file, path)))
}

impl Modules<'_> {
    /// The module that a path of the module `from` leads to, and the remaining segments. `None` for a path into
    /// another crate.
    fn locate(&self, from: &str, path: &[String]) -> Option<(String, Vec<String>)> {
        let mut segments = path.iter().peekable();
        let mut module = match segments.peek()?.as_str() {
            "crate" => String::new(),
            "self" | "super" => from.to_owned(),
            child if self.files.contains_key(join(from, child).as_str()) => from.to_owned(),
            _ => return None,
        };
        while let Some(segment) = segments.next_if(|one| matches!(one.as_str(), "crate" | "self" | "super")) {
            if segment == "super" {
                module = module.rsplit_once("::").map(|(outer, _)| outer.to_owned()).unwrap_or_default();
            }
        }
        while let Some(segment) =
            segments.next_if(|segment| self.files.contains_key(join(&module, segment).as_str()))
        {
            module = join(&module, segment);
        }
        Some((module, segments.cloned().collect()))
    }

    /// The module that defines `name` as seen in `module`.
    fn defining(&self, module: &str, name: &str, followed: usize) -> Option<String> {
        let file = self.files.get(module)?;
        if file.definitions.iter().any(|definition| definition.name == name) {
            return Some(module.to_owned());
        }
        assert!(followed < 16, "re-exports of {name} lead in a circle from {module}");
        let reexports = |name: &str| self.reexports.get(&(module.to_owned(), name.to_owned()));
        if let Some(Reexport { module, item }) = reexports(name).and_then(|named| named.first()) {
            let item = item.as_ref().and_then(|item| self.defining(module, item, followed + 1));
            return Some(item.unwrap_or_else(|| module.clone()));
        }
        let mut all = reexports("*").into_iter().flatten();
        all.find_map(|all| self.defining(&all.module, name, followed + 1))
    }
}

/// Every path of the `use` declarations, and those in the code that begin at a module of this crate.
fn named_paths(file: &CodeFile) -> Vec<NamedPath> {
    let code = &file.code;
    let modules = file.definitions.iter().filter(|definition| definition.keyword == "mod");
    let children: BTreeSet<&str> = modules.map(|definition| definition.name.as_str()).collect();
    let mut found = Vec::new();
    let (mut at, mut is_public) = (0, false);
    while at < code.len() {
        let before = at.checked_sub(1).map(|before| &code[before]);
        if let Some(end) = visibility(code, at) {
            (at, is_public) = (end + 1, true);
            continue;
        }
        if code[at].is_word("pub") {
            (at, is_public) = (at + 1, true);
            continue;
        }
        // `use<…>` lists the lifetimes that an `impl Trait` captures.
        if code[at].is_word("use") && code.get(at + 1) != Some(&Token::Sign('<')) {
            at = use_tree(code, at + 1, &[], is_public, &mut found);
        } else if begins_path(&code[at], before, &children) && code.get(at + 1) == Some(&Token::PathSeparator)
        {
            let segments = path(&code[at..]);
            at += 2 * segments.len() - 1;
            found.push(NamedPath { segments, alias: None, is_reexport: false });
        } else {
            at += 1;
        }
        is_public = false;
    }
    found
}

fn begins_path(token: &Token, before: Option<&Token>, children: &BTreeSet<&str>) -> bool {
    let is_inside = matches!(before, Some(Token::PathSeparator | Token::Sign('.' | '$')));
    let begins = |word| matches!(word, "crate" | "self" | "super") || children.contains(word);
    !is_inside && token.word().is_some_and(begins)
}

/// The words joined by path separators.
fn path(code: &[Token]) -> Vec<String> {
    let mut segments = Vec::new();
    for pair in code.chunks(2) {
        let Some(word) = pair[0].word() else { break };
        segments.push(word.to_owned());
        if pair.get(1) != Some(&Token::PathSeparator) {
            break;
        }
    }
    segments
}

/// Reads one tree of a `use` declaration, and returns its end.
fn use_tree(
    code: &[Token],
    mut at: usize,
    outer: &[String],
    is_reexport: bool,
    found: &mut Vec<NamedPath>,
) -> usize {
    let mut segments = outer.to_vec();
    let mut alias = None;
    loop {
        match &code[at] {
            Token::Word(word) if word == "as" => {
                alias = code[at + 1].word().map(str::to_owned);
                at += 1;
            }
            Token::Word(word) => segments.push(word.clone()),
            Token::Sign('*') => segments.push("*".to_owned()),
            Token::Sign('{') => {
                at += 1;
                while code[at] != Token::Sign('}') {
                    at = use_tree(code, at, &segments, is_reexport, found);
                    at += usize::from(code[at] == Token::Sign(','));
                }
                return at + 1;
            }
            Token::PathSeparator => {}
            Token::Sign(_) => break,
        }
        at += 1;
    }
    // `a::{self}` names the module `a`.
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    found.push(NamedPath { segments, alias, is_reexport });
    at
}

#[test]
fn a_path_is_followed_to_the_file_that_defines_what_it_names() {
    let lib = ("lib.rs", "pub mod a; pub mod b;");
    let a = (
        "a/mod.rs",
        "mod one; pub(crate) mod two; pub use one::{One, self as first}; pub use two::*; pub struct Own;",
    );
    let (one, two) = (("a/one.rs", "pub struct One;"), ("a/two.rs", "pub struct Two; pub enum Deep { X }"));
    for (code, imported) in [
        ("use crate::a::One;", &["a/one.rs"][..]),
        ("use crate::a::{Two, Own as Mine, one};", &["a/mod.rs", "a/one.rs", "a/two.rs"]),
        ("use super::a::first::One;", &["a/one.rs"]),
        ("fn f() -> crate::a::Two { crate::a::Deep::X }", &["a/two.rs"]),
        ("use crate::a::{self};", &["a/mod.rs"]),
        ("use crate::a::two::Deep::*;", &["a/two.rs"]),
        ("pub(in crate::a) struct S;", &[]),
        ("pub use crate::a::One; pub(crate) use crate::a::Two;", &[]),
        ("use std::a::One; use ::a::Two; fn f() -> impl Copy + use<> {}", &[]),
        ("// use crate::a::One;\nconst T: &str = \"crate::a::Two\";", &[]),
        ("use self::inner::X; use self::inner::{X as Y};", &[]),
    ] {
        let files = super::files::code_files([lib, a, one, two, ("b.rs", code)]);
        let graph = import_graph(&files);
        assert_eq!(graph["b.rs"].iter().collect::<Vec<_>>(), imported, "{code}");
        assert!(graph["a/mod.rs"].is_empty(), "re-exports alone are no import");
    }
    let files =
        super::files::code_files([("lib.rs", "mod a;"), ("a/mod.rs", "mod one; fn f() { one::g(); }"), one]);
    assert_eq!(import_graph(&files)["a/mod.rs"].iter().collect::<Vec<_>>(), ["a/one.rs"]);
}
