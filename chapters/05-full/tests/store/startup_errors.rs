//! The program when it cannot or should not start: one sentence that helps, and nothing changed.

use std::path::Path;

use reqwest::StatusCode;

use crate::support::program::{Process, assert_refused, run};

#[tokio::test]
async fn a_port_in_use_is_said_in_a_sentence_and_nothing_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = run(&["--listen", &address, "--data-dir", data.to_str().unwrap()]);
    assert_refused(&output, &format!("cannot listen on {address}"));
    assert!(
        !data.exists(),
        "a store that cannot start makes no data directory"
    );
}

#[tokio::test]
async fn a_wrong_flag_is_said_before_anything_happens() {
    for (arguments, says) in [
        (vec!["--clone", "3"], "--clones"),
        (vec!["--clones", "0"], "1..=64"),
        (vec!["--clones", "many"], "invalid value"),
        (vec!["--listen", "localhost"], "invalid value"),
        (vec!["--games", "-5"], "unexpected argument"),
        (vec!["surf"], "surf"),
        (vec!["--services", "magic"], "possible values"),
        (vec!["--replicas", "2"], "only `--services docker`"),
        (
            vec!["--services", "docker", "--data-dir", ":memory:"],
            "only for the embedded store",
        ),
        (
            vec!["--services", "external", "--shards", "2"],
            "SHARD_URLS",
        ),
        // All that is missing at once.
        (
            vec!["--services", "external"],
            "DATABASE_URL, REDIS_URL, AMQP_URL, SHARD_URLS",
        ),
        (
            vec!["clone", "--listen", "127.0.0.1:0"],
            "shares its servers",
        ),
        (vec!["balancer"], "--upstream"),
    ] {
        assert_refused(&run(&arguments), says);
    }
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_said_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let start = |path: &Path, more: &[&str]| {
        let mut arguments = vec![
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            path.to_str().unwrap(),
        ];
        arguments.extend(more);
        run(&arguments)
    };

    let file = dir.path().join("a-file");
    std::fs::write(&file, "mine").unwrap();
    assert_refused(&start(&file, &[]), "cannot be used");
    assert_refused(&start(&file.join("below"), &[]), "cannot be used");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    let store = dir.path().join("store");
    // Stopped and not killed, so that everything is in the files themselves and not in their write-ahead logs.
    assert_eq!(
        Process::start(&store).stop("TERM").code(),
        Some(0),
        "it did not listen for signals before it said that it runs"
    );
    assert_refused(&start(&store, &["--shards", "2"]), "--shards 4");
    assert_refused(&start(&store, &["--games", "61"]), "--games 60");
    assert_refused(&start(&store, &["--seed", "1"]), "--seed 42");

    for (name, damage) in [("store.db", "not a database at all"), ("shard-2.db", "")] {
        let (file, kept) = (store.join(name), dir.path().join(name));
        std::fs::copy(&file, &kept).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        if damage.is_empty() {
            // Plausible from its header, garbage further on.
            bytes[4_096..8_192].fill(0x5a);
        } else {
            bytes = damage.as_bytes().repeat(100);
        }
        std::fs::write(&file, &bytes).unwrap();
        assert_refused(
            &start(&store, &[]),
            &format!("{name} is not a readable database"),
        );
        assert_eq!(
            std::fs::read(&file).unwrap(),
            bytes,
            "the damaged file is evidence and must stay as it is"
        );
        std::fs::copy(&kept, &file).unwrap();
    }
    Process::start(&store);
}

#[tokio::test]
async fn two_stores_cannot_share_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path());
    let second = run(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        dir.path().to_str().unwrap(),
    ]);
    assert_refused(&second, "belongs to a store that is running");
    assert_eq!(first.client().get("/readyz").await.status, StatusCode::OK);
}
