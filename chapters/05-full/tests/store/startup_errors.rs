//! Errors at the start of the program: a helpful message, and no change on the disk.

use std::path::Path;

use reqwest::StatusCode;

use crate::support::program::{Process, assert_rejected, run};

#[tokio::test]
async fn port_in_use_is_reported_and_creates_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = run(&["--listen", &address, "--data-dir", data.to_str().unwrap()]);
    assert_rejected(&output, &format!("cannot listen on {address}"));
    assert!(
        !data.exists(),
        "a store that cannot start must not create a data directory"
    );
}

#[tokio::test]
async fn wrong_flag_is_reported_before_the_start() {
    for (arguments, expected) in [
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
        // The error names all missing variables.
        (
            vec!["--services", "external"],
            "DATABASE_URL, REDIS_URL, AMQP_URL, SHARD_URLS",
        ),
        (
            vec!["clone", "--listen", "127.0.0.1:0"],
            "shares its servers",
        ),
        (vec!["balancer"], "--upstream"),
        (vec!["--naive", "token"], "several database servers"),
        (
            vec!["--services", "external", "--naive", "token,fencing"],
            "possible values: token, epoch",
        ),
    ] {
        assert_rejected(&run(&arguments), expected);
    }
}

#[tokio::test]
async fn unusable_data_directory_is_reported_and_left_unchanged() {
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
    assert_rejected(&start(&file, &[]), "cannot be used");
    assert_rejected(&start(&file.join("below"), &[]), "cannot be used");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    let store = dir.path().join("store");
    // An orderly stop moves the write-ahead logs into the database files.
    assert_eq!(
        Process::start(&store).stop("TERM").code(),
        Some(0),
        "the store printed its address before it handled signals"
    );
    assert_rejected(&start(&store, &["--shards", "2"]), "--shards 4");
    assert_rejected(&start(&store, &["--games", "61"]), "--games 60");
    assert_rejected(&start(&store, &["--seed", "1"]), "--seed 42");

    for (name, damage) in [("store.db", "not a database at all"), ("shard-2.db", "")] {
        let (file, kept) = (store.join(name), dir.path().join(name));
        std::fs::copy(&file, &kept).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        if damage.is_empty() {
            // The header stays valid; a later page is damaged.
            bytes[4_096..8_192].fill(0x5a);
        } else {
            bytes = damage.as_bytes().repeat(100);
        }
        std::fs::write(&file, &bytes).unwrap();
        assert_rejected(
            &start(&store, &[]),
            &format!("{name} is not a readable database"),
        );
        assert_eq!(
            std::fs::read(&file).unwrap(),
            bytes,
            "a damaged file must not be changed"
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
    assert_rejected(&second, "belongs to a store that is running");
    assert_eq!(first.client().get("/readyz").await.status, StatusCode::OK);
}
