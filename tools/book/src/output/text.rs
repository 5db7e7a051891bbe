//! What a session's text is: [`shown`] is what the book shows of what a command printed, and [`difference`] is what a check has to say.

use std::sync::LazyLock;

use regex::Regex;
use similar::TextDiff;

use super::list::Session;

/// The text as it goes into the book: the prompt, the rules for what varies, and lines without trailing blanks.
pub fn shown(session: &Session, printed: &str) -> String {
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

/// Where the book differs from what was printed now, as a diff; None if it does not.
pub fn difference(session: &Session, in_the_book: &str, now: &str) -> Option<String> {
    let (old, new) = (comparable(session, in_the_book), comparable(session, now));
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

/// Of a measured session, only the words: every number is `0`, every run of blanks is one, and every bar is as long as any other.
fn comparable(session: &Session, text: &str) -> String {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[0-9]+(?:[.,][0-9]+)*").expect("it is tested"));
    static BLANKS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[ \t]+").expect("it is tested"));
    static BAR: LazyLock<Regex> = LazyLock::new(|| Regex::new("[█-▏]+").expect("it is tested"));

    let text = text.replace("\r\n", "\n");
    if !session.measured {
        return text;
    }
    let text = NUMBER.replace_all(&text, "0");
    let text = BAR.replace_all(&text, "█");
    let lines = text
        .lines()
        .map(|line| BLANKS.replace_all(line, " ").trim().to_owned() + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(extra: &str) -> Session {
        toml::from_str(&format!("file = 'a.txt'\ncommand = 'cargo run'\n{extra}")).unwrap()
    }

    #[test]
    fn the_command_stands_before_what_it_printed() {
        assert_eq!(
            shown(&session(""), "\nx  \r\n y\n\n"),
            "$ cargo run\nx\n y\n"
        );
        assert_eq!(shown(&session("prompt = false"), "x"), "x\n");
    }

    #[test]
    fn what_varies_is_replaced_in_the_order_of_the_rules() {
        let rules = r"replace = [{ pattern = '127\.0\.0\.1:\d+', with = 'ADDRESS' }, { pattern = '(clone-\d) ADDRESS', with = '$1 here' }]";

        assert_eq!(
            shown(&session(rules), "clone-1 127.0.0.1:40123\n"),
            "$ cargo run\nclone-1 here\n"
        );
    }

    #[test]
    fn a_difference_is_a_diff() {
        let said = difference(&session(""), "same\nold\n", "same\nnew\n").unwrap();

        assert!(
            said.contains("--- book/src/sessions/a.txt\n+++ printed now\n"),
            "{said}"
        );
        assert!(said.contains(" same\n-old\n+new\n"), "{said}");
        assert_eq!(difference(&session(""), "same\r\n", "same\n"), None);
    }

    #[test]
    fn of_a_measured_session_only_the_words_count() {
        let measured = session("measured = true");

        assert_eq!(
            difference(&measured, "p50  1.25 ms  ███\n", "p50    12 ms ██████▌\n"),
            None
        );
        assert!(difference(&measured, "p50 1.25 ms\n", "p50 1.25 s\n").is_some());
        assert!(difference(&measured, "a\n", "a\nb\n").is_some());
        assert!(
            difference(&session(""), "1\n", "2\n").is_some(),
            "this one is not measured"
        );
    }
}
