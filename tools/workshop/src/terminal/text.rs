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

/// The text without terminal escape sequences (ECMA-48, sections 5.4 and 8.3).
///
/// libtest takes its colours from terminfo. So besides `ESC [ 3 2 m`, short sequences such as
/// `ESC ( B` occur.
pub fn strip_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\u{1b}' {
            plain.push(char);
            continue;
        }
        let mut next = chars.next();
        let final_byte = if next == Some('[') {
            next = chars.next();
            '@'..='~'
        } else {
            '0'..='~'
        };
        while next.is_some_and(|char| !final_byte.contains(&char)) {
            next = chars.next();
        }
    }
    plain
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
    fn counts_and_minutes_read_as_words() {
        assert_eq!(minutes(25), "25 minutes");
        assert_eq!(minutes(60), "1 hour");
        assert_eq!(minutes(135), "2 hours 15 minutes");
        assert_eq!(count(1, "hint"), "1 hint");
        assert_eq!(count(0, "hint"), "0 hints");
    }
}
