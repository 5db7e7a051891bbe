//! Dedicated servers: what a test can do to them, and that their containers are removed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testbed::{PostgresCluster, Server, Service};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::test]
async fn killed_server_restarts_at_same_address() {
    let server = Server::start(Service::Redis).await.unwrap();
    let address = server.address();
    server.kill().await.unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the killed server still listens"
    );
    server.start_again().await.unwrap();
    assert_eq!(server.address(), address);
    TcpStream::connect(address).await.unwrap();
}

#[tokio::test]
async fn cluster_starts_with_its_replicas() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    assert_eq!(cluster.replica_urls().len(), 2);
}

#[tokio::test]
async fn dropped_server_leaves_no_container() {
    let server = Server::start(Service::Memcached).await.unwrap();
    let name = server.name().to_owned();
    assert!(container_exists(&name));
    drop(server);
    assert!(!container_exists(&name));
}

#[tokio::test]
async fn cancelled_start_leaves_no_container() {
    // More than the testbed has threads.
    let mut starting = JoinSet::new();
    for number in 1..=6 {
        let role = format!("cancelled-{number}");
        starting.spawn(async move {
            Server::builder(Service::Memcached)
                .role(&role)
                .start()
                .await
        });
    }
    // Polled once, so that the work has begun. Then all starts are cancelled.
    tokio::task::yield_now().await;
    starting.shutdown().await;

    // This start would wait for ever if the cancelled ones blocked the testbed's threads.
    let last = Server::start(Service::Memcached).await.unwrap();
    let (prefix, _) = last.name().rsplit_once('-').unwrap();
    let (prefix, _) = prefix.rsplit_once('-').unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while container_exists(&format!("{prefix}-.*-cancelled-.*")) {
        assert!(
            Instant::now() < deadline,
            "containers of cancelled starts stay: does `run` finish its work, and drop the server?"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const CHILD_ACTION: &str = "TESTBED_CHILD_ACTION";

/// Not a test, but the child process of the tests below: this test binary, started for this
/// function alone. Without the variable it does nothing.
#[tokio::test]
async fn child_process() {
    match std::env::var(CHILD_ACTION).as_deref() {
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
async fn next_process_removes_container_of_killed_one() {
    let mut killed = start_child("hold a server");
    let output = BufReader::new(killed.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    // The test runner prints the test's name earlier in the same line.
    let name = lines
        .find_map(|line| Some(line.split_once("holding ")?.1.to_owned()))
        .unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(
        container_exists(&name),
        "the container is gone although no process has removed it yet"
    );

    assert!(start_child("use the testbed").wait().unwrap().success());

    assert!(
        !container_exists(&name),
        "{name} stays for ever: does the next process look for ended leases?"
    );
}

/// A user without servers. Dropping this removes the servers that were started for the user.
struct NewUser(String);

impl NewUser {
    fn run(&self, action: &str) -> Child {
        child_command(action).env("USER", &self.0).spawn().unwrap()
    }
}

impl Drop for NewUser {
    fn drop(&mut self) {
        let _ = self.run("remove everything").wait();
    }
}

#[tokio::test]
async fn simultaneous_processes_start_one_shared_server() {
    let user = NewUser(format!("new{}", std::process::id()));
    let server = format!("workshop-{}-redis", user.0);
    assert!(!container_exists(&server));

    let processes: Vec<Child> = (0..4).map(|_| user.run("use the testbed")).collect();

    for mut process in processes {
        assert!(
            process.wait().unwrap().success(),
            "the processes disturbed each other: does a lock let only one of them start the server?"
        );
    }
    assert!(container_exists(&server));
    drop(user);
    assert!(
        !container_exists(&server),
        "`remove_all` has not removed the shared server"
    );
}

fn start_child(action: &str) -> Child {
    child_command(action).spawn().unwrap()
}

fn child_command(action: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "dedicated::child_process", "--nocapture"])
        .env(CHILD_ACTION, action)
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
