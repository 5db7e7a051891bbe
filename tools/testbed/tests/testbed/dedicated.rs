//! Dedicated servers: what can be done to them, and that they go.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testbed::{PostgresCluster, Server, Service};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_killed_server_is_gone_and_comes_back_at_the_same_address() {
    let server = Server::start(Service::Redis).await.unwrap();
    let address = server.address();
    server.kill().await.unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "it still listens"
    );
    server.start_again().await.unwrap();
    assert_eq!(server.address(), address);
    TcpStream::connect(address).await.unwrap();
}

#[tokio::test]
async fn a_cluster_replicates() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    assert_eq!(cluster.replica_urls().len(), 2);
}

#[tokio::test]
async fn a_dropped_server_leaves_no_container() {
    let server = Server::start(Service::Memcached).await.unwrap();
    let name = server.name().to_owned();
    assert!(container_exists(&name));
    drop(server);
    assert!(!container_exists(&name));
}

#[tokio::test]
async fn servers_that_nobody_waits_for_any_more_are_removed_all_the_same() {
    // More than the testbed has threads.
    let mut starting = JoinSet::new();
    for number in 1..=6 {
        let role = format!("unwanted-{number}");
        starting.spawn(async move {
            Server::builder(Service::Memcached)
                .role(&role)
                .start()
                .await
        });
    }
    // Polled once, so that the work has begun; then nobody wants it.
    tokio::task::yield_now().await;
    starting.shutdown().await;

    // Whoever starts a server now would wait for ever if the others had stopped the testbed's threads.
    let last = Server::start(Service::Memcached).await.unwrap();
    let (prefix, _) = last.name().rsplit_once('-').unwrap();
    let (prefix, _) = prefix.rsplit_once('-').unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while container_exists(&format!("{prefix}-.*-unwanted-.*")) {
        assert!(
            Instant::now() < deadline,
            "containers stay that nobody holds"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const STAND_IN: &str = "TESTBED_STAND_IN";

/// Not a test of anything, but the process that the test below runs: this same binary, started once more for this function alone.
/// Without the variable it does nothing.
#[tokio::test]
async fn stand_in() {
    match std::env::var(STAND_IN).as_deref() {
        Ok("hold a server") => {
            let server = Server::start(Service::Memcached).await.unwrap();
            println!("holding {}", server.name());
            std::future::pending::<()>().await;
        }
        Ok("use the testbed") => drop(testbed::redis().await.unwrap()),
        Ok("remove everything") => drop(testbed::remove_all().await.unwrap()),
        _ => {}
    }
}

#[tokio::test]
async fn what_a_killed_process_has_left_behind_is_removed_by_the_next_one() {
    let mut killed = run_stand_in("hold a server");
    let output = BufReader::new(killed.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    // The name of the test stands before it in the same line.
    let name = lines
        .find_map(|line| Some(line.split_once("holding ")?.1.to_owned()))
        .unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(container_exists(&name), "nobody could remove it yet");

    assert!(run_stand_in("use the testbed").wait().unwrap().success());

    assert!(
        !container_exists(&name),
        "{name} stays for ever: does the next process look for ended leases?"
    );
}

/// Somebody who has no servers yet. Dropping this removes the ones that they have got.
struct Newcomer(String);

impl Newcomer {
    fn run(&self, behaviour: &str) -> Child {
        stand_in_for(behaviour)
            .env("USER", &self.0)
            .spawn()
            .unwrap()
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let _ = self.run("remove everything").wait();
    }
}

#[tokio::test]
async fn processes_that_begin_together_without_a_server_start_one_of_them() {
    let newcomer = Newcomer(format!("new{}", std::process::id()));
    let server = format!("workshop-{}-redis", newcomer.0);
    assert!(!container_exists(&server));

    let together: Vec<Child> = (0..4).map(|_| newcomer.run("use the testbed")).collect();

    for mut process in together {
        assert!(
            process.wait().unwrap().success(),
            "one was in the other's way: does a lock let one of them start the server?"
        );
    }
    assert!(container_exists(&server));
    drop(newcomer);
    assert!(
        !container_exists(&server),
        "what a newcomer has got stays for ever"
    );
}

fn run_stand_in(behaviour: &str) -> Child {
    stand_in_for(behaviour).spawn().unwrap()
}

fn stand_in_for(behaviour: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "dedicated::stand_in", "--nocapture"])
        .env(STAND_IN, behaviour)
        .stdout(Stdio::piped());
    command
}

fn container_exists(name: &str) -> bool {
    let output = Command::new("docker")
        .args(["ps", "-aq", "--filter", &format!("name=^{name}$")])
        .output()
        .unwrap();
    assert!(output.status.success());
    !output.stdout.is_empty()
}
