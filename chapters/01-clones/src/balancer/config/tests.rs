//! Tests of the configuration file: its checks, its changes, and its reloading.

use tokio::sync::mpsc;

use super::watch::POLL_INTERVAL;
use super::*;
use crate::balancer::{Balancer, Upstream};

const TWO: &str =
    "[[upstream]]\naddr = '127.0.0.1:1'\n[[upstream]]\naddr = '127.0.0.1:2'\nweight = 3\n";

fn names(balancer: &Balancer) -> Vec<(String, u32)> {
    let all = balancer.status().into_iter();
    all.map(|clone| (clone.name, clone.weight)).collect()
}

#[test]
fn file_of_a_windows_editor_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("balancer.toml");
    let text = format!("\u{feff}{}", TWO.replace('\n', "\r\n"));
    std::fs::write(&file, text).unwrap();
    let config = Config::read(&file).unwrap();
    assert_eq!(config.upstreams.len(), 2);

    std::fs::write(&file, b"# caf\xe9\n").unwrap();
    let error = common::error_chain(&Config::read(&file).unwrap_err());
    assert!(
        error.contains("balancer.toml") && error.contains("UTF-8"),
        "{error}"
    );
}

#[test]
fn invalid_configuration_is_explained() {
    for (text, hint) in [
        ("", "`[[upstream]]`"),
        ("strategy = 'random'\n", "expected one of `round-robin`"),
        ("[[upstream]]\naddr = 'localhost'\n", "line 2"),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\nweight = 0\n",
            "1 to 1000",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[[upstream]]\naddr = '127.0.0.1:1'\n",
            "two clones are at",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\nname = 'clone-2'\n[[upstream]]\naddr = '127.0.0.1:2'\n",
            "another `name`",
        ),
    ] {
        assert_refused(text, hint);
    }
}

#[test]
fn value_out_of_range_is_explained() {
    for (section, value, hint) in [
        ("probe", "path = 'readyz'", "`/readyz`"),
        (
            "probe",
            "interval = '0s'",
            "`probe.interval` must be above zero",
        ),
        (
            "probe",
            "timeout = '0s'",
            "`probe.timeout` must be above zero",
        ),
        ("timeouts", "connect = 5", "line 4"),
        ("timeouts", "conect = '5s'", "unknown field `conect`"),
        (
            "timeouts",
            "response = '0s'",
            "`timeouts.response` must be above zero",
        ),
        (
            "timeouts",
            "total = '0s'",
            "`timeouts.total` must be above zero",
        ),
        (
            "timeouts",
            "tunnel = '1000000years'",
            "`timeouts.tunnel` is longer than 30 days",
        ),
        (
            "health",
            "failures = 0",
            "`health.max_failures = 0` is out of range; use 1 or more",
        ),
        (
            "health",
            "fall = 0",
            "`health.fall = 0` is out of range; use 1 or more",
        ),
        (
            "health",
            "rise = 0",
            "`health.rise = 0` is out of range; use 1 or more",
        ),
        (
            "health",
            "ejection = '0s'",
            "`health.base_ejection` must be above zero",
        ),
        (
            "health",
            "longest = '10ms'",
            "longer than `health.max_ejection`",
        ),
        (
            "limits",
            "connections = 0",
            "`limits.connections = 0` is out of range; use 1 or more",
        ),
        ("limits", "head_bytes = 100", "8192 or more"),
        (
            "limits",
            "head = '0s'",
            "`limits.head_timeout` must be above zero",
        ),
        (
            "limits",
            "rate = 0",
            "`limits.body_rate = 0` is out of range; use 1 or more",
        ),
        ("retries", "budget = -1.0", "such as 0.2"),
        ("retries", "budget = nan", "such as 0.2"),
        (
            "retries",
            "sends = 0",
            "`retries.max_attempts = 0` is out of range; use 1 to 100",
        ),
    ] {
        assert_refused(
            &format!("[[upstream]]\naddr = '127.0.0.1:1'\n[{section}]\n{value}\n"),
            hint,
        );
    }
    assert_refused(&format!("max_in_flight = 0\n{TWO}"), "use 1 or more");
}

fn assert_refused(text: &str, hint: &str) {
    let built = Config::parse(text).and_then(|config| config.build());
    let error = built.expect_err(text).to_string();
    assert!(
        error.contains(hint),
        "the error for `{text}` must contain `{hint}`:\n{error}"
    );
}

