//! Tests of the configuration file: its checks, its changes, and its reloading.

use tokio::sync::mpsc;

use super::watch::POLL_INTERVAL;
use super::*;
use crate::balancer::Balancer;

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
        (
            "max_in_flight = 0\n[[upstream]]\naddr = '127.0.0.1:1'\n",
            "1 or more",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[probe]\npath = 'readyz'\n",
            "`/readyz`",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[probe]\ninterval = '0s'\n",
            "above zero",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[timeouts]\nconnect = 5\n",
            "line 4",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[timeouts]\nconect = '5s'\n",
            "unknown field `conect`",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[limits]\nconnections = 0\n",
            "1 or more",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[limits]\nhead_bytes = 100\n",
            "8192 or more",
        ),
        (
            "[[upstream]]\naddr = '127.0.0.1:1'\n[retries]\nbudget = -1.0\n",
            "such as 0.2",
        ),
    ] {
        let error = Config::parse(text)
            .and_then(|config| config.build())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(hint),
            "the error for `{text}` must contain `{hint}`:\n{error}"
        );
    }
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
