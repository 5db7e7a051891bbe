//! Clones as processes that get `kill -9`. Data in a clone's memory or folder is lost with it.
//!
//! Each test judges two versions: the naive one must fail in the expected way, and the fixed one
//! must pass.

use std::net::SocketAddr;
use std::path::PathBuf;

use ch01_clones::balancer::strategy::StrategyName;
use http::StatusCode;
use tokio::process::Command;

use crate::avatars::PNG;
use crate::process::{self, CloneProcess};
use crate::role::PROGRAM;
use crate::support::{TestBalancer, balance, balance_over, client, log_in};

/// Three clones behind a balancer. `folder` returns the avatar folder of a clone.
async fn three(
    sessions: &str,
    folder: impl Fn(&str) -> Option<PathBuf>,
) -> (TestBalancer, Vec<CloneProcess>) {
    let clones = start_three(sessions, folder).await;
    let addresses: Vec<SocketAddr> = clones.iter().map(|clone| clone.address).collect();
    (balance(&addresses).await, clones)
}

async fn start_three(
    sessions: &str,
    folder: impl Fn(&str) -> Option<PathBuf>,
) -> Vec<CloneProcess> {
    let mut clones = Vec::new();
    for name in ["clone-1", "clone-2", "clone-3"] {
        clones.push(process::start(name, sessions, folder(name).as_deref()).await);
    }
    clones
}

/// Three clones behind a balancer with this strategy, and without an avatar folder.
pub async fn three_behind(
    strategy: StrategyName,
    sessions: &str,
) -> (TestBalancer, Vec<CloneProcess>) {
    let clones = start_three(sessions, |_| None).await;
    let addresses: Vec<SocketAddr> = clones.iter().map(|clone| clone.address).collect();
    let front = balance_over(
        |balancer| balancer.with_strategy(strategy.build(0)),
        &addresses,
    )
    .await;
    (front, clones)
}

async fn me(client: &reqwest::Client, url: String, cookie: &str) -> StatusCode {
    client
        .get(url)
        .header("cookie", cookie)
        .send()
        .await
        .unwrap()
        .status()
}

/// Logs in once. Returns how many of six requests find the session.
async fn known_turns(sessions: &str) -> usize {
    let (front, _clones) = three(sessions, |_| None).await;
    let cookie = log_in(&front.url("/login"), "ada", None).await;
    let mut known = 0;
    for _ in 0..6 {
        known += usize::from(me(&client(), front.url("/me"), &cookie).await == StatusCode::OK);
    }
    known
}

#[tokio::test]
async fn login_is_unknown_to_other_clones() {
    assert_eq!(
        known_turns("local").await,
        2,
        "one of three processes has the login in its memory"
    );

    let redis = testbed::redis().await.unwrap();
    assert_eq!(
        known_turns(&redis.url()).await,
        6,
        "the session is in Redis: does a clone look in another place first?"
    );
}

/// Uploads a picture to the first of three clones. Returns how many clones serve it before and
/// after the first one is killed.
async fn clones_that_show_the_picture(folder: impl Fn(&str) -> Option<PathBuf>) -> (usize, usize) {
    let (_front, mut clones) = three("local", folder).await;
    // The login and the upload use one clone, so that only the picture can be missing.
    let taker = clones[0].address;
    let cookie = log_in(&format!("http://{taker}/login"), "ada", None).await;
    let request = client()
        .put(format!("http://{taker}/me/avatar"))
        .header("cookie", cookie);
    assert_eq!(request.body(PNG).send().await.unwrap().status(), 204);

    let before = shown_by(&clones).await;
    clones.remove(0).kill().await.unwrap();
    (before, shown_by(&clones).await)
}

async fn shown_by(clones: &[CloneProcess]) -> usize {
    let mut shown = 0;
    for clone in clones {
        let url = format!("http://{}/users/ada/avatar", clone.address);
        let answer = client().get(url).send().await.unwrap();
        let is_shown = answer.status() == StatusCode::OK;
        shown += usize::from(is_shown && answer.bytes().await.unwrap() == PNG);
    }
    shown
}

#[tokio::test]
async fn every_clone_serves_the_picture() {
    let folders = tempfile::tempdir().unwrap();
    let own = |clone: &str| Some(folders.path().join(clone));
    assert_eq!(
        clones_that_show_the_picture(own).await,
        (1, 0),
        "with a folder for each clone, one of three has the picture, and the picture dies with it"
    );

    let one_for_all = |_: &str| Some(folders.path().join("all"));
    assert_eq!(
        clones_that_show_the_picture(one_for_all).await,
        (3, 2),
        "all clones share the folder: does a clone look in another place?"
    );
}

#[tokio::test]
async fn invalid_session_store_is_rejected_before_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let table = [
        (["--sessions", "memory"], "`local`, `sticky`"),
        (["--sessions", "localhost:6379"], "`redis://127.0.0.1:6379`"),
        (
            ["--sessions", "rediss://localhost"],
            "`redis://127.0.0.1:6379`",
        ),
        (["--sessions", "redis://"], "`redis://HOST:PORT/DATABASE`"),
        (
            ["--sessions", "redis://localhost/one"],
            "`redis://HOST:PORT/DATABASE`",
        ),
        (["--avatars", file], "`--avatars"),
    ];
    for (arguments, hint) in table {
        let output = Command::new(PROGRAM)
            .args(["clone", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .kill_on_drop(true)
            .output();
        let output =
            crate::support::within_deadline("a clone with a wrong argument to end", output)
                .await
                .unwrap();
        let output_text = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{arguments:?}"
        );
        assert!(
            output_text.contains(hint),
            "{arguments:?}: {hint} is not in\n{output_text}"
        );
    }
}
