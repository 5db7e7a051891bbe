//! How words look: [`Paint`] colours them where colours are seen, and [`bar`] draws how much of something is done.
//!
//! Nothing is said by a colour alone: every mark is also a sign. Left out: everything that needs more of a terminal than colours.

/// Whether to colour.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    /// See [`Colour`](crate::colour::Colour).
    pub on: bool,
}

impl Paint {
    /// Good.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Not good.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What to look at.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What one need not look at.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `done` of `all` as a bar.
pub fn bar(paint: Paint, done: usize, all: usize) -> String {
    const WIDTH: usize = 20;
    // Rounded down, so that only what is whole looks whole; but what was begun is seen.
    let filled = if done == 0 {
        0
    } else {
        (done * WIDTH / all.max(1)).clamp(1, WIDTH)
    };
    format!(
        "{}{}",
        paint.green(&"█".repeat(filled)),
        paint.dim(&"░".repeat(WIDTH - filled))
    )
}

/// `1 exercise`, `5 exercises`.
pub fn count(number: usize, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// `25 minutes`, `1 hour`, `2 hours 15 minutes`.
pub fn minutes(minutes: i64) -> String {
    let count = |number: i64, thing| count(usize::try_from(number).unwrap_or_default(), thing);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => count(minutes, "minute"),
        (hours, 0) => count(hours, "hour"),
        (hours, minutes) => format!("{} {}", count(hours, "hour"), count(minutes, "minute")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { on: false };

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        assert_eq!(bar(PLAIN, 0, 5), "░".repeat(20));
        assert_eq!(bar(PLAIN, 2, 5), "█".repeat(8) + &"░".repeat(12));
        assert_eq!(bar(PLAIN, 1, 100).matches('█').count(), 1);
        assert_eq!(bar(PLAIN, 99, 100).matches('█').count(), 19);
        assert_eq!(bar(PLAIN, 5, 5), "█".repeat(20));
    }

    #[test]
    fn colours_are_left_out_where_nobody_sees_them() {
        assert_eq!(PLAIN.red("no"), "no");
        assert_eq!(Paint { on: true }.red("no"), "\u{1b}[31mno\u{1b}[0m");
    }

    #[test]
    fn times_and_numbers_are_words() {
        assert_eq!(minutes(25), "25 minutes");
        assert_eq!(minutes(60), "1 hour");
        assert_eq!(minutes(135), "2 hours 15 minutes");
        assert_eq!(count(1, "hint"), "1 hint");
        assert_eq!(count(0, "hint"), "0 hints");
    }
}
