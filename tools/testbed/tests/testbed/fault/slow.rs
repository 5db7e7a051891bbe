//! Faults that make the network slow. The tests check only minimum times.

use std::time::{Duration, Instant};

use testbed::Fault;
use tokio::io::AsyncWriteExt;

use crate::fault::support::{
    NEVER, Network, assert_closed, assert_silent, assert_works, receive, rest, send, soon,
};

const DELAY: Duration = Duration::from_millis(150);

#[tokio::test]
async fn latency_delays_both_directions() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    network.proxy.inject(Fault::Latency {
        delay: DELAY,
        jitter: Duration::ZERO,
    });

    let start = Instant::now();
    send(&mut client, b"question").await;
    receive(&mut server, 8).await;
    assert!(
        start.elapsed() >= DELAY,
        "the question took only {:?}",
        start.elapsed()
    );

    let start = Instant::now();
    send(&mut server, b"answer").await;
    receive(&mut client, 6).await;
    assert!(
        start.elapsed() >= DELAY,
        "the answer took only {:?}",
        start.elapsed()
    );

    let start = Instant::now();
    drop(client);
    assert_closed(&mut server).await;
    assert!(
        start.elapsed() >= DELAY,
        "the close took only {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn latency_does_not_limit_bandwidth() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    network.proxy.inject(Fault::Latency {
        delay: DELAY,
        jitter: DELAY,
    });

    // If the chunks of 16 KiB waited one after the other, this would take more than a minute.
    let data: Vec<u8> = (0..8 * 1024 * 1024).map(|n: u32| (n / 7) as u8).collect();
    let start = Instant::now();
    let send = async {
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let (arrived, ()) = soon("8 MiB with a delay", async {
        tokio::join!(rest(&mut server), send)
    })
    .await;
    assert!(arrived.0 == data, "the chunks arrived out of order");
    assert_eq!(network.proxy.bytes().to_server, data.len() as u64);
    assert!(start.elapsed() >= DELAY);
}

#[tokio::test]
async fn healed_latency_delivers_held_data() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    network.proxy.inject(Fault::Latency {
        delay: NEVER,
        jitter: NEVER,
    });
    send(&mut client, b"question").await;
    send(&mut server, b"remark").await;
    assert_silent(&mut server).await;
    assert_silent(&mut client).await;

    network.proxy.heal();
    assert_eq!(receive(&mut server, 8).await, b"question");
    assert_eq!(receive(&mut client, 6).await, b"remark");
}

#[tokio::test]
async fn bandwidth_is_limited_in_each_direction() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    network.proxy.inject(Fault::Bandwidth {
        bytes_per_second: 100_000,
    });

    let (start, bytes) = (Instant::now(), vec![7; 20_000]);
    send(&mut client, &bytes).await;
    assert!(receive(&mut server, 20_000).await == bytes);
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "20 kB took only {:?}",
        start.elapsed()
    );

    let start = Instant::now();
    send(&mut server, &bytes).await;
    assert!(receive(&mut client, 20_000).await == bytes);
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "20 kB took only {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn limited_bandwidth_sends_small_pieces() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    // At this rate the transfer takes ten hours.
    network.proxy.inject(Fault::Bandwidth {
        bytes_per_second: 10,
    });
    send(&mut client, &vec![7; 360_000]).await;
    receive(&mut server, 5).await;
    assert!(
        network.proxy.bytes().to_server < 360_000,
        "everything arrived at once: does the limit apply to whole chunks only?"
    );

    network.proxy.heal();
    receive(&mut server, 360_000 - 5).await;
}

#[tokio::test]
async fn slow_close_delays_only_the_close() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    network.proxy.inject(Fault::SlowClose { delay: NEVER });

    assert_works(&mut client, &mut server).await;
    client.shutdown().await.unwrap();
    assert_silent(&mut server).await;
    send(&mut server, b"answer").await;
    assert_eq!(receive(&mut client, 6).await, b"answer");
    server.shutdown().await.unwrap();
    assert_silent(&mut client).await;

    network.proxy.heal();
    assert_closed(&mut server).await;
    assert_closed(&mut client).await;
}

#[tokio::test]
async fn slow_close_arrives_after_its_delay() {
    let network = Network::new().await;
    network.proxy.inject(Fault::SlowClose { delay: DELAY });
    let (mut client, server) = network.connect().await;

    let start = Instant::now();
    drop(server);
    assert_closed(&mut client).await;
    assert!(
        start.elapsed() >= DELAY,
        "the close took only {:?}",
        start.elapsed()
    );
}
