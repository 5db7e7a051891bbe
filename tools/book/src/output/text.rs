//! The text of a session: [`session_text`] makes it from a command's output, and [`diff`] compares
//! two texts.

use std::sync::LazyLock;

use regex::Regex;
use similar::TextDiff;

use super::list::Session;

/// The text for the book: the prompt, then the output after the replacements, without trailing
/// spaces.
pub fn session_text(session: &Session, printed: &str) -> String {
    let mut text = printed.replace("\r\n", "\n");
    for rule in &session.replace {
        text = rule
            .pattern
            .replace_all(&text, rule.with.as_str())
            .into_owned();
    }
    let prompt = session.prompt.then(|| format!("$ {}", session.command));
    let lines = text
        .trim_matches('\n')
        .lines()
        .map(|line| line.trim_end().to_owned());
    let mut shown = prompt
        .into_iter()
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n");
    shown.push('\n');
    shown
}

/// The diff between the book and the new text. None if they are equal.
pub fn diff(session: &Session, book_text: &str, new_text: &str) -> Option<String> {
    let (old, new) = (normalise(session, book_text), normalise(session, new_text));
    if old == new {
        return None;
    }
    let diff = TextDiff::from_lines(&old, &new);
    let header = (
        format!("book/src/sessions/{}", session.file),
        "printed now".to_owned(),
    );
    Some(diff.unified_diff().header(&header.0, &header.1).to_string())
}

/// The part of the text that a check compares. In a measured session, every number becomes `0`,
/// every run of spaces one space, and every bar one block.
fn normalise(session: &Session, text: &str) -> String {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[0-9]+(?:[.,][0-9]+)*").expect("the pattern is valid"));
    static SPACES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[ \t]+").expect("the pattern is valid"));
    static BAR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("[█-▏]+").expect("the pattern is valid"));

    let text = text.replace("\r\n", "\n");
    if !session.measured {
        return text;
    }
    let text = NUMBER.replace_all(&text, "0");
    let text = BAR.replace_all(&text, "█");
    let lines = text
        .lines()
        .map(|line| SPACES.replace_all(line, " ").trim().to_owned() + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(extra: &str) -> Session {
        toml::from_str(&format!("file = 'a.txt'\ncommand = 'cargo run'\n{extra}")).unwrap()
    }

    #[test]
    fn prompt_comes_before_the_output() {
        assert_eq!(
            session_text(&session(""), "\nx  \r\n y\n\n"),
            "$ cargo run\nx\n y\n"
        );
        assert_eq!(session_text(&session("prompt = false"), "x"), "x\n");
    }

    #[test]
    fn replacements_apply_in_order() {
        let rules = r"replace = [{ pattern = '127\.0\.0\.1:\d+', with = 'ADDRESS' }, { pattern = '(clone-\d) ADDRESS', with = '$1 here' }]";

        assert_eq!(
            session_text(&session(rules), "clone-1 127.0.0.1:40123\n"),
            "$ cargo run\nclone-1 here\n"
        );
    }

    #[test]
    fn changed_text_gives_a_diff() {
        let message = diff(&session(""), "same\nold\n", "same\nnew\n").unwrap();

        assert!(
            message.contains("--- book/src/sessions/a.txt\n+++ printed now\n"),
            "{message}"
        );
        assert!(message.contains(" same\n-old\n+new\n"), "{message}");
        assert_eq!(diff(&session(""), "same\r\n", "same\n"), None);
    }

    #[test]
    fn measured_session_compares_only_words() {
        let measured = session("measured = true");

        assert_eq!(
            diff(&measured, "p50  1.25 ms  ███\n", "p50    12 ms ██████▌\n"),
            None
        );
        assert!(diff(&measured, "p50 1.25 ms\n", "p50 1.25 s\n").is_some());
        assert!(diff(&measured, "a\n", "a\nb\n").is_some());
        assert!(
            diff(&session(""), "1\n", "2\n").is_some(),
            "this one is not measured"
        );
    }
}
