//! Runs each experiment for a few seconds and checks its output. The measured numbers are not
//! checked.

use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ch01-clones");

/// Runs an experiment. Returns its output and its plot.
async fn experiment(name: &str, drawing: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .args(["experiment", name, "--quick", "--svg"])
        .arg(folder.path())
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    let (printed, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{printed}\n{said}");
    let drawn = std::fs::read_to_string(folder.path().join(drawing)).unwrap();
    assert!(
        drawn.contains("<title>") && drawn.contains("<desc>"),
        "{drawn}"
    );
    (printed, drawn)
}

/// The first column of the lines that start with this indentation and one of these words.
fn rows<'a>(printed: &'a str, words: &[&str]) -> Vec<&'a str> {
    let first = printed
        .lines()
        .filter_map(|line| line.strip_prefix("   ")?.split_whitespace().next());
    first.filter(|word| words.contains(word)).collect()
}

#[tokio::test]
async fn scale_experiment_fits_both_curves() {
    let (printed, drawn) = experiment("scale", "ch01-scale.svg").await;
    assert_eq!(
        rows(&printed, &["1", "2", "3", "4"]),
        ["1", "2", "3", "4", "1", "2", "3", "4"],
        "{printed}"
    );
    assert_eq!(printed.matches("Model: ").count(), 2, "{printed}");
    assert_eq!(
        printed.matches("all succeeded").count(),
        2,
        "do the clones reach the shared server?\n{printed}"
    );
    assert_eq!(
        drawn.matches("<circle").count(),
        8,
        "the plot must have a dot for each number of clones"
    );
}

#[tokio::test]
async fn strategies_experiment_has_a_row_each() {
    let (printed, drawn) = experiment("strategies", "ch01-strategies.svg").await;
    let all = [
        "round-robin",
        "weighted",
        "least-requests",
        "two-choices",
        "peak-ewma",
        "rendezvous",
        "sticky",
    ];
    assert_eq!(rows(&printed, &all), all, "{printed}");
    assert_eq!(drawn.matches("<circle").count(), 14, "two dots for each");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn cost_experiment_measures_installed_proxies() {
    let (printed, _) = experiment("proxy-cost", "ch01-proxy-cost.svg").await;
    assert_eq!(
        rows(&printed, &["this", "direct"]),
        ["this", "direct"].repeat(3),
        "{printed}"
    );
    for other in ["nginx", "HAProxy"] {
        let is_missing = printed.contains(&format!("{other} is not installed"));
        assert_eq!(
            rows(&printed, &[other]).len(),
            if is_missing { 0 } else { 3 },
            "{printed}"
        );
    }
}