#[tokio::test]
async fn reconfiguring_changes_only_the_differences() {
    let old = Config::parse(TWO).unwrap();
    let balancer = old.build().unwrap();
    let text = "strategy = 'least-requests'\nmax_in_flight = 7\n[[upstream]]\naddr = '127.0.0.1:1'\nweight = 2\n\
                [[upstream]]\nname = 'new'\naddr = '127.0.0.1:3'\n";
    let new = Config::parse(text).unwrap();

    let changes = balancer.reconfigure(&old, &new).unwrap();

    assert_eq!(
        names(&balancer),
        [("clone-1".to_owned(), 2), ("new".to_owned(), 1)]
    );
    assert_eq!(balancer.upstreams().max_in_flight, 7);
    assert_eq!(changes.len(), 5, "{changes:?}");
    assert_eq!(
        balancer.reconfigure(&new, &new).unwrap(),
        Vec::<String>::new(),
        "both configurations are the same"
    );
}

#[tokio::test]
async fn clone_at_a_new_address_is_replaced() {
    let old = Config::parse("[[upstream]]\naddr = '127.0.0.1:1'\n").unwrap();
    let balancer = old.build().unwrap();
    let new = Config::parse("[[upstream]]\naddr = '127.0.0.1:2'\n").unwrap();
    balancer.reconfigure(&old, &new).unwrap();
    assert_eq!(
        balancer.status()[0].addr.port(),
        2,
        "the clone has its old name and must have its new address"
    );
}

#[tokio::test]
async fn reload_restores_the_clones_of_the_file() {
    let config = Config::parse(TWO).unwrap();
    let balancer = config.build().unwrap();
    balancer.remove("clone-1").unwrap();
    balancer.remove("clone-2").unwrap();
    let elsewhere = "127.0.0.1:9".parse().unwrap();
    balancer.add(Upstream::new("clone-2", elsewhere)).unwrap();
    balancer.add(Upstream::new("by-hand", elsewhere)).unwrap();

    let changes = balancer.reconfigure(&config, &config).unwrap();

    assert_eq!(
        changes,
        [
            "clone-1 at 127.0.0.1:1 was added",
            "clone-2 at 127.0.0.1:9 was removed",
            "clone-2 at 127.0.0.1:2 was added"
        ],
        "a reload must not call a set of clones the same that differs from the file"
    );
    let names: Vec<_> = names(&balancer).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["by-hand", "clone-1", "clone-2"]);
}

#[tokio::test]
async fn invalid_configuration_changes_nothing() {
    let old = Config::parse(TWO).unwrap();
    let balancer = old.build().unwrap();
    let new = Config {
        max_in_flight: 0,
        upstreams: old.upstreams[..1].to_vec(),
        ..old.clone()
    };
    balancer.reconfigure(&old, &new).unwrap_err();
    assert_eq!(
        names(&balancer).len(),
        2,
        "a part of the invalid configuration was applied"
    );
}

#[tokio::test(start_paused = true)]
async fn file_is_reloaded_when_settled_or_requested() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, TWO).unwrap();
    let config = Config::read(file.path()).unwrap();
    let balancer = config.build().unwrap();
    let (request_reload, reload) = mpsc::channel(1);
    let (report, mut reports) = mpsc::unbounded_channel();
    let send_report = move |changes: Result<Vec<String>, ConfigError>| {
        drop(report.send(changes.map_err(|error| error.to_string())));
    };
    let watching = balancer.watch_config(file.path(), config, reload, |config| config, send_report);
    let script = async {
        // The clock is paused: when no task can run, tokio moves it to the next timer.
        tokio::time::sleep(POLL_INTERVAL * 7 / 2).await;
        assert!(
            reports.try_recv().is_err(),
            "a report although nothing has changed"
        );

        // An editor is writing the file: it contains one of two clones.
        std::fs::write(&file, &TWO[..34]).unwrap();
        tokio::time::sleep(POLL_INTERVAL).await;
        assert!(
            reports.try_recv().is_err(),
            "an incomplete file was applied"
        );
        std::fs::write(&file, TWO.replace("weight = 3", "weight = 4")).unwrap();
        assert_eq!(
            reports.recv().await.unwrap().unwrap(),
            ["clone-2 has the weight 4"]
        );

        std::fs::write(&file, "nonsense").unwrap();
        reports.recv().await.unwrap().unwrap_err();
        assert_eq!(
            names(&balancer).len(),
            2,
            "an invalid file must change nothing"
        );
        tokio::time::sleep(POLL_INTERVAL * 5).await;
        assert!(
            reports.try_recv().is_err(),
            "the same error is reported twice"
        );

        std::fs::write(&file, TWO).unwrap();
        request_reload.send(()).await.unwrap();
        assert_eq!(
            reports.recv().await.unwrap().unwrap(),
            ["clone-2 has the weight 3"]
        );

        std::fs::remove_file(&file).unwrap();
        assert!(
            reports
                .recv()
                .await
                .unwrap()
                .unwrap_err()
                .contains("cannot read")
        );
        assert_eq!(names(&balancer).len(), 2);
    };
    tokio::select! {
        () = watching => unreachable!("the balancer watches the file for ever"),
        () = script => {}
    }
}
