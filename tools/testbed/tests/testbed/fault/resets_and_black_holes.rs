//! Faults that break or hold connections: `Reset`, `CutAfter`, `Blackhole`.

use testbed::{Fault, Transferred};
use tokio::io::AsyncWriteExt;

use crate::fault::support::{
    NEVER, Network, SILENCE, assert_closed, assert_echoes, assert_new_client_is_reset,
    assert_reset, assert_silent, assert_works, connect, receive, rest, send, until,
};

const RESET: Option<std::io::ErrorKind> = Some(std::io::ErrorKind::ConnectionReset);

#[tokio::test]
async fn reset_hits_open_and_new_connections() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;

    network.proxy.inject(Fault::Reset);
    assert_reset(&mut client).await;
    assert_reset(&mut server).await;
    assert_new_client_is_reset(network.proxy.address()).await;
    assert_new_client_is_reset(network.proxy.address()).await;

    network.proxy.heal();
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    until("the end of the others", || network.proxy.connections() == 1).await;
}

#[tokio::test]
async fn brief_reset_misses_no_connection() {
    let proxy = Network::with_echo().await;
    for _ in 0..100 {
        let mut known = connect(proxy.address()).await.unwrap();
        send(&mut known, b"x").await;
        receive(&mut known, 1).await;
        // The proxy may not have accepted this one yet.
        let mut fresh = connect(proxy.address()).await.unwrap();
        proxy.inject(Fault::Reset);
        let during = connect(proxy.address()).await;
        proxy.heal();

        assert_reset(&mut known).await;
        assert_reset(&mut fresh).await;
        if let Ok(mut during) = during {
            assert_reset(&mut during).await;
        }
        assert_echoes(proxy.address()).await;
    }
}

#[tokio::test]
async fn black_hole_holds_data_without_loss() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    let before = network.proxy.bytes();

    network.proxy.inject(Fault::Blackhole);
    send(&mut client, b"are you there?").await;
    send(&mut server, b"hello?").await;
    client.shutdown().await.unwrap();
    assert_silent(&mut server).await;
    assert_silent(&mut client).await;
    assert_eq!(network.proxy.bytes(), before);
    assert_eq!(network.proxy.connections(), 1);

    network.proxy.heal();
    assert_eq!(rest(&mut server).await, (b"are you there?".to_vec(), None));
    assert_eq!(receive(&mut client, 6).await, b"hello?");
    drop(server);
    assert_closed(&mut client).await;
}

#[tokio::test]
async fn new_client_hangs_until_black_hole_ends() {
    let network = Network::new().await;
    network.proxy.inject(Fault::Blackhole);
    let mut client = connect(network.proxy.address())
        .await
        .expect("a black hole accepts clients");
    send(&mut client, b"are you there?").await;
    assert_silent(&mut client).await;
    let accepted = tokio::time::timeout(SILENCE, network.server.accept()).await;
    assert!(
        accepted.is_err(),
        "the server must not see a client through the black hole"
    );

    network.proxy.heal();
    let mut server = network.accept().await;
    assert_eq!(receive(&mut server, 14).await, b"are you there?");
}

#[tokio::test]
async fn data_never_passes_a_black_hole() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    for round in 0..500 {
        assert_works(&mut client, &mut server).await;
        let before = network.proxy.bytes();
        network.proxy.inject(Fault::Blackhole);
        send(&mut client, b"question").await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
            assert_eq!(
                network.proxy.bytes(),
                before,
                "data passed in round {round}: is the fault checked before each step?"
            );
        }
        network.proxy.heal();
        receive(&mut server, 8).await;
    }
}

#[tokio::test]
async fn black_hole_holds_data_on_its_way() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    network.proxy.inject(Fault::Latency {
        delay: NEVER,
        jitter: NEVER,
    });
    send(&mut client, b"on its way").await;
    network.proxy.inject(Fault::Blackhole);
    assert_silent(&mut server).await;
    network.proxy.heal();
    assert_eq!(receive(&mut server, 10).await, b"on its way");
}

#[tokio::test]
async fn hanging_connections_can_be_reset() {
    let network = Network::new().await;
    let (mut open, mut server) = network.connect().await;
    assert_works(&mut open, &mut server).await;
    network.proxy.inject(Fault::Blackhole);
    let mut hanging = connect(network.proxy.address()).await.unwrap();
    send(&mut open, b"are you there?").await;

    network.proxy.inject(Fault::Reset);
    assert_reset(&mut open).await;
    assert_reset(&mut server).await;
    assert_reset(&mut hanging).await;
}

#[tokio::test]
async fn cut_comes_after_exact_byte_count() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;

    network.proxy.inject(Fault::CutAfter { bytes: 10 });
    send(&mut client, b"0123").await;
    assert_eq!(receive(&mut server, 4).await, b"0123");
    send(&mut server, b"456789abcdef").await;
    assert_eq!(
        rest(&mut client).await,
        (b"456789".to_vec(), RESET),
        "both directions must count together"
    );
    assert_reset(&mut server).await;
    let passed = Transferred {
        to_server: 8 + 4,
        to_client: 6 + 6,
    };
    assert_eq!(network.proxy.bytes(), passed);
}

#[tokio::test]
async fn each_connection_is_cut_separately() {
    let network = Network::new().await;
    network.proxy.inject(Fault::CutAfter { bytes: 5 });
    for _ in 0..3 {
        let (mut client, mut server) = network.connect().await;
        let (mut other, _other_server) = network.connect().await;
        send(&mut client, b"1234567").await;
        assert_eq!(rest(&mut server).await, (b"12345".to_vec(), RESET));
        assert_reset(&mut client).await;
        assert_silent(&mut other).await;
    }
}

#[tokio::test]
async fn cut_counts_from_injection_and_can_be_healed() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    for _ in 0..3 {
        network.proxy.inject(Fault::CutAfter { bytes: 15 });
        assert_works(&mut client, &mut server).await;
    }
    network.proxy.heal();
    assert_works(&mut client, &mut server).await;

    network.proxy.inject(Fault::CutAfter { bytes: 0 });
    assert_reset(&mut client).await;
    assert_reset(&mut server).await;
}
