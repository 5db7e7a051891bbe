//! The proxy's own life: it works while its user does not, and leaves nothing behind.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use testbed::{Fault, FaultProxy};

use crate::fault::support::{Network, assert_closed, connect, rest};

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections_and_frees_its_port() {
    for _ in 0..10 {
        let network = Network::new().await;
        let address = network.proxy.address();
        let (mut client, mut server) = network.connect().await;
        network.proxy.inject(Fault::Blackhole);
        let mut hanging = connect(address).await.unwrap();

        drop(network);
        let refused = connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        TcpListener::bind(address).expect("the port is free as soon as the proxy is dropped");
        assert_closed(&mut client).await;
        assert_closed(&mut server).await;
        // It may not have been let in yet, and then it gets a reset.
        let _ = rest(&mut hanging).await;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_dropped_as_well() {
    let network = Network::new().await;
    let address = network.proxy.address();
    network.proxy.inject(Fault::Refuse);
    drop(network);
    tokio::net::TcpSocket::new_v4()
        .unwrap()
        .bind(address)
        .expect("the port is free as soon as the proxy is dropped");
}

#[tokio::test]
async fn a_proxy_works_while_the_test_that_uses_it_blocks_its_only_thread() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::before(server.local_addr().unwrap())
        .await
        .unwrap();
    talk(&server, &proxy);
    proxy.inject(Fault::Latency {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
    });
    talk(&server, &proxy);
}

#[test]
fn a_proxy_outlives_the_runtime_that_it_was_made_in() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let proxy = runtime
        .block_on(FaultProxy::before(server.local_addr().unwrap()))
        .unwrap();
    drop(runtime);
    talk(&server, &proxy);
    proxy.inject(Fault::Refuse);
    proxy.heal();
    talk(&server, &proxy);
}

#[tokio::test(start_paused = true)]
async fn the_proxys_clock_is_the_real_one() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::before(server.local_addr().unwrap())
        .await
        .unwrap();
    let delay = Duration::from_millis(50);
    proxy.inject(Fault::Latency {
        delay,
        jitter: Duration::ZERO,
    });
    let start = std::time::Instant::now();
    talk(&server, &proxy);
    assert!(start.elapsed() >= 2 * delay);
}

/// A question and an answer, without a runtime.
fn talk(server: &TcpListener, proxy: &FaultProxy) {
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let (mut connection, _) = server.accept().unwrap();
    for stream in [&client, &connection] {
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
    }
    let mut bytes = [0; 5];
    client.write_all(b"hello").unwrap();
    connection.read_exact(&mut bytes).unwrap();
    connection.write_all(&bytes).unwrap();
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}
