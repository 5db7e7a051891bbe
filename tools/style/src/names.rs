//! A function's name has at most eight words, so that it can be read in a list of tests.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::finding::Finding;

/// The most words that a name may have. Words are separated by `_`.
pub const MOST_WORDS: usize = 8;

static FUNCTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bfn\s+(\w+)").expect("a valid expression"));

/// Finds the functions with a name of more than [`MOST_WORDS`] words. It reads the text and not
/// the syntax tree, so it sees the functions inside of a macro such as `proptest!` too.
pub fn check(file: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for function in FUNCTION.captures_iter(line) {
            let name = &function[1];
            let words = name.split('_').filter(|word| !word.is_empty()).count();
            if words > MOST_WORDS {
                findings.push(Finding {
                    file: file.to_owned(),
                    line: index + 1,
                    problem: format!(
                        "`{name}` has {words} words; use at most {MOST_WORDS}, and put the \
                         details into the assertions' messages"
                    ),
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_words_are_too_many() {
        let count = |text: &str, words: usize| {
            let name = vec!["word"; words].join("_");
            check(Path::new("lib.rs"), &text.replace("NAME", &name)).len()
        };
        assert_eq!(count("fn NAME() {}", 8), 0);
        assert_eq!(count("    async fn NAME() {}", 9), 1);
        assert_eq!(
            count("// fn NAME() {}", 9),
            0,
            "a comment defines no function"
        );
    }
}
