//! The numbered rules of an exercise, and the tests and wrong answers that name them.

/// The numbers of the rules in a stub: the list under `## Rules` in the module documentation.
pub fn rules(stub: &str) -> Vec<usize> {
    let docs = stub.lines().map_while(|line| line.strip_prefix("//!"));
    let section = docs.skip_while(|line| line.trim() != "## Rules").skip(1);
    section
        .take_while(|line| !line.starts_with(" ## "))
        .filter_map(|line| line.strip_prefix(' ')?.split_once(". ")?.0.parse().ok())
        .collect()
}

/// The tests of a test file, each with the rules that the comment above it names.
pub fn marked_tests(source: &str) -> Vec<(&str, Vec<usize>)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let test_at = |index: usize| {
        // Other attributes may stand between the comment and `#[test]`.
        let above = lines[..index].iter().rev();
        let comment = above
            .skip_while(|line| line.starts_with("#["))
            .take_while(|line| line.starts_with("//"))
            .last();
        let rules = comment.and_then(|line| named_rules(line));
        let is_name_char = |char: char| char.is_alphanumeric() || char == '_';
        let mut below = lines[index..].iter();
        let (_, name) = below.find_map(|line| line.split_once("fn "))?;
        let name = name.split(|char| !is_name_char(char)).next()?;
        Some((name, rules.unwrap_or_default()))
    };
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    (0..lines.len())
        .filter(|index| is_test(lines[*index]))
        .filter_map(test_at)
        .collect()
}

/// The rules in `// Rule 2.` or `// Rules 1, 2 and 4.`, which more text may follow.
fn named_rules(comment: &str) -> Option<Vec<usize>> {
    let rest = comment.strip_prefix("// Rule")?;
    let (list, _) = rest.strip_prefix('s').unwrap_or(rest).split_once('.')?;
    list.replace(" and ", ",")
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_list_below_their_heading() {
        let stub = "//! # Turns\n//! 7. no\n//! ## Rules\n//!\n//! 1. One\n//!    2. more
//! 2. Two\n//!\n//! ## Do\n//! 3. no\n\n//! 4. no\n";
        assert_eq!(rules(stub), [1, 2]);
        assert!(rules("//! # Turns\n").is_empty());
    }

    #[test]
    fn tests_name_their_rules() {
        let source = "// Rule 1. It
// is fair.
#[test]
fn a() {}

    // Rules 1, 2 and 4.
    #[should_panic]
    #[tokio::test(start_paused = true)]
    async fn b() {}

// More.
// Rule 2.
#[test]
fn c() {}

// Rule 3.

#[test]
fn d() {}

// Rule 2: no.
#[test]
fn e() {}
";
        let expected = [
            ("a", vec![1]),
            ("b", vec![1, 2, 4]),
            ("c", vec![]),
            ("d", vec![]),
            ("e", vec![]),
        ];
        assert_eq!(marked_tests(source), expected);
    }
}
