//! A progress bar of 20 characters.

use super::style::Styles;

const WIDTH: usize = 20;

/// Draws how many of `total` are done.
pub fn progress_bar(styles: Styles, done: usize, total: usize) -> String {
    // Rounds down, so that only a complete bar looks complete. The first step is always visible.
    let filled = match done {
        0 => 0,
        _ => (done * WIDTH / total.max(1)).clamp(1, WIDTH),
    };
    format!(
        "{}{}",
        styles.success(&"█".repeat(filled)),
        styles.dim(&"░".repeat(WIDTH - filled))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_is_full_only_at_the_end() {
        let bar = |done, total| progress_bar(Styles { enabled: false }, done, total);
        assert_eq!(bar(0, 5), "░".repeat(20));
        assert_eq!(bar(2, 5), "█".repeat(8) + &"░".repeat(12));
        assert_eq!(bar(1, 100).matches('█').count(), 1);
        assert_eq!(bar(99, 100).matches('█').count(), 19);
        assert_eq!(bar(5, 5), "█".repeat(20));
    }
}
