//! A comment ends at column 100, so that it fits beside another file, and on a page of the book.

use std::path::Path;

use crate::finding::Finding;

/// The last column that a comment may use. Columns are characters, counted from 1.
pub const LAST_COLUMN: usize = 100;

/// Finds the lines that end with a comment and are longer than [`LAST_COLUMN`].
pub fn check(file: &Path, text: &str) -> Vec<Finding> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let columns = line.chars().count();
            (columns > LAST_COLUMN && has_comment(line)).then(|| Finding {
                file: file.to_owned(),
                line: index + 1,
                problem: format!(
                    "the comment ends at column {columns}; break the line before column {LAST_COLUMN}"
                ),
            })
        })
        .collect()
}

/// Whether `//` stands at the start of the line, or after code and outside of a string.
///
/// A string that spans lines is not recognised: in it, `//` at the start of a line counts too.
fn has_comment(line: &str) -> bool {
    if line.trim_start().starts_with("//") {
        return true;
    }
    let mut is_in_string = false;
    let mut previous = ' ';
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if is_in_string => {
                characters.next();
            }
            '"' if previous != '\'' => is_in_string = !is_in_string,
            '/' if !is_in_string && characters.peek() == Some(&'/') => return true,
            _ => {}
        }
        previous = character;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(line: &str) -> bool {
        !check(Path::new("lib.rs"), line).is_empty()
    }

    #[test]
    fn comments_end_at_column_100() {
        assert!(
            !is_found(&format!("// {}", "x".repeat(97))),
            "100 columns are allowed"
        );
        assert!(
            is_found(&format!("// {}", "x".repeat(98))),
            "101 columns are too many"
        );
        assert!(is_found(&format!("let a = 1; // {}", "x".repeat(90))));
        assert!(
            is_found(&format!("    /// {}", "é".repeat(93))),
            "columns are characters"
        );
    }

    #[test]
    fn long_strings_are_no_comments() {
        assert!(!is_found(&format!(
            "let url = \"http://{}\";",
            "x".repeat(90)
        )));
        assert!(is_found(&format!(
            "let quote = '\"'; // {}",
            "x".repeat(90)
        )));
    }
}
