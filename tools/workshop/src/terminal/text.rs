//! Text for people: counts, times, and removing terminal escape sequences.

/// `1 exercise`, `5 exercises`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `25 minutes`, `1 hour`, `2 hours 15 minutes`.
pub fn minutes(minutes: i64) -> String {
    let count = |number: i64, noun| count(usize::try_from(number).unwrap_or_default(), noun);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => count(minutes, "minute"),
        (hours, 0) => count(hours, "hour"),
        (hours, minutes) => format!("{} {}", count(hours, "hour"), count(minutes, "minute")),
    }
}

/// The text without terminal escape sequences.
pub fn strip_escapes(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The last `count` lines of a text.
pub fn last_lines(text: &str, count: usize) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_removed() {
        // libtest takes its colours from terminfo, so besides `ESC [ 3 2 m`, `ESC ( B` occurs.
        let text = "\u{1b}[1;32mok\u{1b}(B\u{1b}[m, \u{1b}]8;;x\u{1b}\\a link";
        assert_eq!(strip_escapes(text), "ok, a link");
    }

    #[test]
    fn counts_and_minutes_read_as_words() {
        assert_eq!(minutes(25), "25 minutes");
        assert_eq!(minutes(60), "1 hour");
        assert_eq!(minutes(135), "2 hours 15 minutes");
        assert_eq!(count(1, "hint"), "1 hint");
        assert_eq!(count(0, "hint"), "0 hints");
    }
}
