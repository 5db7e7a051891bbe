//! `serve --services docker`: servers in containers, and a process for each clone and worker.

use std::process::Command;
use std::time::Instant;

use reqwest::StatusCode;

use crate::support::program::{Process, paste, signal};
use crate::support::{Client, poll_until};

/// One test covers the whole life of the store, because each start takes a dozen containers.
#[tokio::test]
async fn store_in_containers_survives_kill_and_cleans_up() {
    let mut store = Process::in_containers();
    let tour = store.tour();
    let containers = tour
        .iter()
        .find_map(|line| line.strip_prefix("docker ps --filter name="));
    let containers = containers.expect("the tour has no command that lists the containers");
    assert!(
        count_containers(containers) >= 10,
        "a primary, replicas, shards, Redis, Memcached and RabbitMQ are at least 10 containers"
    );

    paste(&tour);

    let ada = store.client();
    ada.login("ada").await;
    public_pages_work_while_redis_is_paused(containers, &ada).await;
    signal(pid_to_kill(&tour, "clone-1"), "KILL");
    signal(pid_to_kill(&tour, "worker-1"), "KILL");
    for request in 1..=12 {
        let me = ada.get("/me").await;
        assert_eq!(
            me.status,
            StatusCode::OK,
            "request {request} after the kill: {}",
            me.body
        );
    }
    for name in ["clone-1", "worker-1"] {
        poll_until(async || running_child(store.child.id(), name).then_some(())).await;
    }
    poll_until(async || {
        let answer = ada.get("/whoami").await;
        (answer.header("x-served-by") == "clone-1").then_some(())
    })
    .await;

    let hung = child(&tour, "clone-2");
    signal(hung, "STOP");
    let mut waits = Vec::new();
    for _ in 0..12 {
        let begin = Instant::now();
        assert_eq!(ada.get("/games/7").await.status, StatusCode::OK);
        waits.push(begin.elapsed());
    }
    signal(hung, "CONT");
    let long = waits.iter().filter(|wait| wait.as_millis() > 2_500).count();
    assert!(
        long <= 1,
        "{long} of 12 requests waited for a hung clone: {waits:?}"
    );
    let job = ada
        .post("/work?job=order-export", serde_json::json!({}))
        .await;
    let done = ada.finished_job(job.location()).await;
    assert_eq!(
        done["state"], "done",
        "the other worker did not run the job: {done}"
    );

    let containers = containers.to_owned();
    let children: Vec<u32> = ["clone-2", "clone-3", "worker-2"]
        .iter()
        .map(|name| child(&tour, name))
        .collect();
    let status = store.stop("INT");
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(
        count_containers(&containers),
        0,
        "the store did not remove its containers"
    );
    for pid in children {
        assert!(!is_alive(pid), "process {pid} is still running");
    }
}

async fn public_pages_work_while_redis_is_paused(containers: &str, ada: &Client) {
    let filter = format!("name={containers}");
    let names = docker(&["ps", "--format", "{{.Names}}", "--filter", &filter]);
    let redis = names.lines().find(|name| name.contains("redis")).unwrap();
    docker(&["pause", redis]);
    let browsing = async {
        for path in ["/", "/games", "/games/7", "/login", "/orders/1"] {
            let page = ada.get_html(path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
        }
    };
    tokio::select! {
        biased;
        () = browsing => {}
        me = ada.get("/me") => panic!("{}: five pages took as long as one time-out", me.status),
    }
    docker(&["unpause", redis]);
    poll_until(async || (ada.get("/me").await.status == StatusCode::OK).then_some(())).await;
}

/// A killed parent sends no signal, but the standard input of its child processes closes.
#[tokio::test]
async fn child_processes_exit_when_parent_is_killed() {
    let mut store = Process::in_containers();
    let tour = store.tour();
    let children: Vec<u32> = ["clone-1", "clone-2", "worker-1"]
        .iter()
        .map(|name| child(&tour, name))
        .collect();
    let containers = tour
        .iter()
        .find_map(|line| line.strip_prefix("docker ps --filter name="))
        .unwrap();

    store.signal("KILL");

    for pid in children {
        poll_until(async || (!is_alive(pid)).then_some(())).await;
    }
    // The next program that uses the testbed would remove the containers. This test removes them.
    let left = docker(&["ps", "-aq", "--filter", &format!("name={containers}")]);
    let left: Vec<&str> = left.lines().collect();
    docker(&[&["rm", "--force", "--volumes"], left.as_slice()].concat());
}

/// The process id in a `kill` command of the tour.
fn pid_to_kill(tour: &[String], name: &str) -> u32 {
    let line = tour
        .iter()
        .find(|line| line.starts_with("kill -9") && line.ends_with(name));
    let line =
        line.unwrap_or_else(|| panic!("the tour has no command that kills {name}: {tour:#?}"));
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// The process id in `clone-2 40002 (1234)` or `worker-2 (1235)`.
fn child(tour: &[String], name: &str) -> u32 {
    let text = tour.join(" ");
    let (_, after) = text.split_once(&format!("{name} ")).unwrap();
    let (_, after) = after.split_once('(').unwrap();
    after.split_once(')').unwrap().0.parse().unwrap()
}

/// Whether a child process of the store runs the role with this name.
fn running_child(store: u32, name: &str) -> bool {
    let list = Command::new("pgrep")
        .args([
            "--parent",
            &store.to_string(),
            "--full",
            "--",
            &format!("--name {name} "),
        ])
        .output()
        .unwrap();
    list.status.success()
}

fn is_alive(pid: u32) -> bool {
    Command::new("kill")
        .args(["-0", &pid.to_string()])
        .output()
        .unwrap()
        .status
        .success()
}

fn count_containers(name: &str) -> usize {
    docker(&["ps", "-aq", "--filter", &format!("name={name}")])
        .lines()
        .count()
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("docker is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
