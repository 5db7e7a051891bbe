//! Without a fault, and with faults that lose nothing: the proxy is a cable.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use testbed::{Fault, Transferred};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fault::support::{
    LOOK, Network, assert_closed, assert_reset, assert_works, connect, receive, rest, send, soon,
    until,
};

#[tokio::test]
async fn who_has_closed_its_side_still_gets_an_answer() {
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
async fn the_reset_of_one_peer_reaches_the_other() {
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
async fn a_server_that_resets_whoever_comes_is_seen_as_it_is() {
    let network = Network::new().await;
    for _ in 0..100 {
        let (mut client, server) = network.connect().await;
        server.set_zero_linger().unwrap();
        drop(server);
        assert_reset(&mut client).await;
    }
}

#[tokio::test]
async fn a_reset_that_shows_itself_when_the_proxy_writes_is_no_orderly_close() {
    let network = Network::new().await;
    for _ in 0..100 {
        let (mut client, mut server) = network.connect().await;
        assert_works(&mut client, &mut server).await;
        // So that the proxy finds both at once: something to write, and that there is nobody any more to receive it.
        network.proxy.inject(Fault::Blackhole);
        send(&mut client, b"question").await;
        server.set_zero_linger().unwrap();
        drop(server);
        network.proxy.heal();
        assert_reset(&mut client).await;
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_read_holds_up_the_sender() {
    let network = Network::new().await;
    let (mut client, _server) = network.connect().await;
    let piece = vec![7; 1024 * 1024];
    let mut pieces = 0;
    while tokio::time::timeout(5 * LOOK, client.write_all(&piece))
        .await
        .is_ok()
    {
        pieces += 1;
        // The kernel keeps some for each of the two connections, 36 MiB at most.
        assert!(pieces < 128, "the proxy takes all that it is given");
    }
}

#[tokio::test]
async fn a_client_that_writes_to_a_server_which_went_away_hears_of_it() {
    let network = Network::new().await;
    let (mut client, server) = network.connect().await;
    drop(server);
    let writing = async { while client.write_all(b"anybody there?").await.is_ok() {} };
    soon("a reset", writing).await;
}

#[tokio::test]
async fn what_a_peer_has_received_has_been_counted() {
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
            "is it counted only after it is written?"
        );

        send(&mut server, &vec![2; 3 * size]).await;
        receive(&mut client, 3 * size).await;
        expected.to_client += 3 * size as u64;
        assert_eq!(
            network.proxy.bytes(),
            expected,
            "is it counted only after it is written?"
        );
    }
}

#[tokio::test]
async fn a_hundred_connections_at_once_each_get_their_own_answers() {
    let proxy = Network::with_echo().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(connect(proxy.address()).await.unwrap());
    }
    let talks = clients.into_iter().enumerate().map(|(number, mut client)| {
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
    for talk in talks.collect::<Vec<_>>() {
        clients.push(talk.await.unwrap());
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
    fn not_a_byte_is_lost_or_changed_whatever_happens_on_the_way(
        questions in words(),
        answers in words(),
        faults in vec(harmless(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let network = Network::new().await;
            let (client, server) = network.connect().await;
            let talk = async { tokio::join!(speak_and_hear(client, &questions), speak_and_hear(server, &answers)) };
            let switch = async {
                for fault in &faults {
                    network.proxy.inject(*fault);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                network.proxy.heal();
            };
            let ((heard_by_client, heard_by_server), ()) = soon("the talk", async { tokio::join!(talk, switch) }).await;
            assert!(heard_by_client == answers.concat(), "the client heard something else than the server said");
            assert!(heard_by_server == questions.concat(), "the server heard something else than the client said");
        });
    }
}

/// Chunks of many sizes, no two alike: what is said twice or in another order does not pass for the original.
fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec((1..40_000_usize, any::<u64>()), 0..20).prop_map(|words| {
        let mut position = 0_u64;
        let mut word = |(size, seed): (usize, u64)| {
            let mut byte = || {
                position += 1;
                ((position ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
            };
            (0..size).map(|_| byte()).collect()
        };
        words.into_iter().map(&mut word).collect()
    })
}

/// Faults that delay and hold, but lose nothing.
fn harmless() -> impl Strategy<Value = Fault> {
    let delay = (0..5_u64).prop_map(Duration::from_millis);
    prop_oneof![
        (delay.clone(), delay.clone()).prop_map(|(delay, jitter)| Fault::Latency { delay, jitter }),
        (1..10_000_000_u64).prop_map(|bytes_per_second| Fault::Bandwidth { bytes_per_second }),
        delay.prop_map(|delay| Fault::SlowClose { delay }),
        Just(Fault::Blackhole),
    ]
}

/// Says all, closes its side, and returns all that it has heard until the other one closed.
async fn speak_and_hear(mut stream: TcpStream, words: &[Vec<u8>]) -> Vec<u8> {
    let (mut from, mut to) = stream.split();
    let mut heard = Vec::new();
    let speak = async {
        for word in words {
            to.write_all(word).await.unwrap();
        }
        to.shutdown().await.unwrap();
    };
    let (_, ()) = tokio::join!(from.read_to_end(&mut heard), speak);
    heard
}

#[tokio::test]
async fn a_client_that_comes_before_the_faults_end_works_after_it() {
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
