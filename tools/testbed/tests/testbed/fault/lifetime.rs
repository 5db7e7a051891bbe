//! The proxy's lifetime: it works independently of the test's runtime, and leaves nothing behind.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use testbed::{Fault, FaultProxy};

use crate::fault::support::{Network, assert_closed, connect, rest};

#[tokio::test]
async fn dropped_proxy_closes_connections_and_frees_port() {
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
        // If the proxy has not accepted it yet, it gets a reset.
        let _ = rest(&mut hanging).await;
    }
}

#[tokio::test]
async fn dropped_refusing_proxy_frees_port() {
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
async fn proxy_works_while_test_blocks_its_thread() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::before(server.local_addr().unwrap())
        .await
        .unwrap();
    round_trip(&server, &proxy);
    proxy.inject(Fault::Latency {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
    });
    round_trip(&server, &proxy);
}

#[test]
fn proxy_outlives_the_runtime_that_created_it() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let proxy = runtime
        .block_on(FaultProxy::before(server.local_addr().unwrap()))
        .unwrap();
    drop(runtime);
    round_trip(&server, &proxy);
    proxy.inject(Fault::Refuse);
    proxy.heal();
    round_trip(&server, &proxy);
}

#[tokio::test(start_paused = true)]
async fn proxy_uses_the_real_clock() {
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
    round_trip(&server, &proxy);
    assert!(start.elapsed() >= 2 * delay);
}

/// One round trip, without a runtime.
fn round_trip(server: &TcpListener, proxy: &FaultProxy) {
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
