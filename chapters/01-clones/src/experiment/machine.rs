//! What the numbers depend on: the machine, and how busy it was with other things.

use std::fs;

/// A line about this machine, such as `2 cores, load average 0.15`. The load is the number of
/// threads that wanted a processor in the last minute, ours included.
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

/// On the standard error, so that what is printed has the same words in both builds.
pub fn warn_of_debug_build() {
    if cfg!(debug_assertions) {
        eprintln!(
            "This is a debug build, so its numbers mean nothing; add `--release` to `cargo run`."
        );
    }
}
