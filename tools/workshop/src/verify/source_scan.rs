//! Searches Rust source: [`strip_comments_and_strings`] leaves only code.
//!
//! This is no parser. It finds words that stand where they mean something.

/// A piece of source that is not code.
enum Piece {
    /// A comment, or a quote character in a character literal.
    Comment,
    /// A string literal.
    String { is_empty: bool },
}

/// The source without comments and without the contents of strings. Quotes and line breaks stay. An
/// ellipsis replaces the contents of a string that is not empty.
pub fn strip_comments_and_strings(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    while let Some(first) = rest.chars().next() {
        let Some((piece, length)) = comment(rest)
            .or_else(|| raw_string(rest, &code))
            .or_else(|| string(rest))
        else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (opening, closing) = match piece {
            Piece::Comment => (" ", ""),
            Piece::String { is_empty: true } => ("\"", "\""),
            Piece::String { is_empty: false } => ("\"…", "\""),
        };
        code.push_str(opening);
        code.extend(rest[..length].chars().filter(|char| *char == '\n'));
        code.push_str(closing);
        rest = &rest[length..];
    }
    code
}

/// The comment at the start of `rest`, and its length.
fn comment(rest: &str) -> Option<(Piece, usize)> {
    if rest.starts_with("//") {
        return Some((Piece::Comment, rest.find('\n').unwrap_or(rest.len())));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    // Block comments may be nested.
    let (mut depth, mut position) = (0, 0);
    while position < rest.len() {
        let here = &rest[position..];
        if here.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                break;
            }
        } else {
            position += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some((Piece::Comment, position))
}

/// The string `r#"…"#` at the start of `rest`, and its length.
fn raw_string(rest: &str, before: &str) -> Option<(Piece, usize)> {
    if before.ends_with(|char: char| char.is_alphanumeric() || char == '_')
        && !before.ends_with('b')
    {
        return None;
    }
    let opened = rest.strip_prefix('r')?;
    let hashes = opened.len() - opened.trim_start_matches('#').len();
    let inner = opened[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let content = inner.find(&end).unwrap_or(inner.len());
    let length = 1 + hashes + 1 + content + end.len();
    let is_empty = content == 0;
    Some((Piece::String { is_empty }, length.min(rest.len())))
}

/// The string `"…"` or the character `'"'` at the start of `rest`, and its length.
fn string(rest: &str) -> Option<(Piece, usize)> {
    for character in ["'\"'", "'\\\"'"] {
        if rest.starts_with(character) {
            return Some((Piece::Comment, character.len()));
        }
    }
    let content = rest.strip_prefix('"')?;
    let mut is_escaped = false;
    for (position, char) in content.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => {
                let is_empty = position == 0;
                return Some((Piece::String { is_empty }, position + 2));
            }
            _ => {}
        }
    }
    Some((Piece::String { is_empty: false }, rest.len()))
}

/// The number of the first line of `code` that contains `wanted`. Spaces do not count.
pub fn line_of(code: &str, wanted: &str) -> Option<usize> {
    let contains_it = |line: &str| line.split_whitespace().collect::<String>().contains(wanted);
    code.lines()
        .position(contains_it)
        .map(|position| position + 1)
}

/// The first parameter with a leading underscore, which marks it as unused: line number and name.
pub fn find_underscore_parameter(code: &str) -> Option<(usize, String)> {
    for (number, line) in (1..).zip(code.lines()) {
        let is_name_char = |char: char| char.is_alphanumeric() || char == '_';
        for (position, _) in line.match_indices('_') {
            let rest = &line[position..];
            let name: String = rest
                .chars()
                .take_while(|char| is_name_char(*char))
                .collect();
            let after = rest[name.len()..].trim_start();
            let is_name = name.len() > 1 && !line[..position].ends_with(is_name_char);
            if is_name && after.starts_with(':') && !after.starts_with("::") {
                return Some((number, name));
            }
        }
    }
    None
}

/// Whether the code contains this whole word.
pub fn has_word(code: &str, word: &str) -> bool {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_removed() {
        let source = "a // todo!()\n/* todo!() /* x */ y */ b \"todo!() \\\" // x\" c 'x' '\"' d r#\"todo!() \" \"# e br\"todo!()\" 'a f";
        let code = strip_comments_and_strings(source);
        assert!(!code.contains("todo"), "{code}");
        for word in ["a", "b", "c", "d", "e", "f"] {
            assert!(has_word(&code, word), "{word} was removed: {code}");
        }
        assert_eq!(code.lines().count(), source.lines().count());
    }

    #[test]
    fn empty_strings_stay_empty() {
        assert_eq!(strip_comments_and_strings("todo!(\"\")"), "todo!(\"\")");
        assert_eq!(
            strip_comments_and_strings("todo!(\"what\")"),
            "todo!(\"…\")"
        );
        assert_eq!(strip_comments_and_strings("\"\n\n\""), "\"…\n\n\"");
    }

    #[test]
    fn text_is_found_with_its_line() {
        assert_eq!(line_of("a\n# [ allow (x)]\n", "#[allow"), Some(2));
        assert_eq!(line_of("a\nb\n", "#[allow"), None);
    }

    #[test]
    fn only_underscore_parameters_are_found() {
        let (line, name) = find_underscore_parameter("fn f(\n    _key: &str,\n)").unwrap();
        assert_eq!((line, name.as_str()), (2, "_key"));
        assert_eq!(
            find_underscore_parameter("fn f(a_b: u8, _: u8) { let x = _y::Z; __m() }"),
            None
        );
    }
}
