//! The output of the program: the tour, `inspect` and `load`.

use std::path::Path;

use crate::support::program::{Process, assert_rejected, paste, run, run_with_closed_output};

#[tokio::test]
async fn every_command_of_the_tour_works() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path());
    let printed = process.tour();
    assert!(
        printed.len() < 30,
        "the tour has {} lines, which is too long",
        printed.len()
    );
    paste(&printed);
}

/// `UPDATE_BOOK=1 cargo test -p ch05-full the_book` updates the book.
#[tokio::test]
async fn the_book_shows_the_printed_tour() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path());
    let mut printed = vec![process.url.clone()];
    printed.extend(process.tour());
    let address = process.url.trim_start_matches("http://");
    let mut shown = printed.join("\n").replace(address, "127.0.0.1:8080");
    shown = shown.replace(
        dir.path().to_str().unwrap(),
        "/home/you/.local/share/scalability-workshop",
    );
    // The ports of the clones differ from run to run.
    let (before, clones) = shown.split_once("clone-1 ").unwrap();
    let (_, after) = clones.split_once(" (ports)").unwrap();
    shown = format!("{before}clone-1 40001, clone-2 40002, clone-3 40003 (ports){after}\n");

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src/sessions/serve.txt");
    if std::env::var_os("UPDATE_BOOK").is_some() {
        std::fs::write(&page, &shown).unwrap();
    }
    let in_the_book = std::fs::read_to_string(&page)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    assert_eq!(
        in_the_book, shown,
        "the tour has changed; run this test with UPDATE_BOOK=1 to update the book"
    );
}

#[tokio::test]
async fn inspect_shows_running_and_stopped_stores() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let process = Process::start(dir.path());
    process.client().get("/whoami").await;
    for arguments in [
        ["inspect", "--data-dir", path],
        ["inspect", "--url", &process.url],
    ] {
        let shown = String::from_utf8(run(&arguments).stdout).unwrap();
        for part in [
            "running at http://",
            "clone-1",
            "clone-2",
            "clone-3",
            "shard-0",
            "shard-3",
            "1000",
        ] {
            assert!(
                shown.contains(part),
                "{arguments:?} does not show {part}: {shown}"
            );
        }
    }
    let address = process.url.trim_start_matches("http://");
    for url in [
        address,
        &format!("{address}/"),
        &format!("http://{address}/"),
    ] {
        let output = run(&["inspect", "--url", url]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "--url {url}: {errors}");
    }
    for url in [
        &format!("{address}/metrics"),
        "http://",
        "ftp://127.0.0.1",
        "127.0.0.1:x",
    ] {
        let expected = "such as http://127.0.0.1:8080";
        assert_rejected(&run(&["inspect", "--url", url]), expected);
    }
    drop(process);
    let shown = String::from_utf8(run(&["inspect", "--data-dir", path]).stdout).unwrap();
    assert!(
        shown.contains("not running") && shown.contains("shard-3"),
        "{shown}"
    );
    // `inspect` must not hold the lock on the directory.
    Process::start(dir.path());
}

/// The reader closes the pipe, as in `… inspect | head -1`.
#[tokio::test]
async fn closed_output_pipe_causes_no_error_message() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    for command in [&["inspect"][..], &["load", "--games", "60"]] {
        let errors = run_with_closed_output(&[command, &["--url", &process.url]].concat());
        assert_eq!(
            errors, "",
            "{command:?} reports an error although only its reader has stopped"
        );
    }
}

#[tokio::test]
async fn load_measures_with_and_without_cache() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let load = [
        "load",
        "--url",
        &process.url,
        "--games",
        "60",
        "--rounds",
        "1",
        "--seconds",
        "1",
        "--connections",
        "2",
    ];
    let output = run(&load);
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(
        output.status.success() && stdout.contains("requests/s with the cache over without"),
        "{stdout}{stderr}"
    );
    // The store has 60 games, so a request for the 61st is a 404 and must fail the measurement.
    assert_rejected(
        &run(&[
            "load",
            "--url",
            &process.url,
            "--games",
            "61",
            "--seconds",
            "1",
        ]),
        "were not 200",
    );
    assert_rejected(
        &run(&["load", "--url", "http://192.0.2.1:80", "--seconds", "1"]),
        "this machine",
    );
}
