//! The progress bar while a new store is seeded.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error. Call it with the number of games so far and the total.
pub(super) fn seeding_progress() -> impl Fn(u64, u64) + Send + Sync + 'static {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("filling the store {bar:40} {pos}/{len} games")
        .expect("the template is valid");
    bar.set_style(style);
    move |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        if done == total {
            bar.finish_and_clear();
        }
    }
}
