//! Reads how much processor time a process has used.
//!
//! Linux only. `schedstat` has nanoseconds for each thread. On a kernel without it, `stat` has the
//! sum of user and system time in hundredths of a second (see `proc(5)`). User and system time are
//! not shown separately, because the kernel only samples the split.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

/// The time that all threads of this process have used so far. Threads that have ended are missing,
/// so the process must keep its threads.
pub fn used_by(process: u32) -> anyhow::Result<Duration> {
    let folder = format!("/proc/{process}");
    ensure!(
        Path::new(&folder).exists(),
        "process {process} has ended, or this system is not Linux and has no /proc"
    );
    let threads =
        fs::read_dir(format!("{folder}/task")).context("cannot list the threads of a process")?;
    let each = threads.map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        in_schedstat(&text)
    });
    if let Some(all) = each.sum::<Option<Duration>>().filter(|all| !all.is_zero()) {
        return Ok(all);
    }
    let stat = fs::read_to_string(format!("{folder}/stat"))?;
    in_stat(&stat).with_context(|| format!("{folder}/stat is not as proc(5) says"))
}

/// The first of three numbers: nanoseconds on a processor.
fn in_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

/// The 14th and the 15th field: user and system time, in ticks of 10 ms. The second field, the
/// name, may contain spaces and brackets, so the fields are counted from the last bracket.
fn in_stat(text: &str) -> Option<Duration> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis(10 * (user + system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_begins_with_nanoseconds() {
        assert_eq!(
            in_schedstat("1200345 63332 12\n"),
            Some(Duration::from_nanos(1_200_345))
        );
        assert_eq!(in_schedstat(""), None);
    }

    #[test]
    fn cpu_time_survives_spaces_in_names() {
        let stat = "71 (a) (b c) S 1 71 71 0 -1 4194560 8 0 0 0 250 50 7 9 20 0 1 0 100 0 0";
        assert_eq!(
            in_stat(stat),
            Some(Duration::from_secs(3)),
            "user 250 and system 50, not the children's 7 and 9"
        );
        assert_eq!(in_stat("71 (a) S 1 2"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_increases_cpu_time() {
        let before = used_by(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while used_by(std::process::id()).unwrap() < before + Duration::from_millis(20) {
            sum = (0..1_000_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
    }
}
