//! Dedicated servers: what can be done to them, and that they go.

use std::process::Command;

use testbed::{PostgresCluster, Server, Service};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_killed_server_is_gone_and_comes_back_at_the_same_address() {
    let server = Server::start(Service::Redis).await.unwrap();
    let address = server.address();
    server.kill().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
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

fn container_exists(name: &str) -> bool {
    let output = Command::new("docker")
        .args(["ps", "-aq", "--filter", &format!("name=^{name}$")])
        .output()
        .unwrap();
    assert!(output.status.success());
    !output.stdout.is_empty()
}
