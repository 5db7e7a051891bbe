//! Without a fault, and with faults that only delay, every byte arrives unchanged.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use testbed::{Fault, Transferred};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fault::support::{
    Network, SILENCE, assert_closed, assert_reset, assert_works, connect, receive, rest, send,
    soon, until,
};

#[tokio::test]
async fn half_closed_client_still_gets_the_answer() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    client.write_all(b"last question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (b"last question".to_vec(), None));
    send(&mut server, b"answer").await;
    assert_eq!(receive(&mut client, 6).await, b"answer");
    drop(server);
    assert_closed(&mut client).await;

    let (mut client, mut server) = network.connect().await;
    server.shutdown().await.unwrap();
    assert_closed(&mut client).await;
    send(&mut client, b"still here").await;
    assert_eq!(receive(&mut server, 10).await, b"still here");
    drop(client);
    assert_closed(&mut server).await;

    until("the end of both connections", || {
        network.proxy.connections() == 0
    })
    .await;
}

#[tokio::test]
async fn reset_of_one_peer_reaches_the_other() {
    let network = Network::new().await;

    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert_reset(&mut server).await;

    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    send(&mut server, b"FATAL: shutting down").await;
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(receive(&mut client, 20).await, b"FATAL: shutting down");
    assert_reset(&mut client).await;
}

#[tokio::test]
async fn reset_by_the_server_reaches_the_client() {
    let network = Network::new().await;
    for _ in 0..100 {
        let (mut client, server) = network.connect().await;
        server.set_zero_linger().unwrap();
        drop(server);
        assert_reset(&mut client).await;
    }
}

#[tokio::test]
async fn reset_seen_while_writing_stays_a_reset() {
    let network = Network::new().await;
    for _ in 0..100 {
        let (mut client, mut server) = network.connect().await;
        assert_works(&mut client, &mut server).await;
        // Now the proxy finds both at once: data to write, and a receiver that is gone.
        network.proxy.inject(Fault::Blackhole);
        send(&mut client, b"question").await;
        server.set_zero_linger().unwrap();
        drop(server);
        network.proxy.heal();
        assert_reset(&mut client).await;
    }
}

#[tokio::test]
async fn slow_receiver_stops_the_sender() {
    let network = Network::new().await;
    let (mut client, _server) = network.connect().await;
    let piece = vec![7; 1024 * 1024];
    let mut pieces = 0;
    while tokio::time::timeout(5 * SILENCE, client.write_all(&piece))
        .await
        .is_ok()
    {
        pieces += 1;
        // The kernel buffers at most 36 MiB for the two connections.
        assert!(
            pieces < 128,
            "the proxy has no limit for the data that it holds"
        );
    }
}

#[tokio::test]
async fn client_of_a_closed_server_gets_an_error() {
    let network = Network::new().await;
    let (mut client, server) = network.connect().await;
    drop(server);
    let writing = async { while client.write_all(b"are you there?").await.is_ok() {} };
    soon("a reset", writing).await;
}

#[tokio::test]
async fn received_bytes_are_already_counted() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    let mut expected = Transferred::default();
    for size in 1..=300 {
        send(&mut client, &vec![1; size]).await;
        receive(&mut server, size).await;
        expected.to_server += size as u64;
        assert_eq!(
            network.proxy.bytes(),
            expected,
            "are bytes counted only after they are written?"
        );

        send(&mut server, &vec![2; 3 * size]).await;
        receive(&mut client, 3 * size).await;
        expected.to_client += 3 * size as u64;
        assert_eq!(
            network.proxy.bytes(),
            expected,
            "are bytes counted only after they are written?"
        );
    }
}

#[tokio::test]
async fn hundred_connections_get_their_own_answers() {
    let proxy = Network::with_echo().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(connect(proxy.address()).await.unwrap());
    }
    let tasks = clients.into_iter().enumerate().map(|(number, mut client)| {
        tokio::spawn(async move {
            for round in 0..20 {
                let question = format!(
                    "client {number}, round {round}: {}",
                    "x".repeat(number * round)
                );
                send(&mut client, question.as_bytes()).await;
                assert_eq!(
                    receive(&mut client, question.len()).await,
                    question.as_bytes()
                );
            }
            client
        })
    });
    let mut clients = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        clients.push(task.await.unwrap());
    }

    assert_eq!(proxy.connections(), 100);
    clients.truncate(30);
    until("the end of seventy connections", || {
        proxy.connections() == 30
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delaying_faults_lose_no_byte(
        questions in chunks(),
        answers in chunks(),
        faults in vec(delaying_fault(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let network = Network::new().await;
            let (client, server) = network.connect().await;
            let transfer = async { tokio::join!(send_and_receive_all(client, &questions), send_and_receive_all(server, &answers)) };
            let inject = async {
                for fault in &faults {
                    network.proxy.inject(*fault);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                network.proxy.heal();
            };
            let ((client_got, server_got), ()) = soon("the transfer", async { tokio::join!(transfer, inject) }).await;
            assert!(client_got == answers.concat(), "the client received other bytes than the server sent");
            assert!(server_got == questions.concat(), "the server received other bytes than the client sent");
        });
    }
}

/// Chunks of many sizes. No two have the same content, so a test notices a repeated or reordered
/// one.
fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec((1..40_000_usize, any::<u64>()), 0..20).prop_map(|chunks| {
        let mut position = 0_u64;
        let mut chunk = |(size, seed): (usize, u64)| {
            let mut byte = || {
                position += 1;
                ((position ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
            };
            (0..size).map(|_| byte()).collect()
        };
        chunks.into_iter().map(&mut chunk).collect()
    })
}

/// Faults that delay or hold data, but lose nothing.
fn delaying_fault() -> impl Strategy<Value = Fault> {
    let delay = (0..5_u64).prop_map(Duration::from_millis);
    prop_oneof![
        (delay.clone(), delay.clone()).prop_map(|(delay, jitter)| Fault::Latency { delay, jitter }),
        (1..10_000_000_u64).prop_map(|bytes_per_second| Fault::Bandwidth { bytes_per_second }),
        delay.prop_map(|delay| Fault::SlowClose { delay }),
        Just(Fault::Blackhole),
    ]
}

/// Sends all chunks, closes this side, and returns everything received until the other side closes.
async fn send_and_receive_all(mut stream: TcpStream, chunks: &[Vec<u8>]) -> Vec<u8> {
    let (mut from, mut to) = stream.split();
    let mut received = Vec::new();
    let send = async {
        for chunk in chunks {
            to.write_all(chunk).await.unwrap();
        }
        to.shutdown().await.unwrap();
    };
    let (_, ()) = tokio::join!(from.read_to_end(&mut received), send);
    received
}

#[tokio::test]
async fn client_that_connects_during_fault_works_afterwards() {
    let network = Network::new().await;
    for fault in [
        Fault::Blackhole,
        Fault::Bandwidth {
            bytes_per_second: 1,
        },
        Fault::Latency {
            delay: Duration::MAX,
            jitter: Duration::MAX,
        },
        Fault::SlowClose {
            delay: Duration::MAX,
        },
        Fault::CutAfter { bytes: u64::MAX },
    ] {
        network.proxy.inject(fault);
        let mut client = connect(network.proxy.address()).await.unwrap();
        network.proxy.heal();
        let mut server = network.accept().await;
        assert_works(&mut client, &mut server).await;
    }
}
