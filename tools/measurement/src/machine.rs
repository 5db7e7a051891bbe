//! The facts about the machine that the numbers depend on: cores and load.

use std::fs;

/// A line such as `2 cores, load average 0.15`. The load average is the number of runnable threads
/// in the last minute, with those of the experiment.
pub fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg");
    let load = load
        .ok()
        .and_then(|text| text.split_whitespace().next().map(str::to_owned));
    format!(
        "{cores} cores, load average {}",
        load.as_deref().unwrap_or("unknown")
    )
}

/// Warns on standard error, so that both builds print the same on standard output.
pub fn warn_of_debug_build() {
    if cfg!(debug_assertions) {
        eprintln!(
            "This is a debug build, so its numbers are not useful; add `--release` to `cargo run`."
        );
    }
}
