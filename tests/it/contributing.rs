//! Holds `CONTRIBUTING.md` to the code: its example is a test that exists, and what it says to use is there.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_example_is_a_test_word_for_word() {
    let page = read("CONTRIBUTING.md");
    let examples: Vec<&str> =
        page.split("```rust\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert_eq!(examples.len(), 1);
    let before = page.split("```rust").next().unwrap();
    let (_, file) = before.rsplit_once("`tests/it/").expect("the page names the file above the example");
    let file = file.split('`').next().unwrap();
    let same = read(&format!("tests/it/{file}")).contains(examples[0]);
    assert!(same, "copy the example in CONTRIBUTING.md from tests/it/{file} again:\n{}", examples[0]);
}

#[test]
fn what_the_page_says_to_use_exists() {
    let page = read("CONTRIBUTING.md");
    let (world, provider, coder) = (
        read("tests/it/support/world.rs"),
        read("tests/it/support/provider.rs"),
        read("tests/it/support/coder.rs"),
    );
    let has = |text: &str, function: &str| text.contains(&format!("fn {function}("));
    let mut found = 0;
    for call in
        page.split(['`', ' ']).filter_map(|word| word.strip_prefix("world.").or(word.strip_prefix("World::")))
    {
        if let Some((function, _)) = call.split_once('(').filter(|(function, _)| !function.contains('.')) {
            assert!(has(&world, function), "there is no World::{function}");
            found += 1;
        }
    }
    for (owner, text) in [("provider", &provider), ("coder", &coder)] {
        let row = page.split_once(&format!("`world.{owner}`: ")).expect("a row of the table").1;
        for function in row.lines().next().unwrap().split('`').skip(1).step_by(2) {
            assert!(has(text, function), "there is no {owner}.{function}");
            found += 1;
        }
    }
    assert!(found > 20, "only {found} functions were found");
}
