//! Faults that make a network slow: latency, bandwidth, a slow close. Times are measured against lower bounds only.

use std::time::{Duration, Instant};

use testbed::Fault;
use tokio::io::AsyncWriteExt;

use crate::fault::support::{
    NEVER, Network, assert_closed, assert_silent, assert_works, receive, rest, send, soon,
};

const DELAY: Duration = Duration::from_millis(150);

#[tokio::test]
async fn latency_delays_both_directions_of_an_open_connection() {
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
async fn latency_is_no_limit_of_speed() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    network.proxy.inject(Fault::Latency {
        delay: DELAY,
        jitter: DELAY,
    });

    // If each chunk of 16 KiB waited for its own turn, this would take more than a minute.
    let much: Vec<u8> = (0..8 * 1024 * 1024).map(|n: u32| (n / 7) as u8).collect();
    let start = Instant::now();
    let send = async {
        client.write_all(&much).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let (arrived, ()) = soon("8 MiB with a delay", async {
        tokio::join!(rest(&mut server), send)
    })
    .await;
    assert!(arrived.0 == much, "the chunks came out of order");
    assert_eq!(network.proxy.bytes().to_server, much.len() as u64);
    assert!(start.elapsed() >= DELAY);
}

#[tokio::test]
async fn healed_latency_delivers_what_is_on_its_way() {
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
async fn a_thin_cable_gives_a_little_at_a_time_and_all_once_it_is_healed() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    // At this rate, the whole takes ten hours.
    network.proxy.inject(Fault::Bandwidth {
        bytes_per_second: 10,
    });
    send(&mut client, &vec![7; 360_000]).await;
    receive(&mut server, 5).await;
    assert!(
        network.proxy.bytes().to_server < 360_000,
        "all came at once: is the limit for whole chunks only?"
    );

    network.proxy.heal();
    receive(&mut server, 360_000 - 5).await;
}

#[tokio::test]
async fn a_slow_close_is_late_and_nothing_else_is() {
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
async fn a_slow_close_comes_after_its_delay() {
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
