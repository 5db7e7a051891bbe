//! Knows code from what merely stands beside it: [`blank`] empties comments and texts, so that a word can be looked for.
//!
//! Left out: everything else of Rust's grammar. What is looked for are words that stand where they mean something, and nobody wants to
//! deceive us.

/// A piece of source that is no code.
enum Piece {
    /// A comment, or a character in quotes that would look like the beginning of a text.
    Aside,
    /// A text in quotes.
    Text { is_empty: bool },
}

/// The source without its comments, and without what is in its texts; the quotes and the line ends stay, and an ellipsis in a text that was
/// not empty.
pub fn blank(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    while let Some(first) = rest.chars().next() {
        let Some((piece, length)) = comment(rest)
            .or_else(|| raw_text(rest, &code))
            .or_else(|| text(rest))
        else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (opening, closing) = match piece {
            Piece::Aside => (" ", ""),
            Piece::Text { is_empty: true } => ("\"", "\""),
            Piece::Text { is_empty: false } => ("\"…", "\""),
        };
        code.push_str(opening);
        code.extend(rest[..length].chars().filter(|char| *char == '\n'));
        code.push_str(closing);
        rest = &rest[length..];
    }
    code
}

/// The comment that begins here, and its length.
fn comment(rest: &str) -> Option<(Piece, usize)> {
    if rest.starts_with("//") {
        return Some((Piece::Aside, rest.find('\n').unwrap_or(rest.len())));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    // They may stand in each other.
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
    Some((Piece::Aside, position))
}

/// The text `r#"…"#` that begins here, and its length.
fn raw_text(rest: &str, before: &str) -> Option<(Piece, usize)> {
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
    Some((
        Piece::Text {
            is_empty: content == 0,
        },
        length.min(rest.len()),
    ))
}

/// The text `"…"` or the character `'"'` that begins here, and its length.
fn text(rest: &str) -> Option<(Piece, usize)> {
    for character in ["'\"'", "'\\\"'"] {
        if rest.starts_with(character) {
            return Some((Piece::Aside, character.len()));
        }
    }
    let content = rest.strip_prefix('"')?;
    let mut is_escaped = false;
    for (position, char) in content.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => {
                return Some((
                    Piece::Text {
                        is_empty: position == 0,
                    },
                    position + 2,
                ));
            }
            _ => {}
        }
    }
    Some((Piece::Text { is_empty: false }, rest.len()))
}

/// The number of the first line of `code` in which this stands, spaces left aside.
pub fn line_of(code: &str, wanted: &str) -> Option<usize> {
    let has = |line: &str| line.split_whitespace().collect::<String>().contains(wanted);
    code.lines().position(has).map(|position| position + 1)
}

/// The first name that begins with an underscore and is followed by a type, as a parameter is that nobody uses: its line and itself.
pub fn underscored(code: &str) -> Option<(usize, String)> {
    for (number, line) in (1..).zip(code.lines()) {
        let is_part = |char: char| char.is_alphanumeric() || char == '_';
        for (position, _) in line.match_indices('_') {
            let rest = &line[position..];
            let name: String = rest.chars().take_while(|char| is_part(*char)).collect();
            let after = rest[name.len()..].trim_start();
            let is_name = name.len() > 1 && !line[..position].ends_with(is_part);
            if is_name && after.starts_with(':') && !after.starts_with("::") {
                return Some((number, name));
            }
        }
    }
    None
}

/// Whether this word stands alone in the code.
pub fn has_word(code: &str, word: &str) -> bool {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_no_code() {
        let source = "a // todo!()\n/* todo!() /* x */ y */ b \"todo!() \\\" // x\" c 'x' '\"' d r#\"todo!() \" \"# e br\"todo!()\" 'a f";
        let code = blank(source);
        assert!(!code.contains("todo"), "{code}");
        for word in ["a", "b", "c", "d", "e", "f"] {
            assert!(has_word(&code, word), "{word} is lost: {code}");
        }
        assert_eq!(code.lines().count(), source.lines().count());
    }

    #[test]
    fn an_empty_text_is_not_like_another() {
        assert_eq!(blank("todo!(\"\")"), "todo!(\"\")");
        assert_eq!(blank("todo!(\"what\")"), "todo!(\"…\")");
        assert_eq!(blank("\"\n\n\""), "\"…\n\n\"");
    }

    #[test]
    fn a_word_is_found_with_its_line() {
        assert_eq!(line_of("a\n# [ allow (x)]\n", "#[allow"), Some(2));
        assert_eq!(line_of("a\nb\n", "#[allow"), None);
    }

    #[test]
    fn only_parameters_that_hide_are_found() {
        let (line, name) = underscored("fn f(\n    _key: &str,\n)").unwrap();
        assert_eq!((line, name.as_str()), (2, "_key"));
        assert_eq!(
            underscored("fn f(a_b: u8, _: u8) { let x = _y::Z; __m() }"),
            None
        );
    }
}
