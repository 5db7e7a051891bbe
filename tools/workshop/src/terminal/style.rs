//! Terminal styles: [`Styles`] adds colours to text if the output shows colours.
//!
//! Every mark is also a sign (✓, ✗), so a reader without colours misses nothing.

use anstyle::{AnsiColor, Style};

/// Styles that are switched on or off together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Styles {
    /// Whether the output shows colours: see [`ColourSupport`](super::colour::ColourSupport).
    pub enabled: bool,
}

impl Styles {
    /// Green.
    pub fn success(self, text: &str) -> String {
        self.apply(AnsiColor::Green.on_default(), text)
    }

    /// Red.
    pub fn error(self, text: &str) -> String {
        self.apply(AnsiColor::Red.on_default(), text)
    }

    /// The text that a reader looks at first.
    pub fn bold(self, text: &str) -> String {
        self.apply(Style::new().bold(), text)
    }

    /// Less important text.
    pub fn dim(self, text: &str) -> String {
        self.apply(Style::new().dimmed(), text)
    }

    /// A green ✓ or a red ✗.
    pub fn tick(self, is_good: bool) -> String {
        if is_good {
            self.success("✓")
        } else {
            self.error("✗")
        }
    }

    fn apply(self, style: Style, text: &str) -> String {
        if self.enabled && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_applied_only_when_enabled() {
        assert_eq!(Styles { enabled: false }.error("no"), "no");
        assert_eq!(
            Styles { enabled: true }.error("no"),
            "\u{1b}[31mno\u{1b}[0m"
        );
    }
}
