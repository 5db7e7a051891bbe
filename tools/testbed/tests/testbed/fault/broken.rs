//! Faults that break connections, or hold them: reset, cut, black hole.

use testbed::{Fault, Transferred};
use tokio::io::AsyncWriteExt;

use crate::fault::support::{
    LOOK, NEVER, Network, assert_closed, assert_echoes, assert_new_ones_are_reset, assert_reset,
    assert_silent, assert_works, connect, receive, rest, send, until,
};

const RESET: Option<std::io::ErrorKind> = Some(std::io::ErrorKind::ConnectionReset);

#[tokio::test]
async fn a_reset_is_for_open_connections_and_for_new_ones() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;

    network.proxy.inject(Fault::Reset);
    assert_reset(&mut client).await;
    assert_reset(&mut server).await;
    assert_new_ones_are_reset(network.proxy.address()).await;
    assert_new_ones_are_reset(network.proxy.address()).await;

    network.proxy.heal();
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    until("the end of the others", || network.proxy.connections() == 1).await;
}

#[tokio::test]
async fn a_reset_that_is_healed_at_once_misses_nobody() {
    let proxy = Network::with_echo().await;
    for _ in 0..100 {
        let mut known = connect(proxy.address()).await.unwrap();
        send(&mut known, b"x").await;
        receive(&mut known, 1).await;
        // The proxy may not have noticed this one yet.
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
async fn a_black_hole_holds_everything_and_loses_nothing() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
    let before = network.proxy.bytes();

    network.proxy.inject(Fault::Blackhole);
    send(&mut client, b"anybody there?").await;
    send(&mut server, b"hello?").await;
    client.shutdown().await.unwrap();
    assert_silent(&mut server).await;
    assert_silent(&mut client).await;
    assert_eq!(network.proxy.bytes(), before);
    assert_eq!(network.proxy.connections(), 1);

    network.proxy.heal();
    assert_eq!(rest(&mut server).await, (b"anybody there?".to_vec(), None));
    assert_eq!(receive(&mut client, 6).await, b"hello?");
    drop(server);
    assert_closed(&mut client).await;
}

#[tokio::test]
async fn a_new_client_hangs_in_a_black_hole_and_is_served_after_it() {
    let network = Network::new().await;
    network.proxy.inject(Fault::Blackhole);
    let mut client = connect(network.proxy.address())
        .await
        .expect("accepted, although nobody answers");
    send(&mut client, b"anybody there?").await;
    assert_silent(&mut client).await;
    let nobody = tokio::time::timeout(LOOK, network.server.accept()).await;
    assert!(
        nobody.is_err(),
        "the server noticed a client through the black hole"
    );

    network.proxy.heal();
    let mut server = network.accept().await;
    assert_eq!(receive(&mut server, 14).await, b"anybody there?");
}

#[tokio::test]
async fn what_is_sent_into_a_black_hole_never_slips_through() {
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
                "in round {round}: does a step look at its orders first?"
            );
        }
        network.proxy.heal();
        receive(&mut server, 8).await;
    }
}

#[tokio::test]
async fn what_is_on_its_way_when_a_black_hole_opens_is_held_too() {
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
async fn connections_that_hang_in_a_black_hole_can_be_reset() {
    let network = Network::new().await;
    let (mut open, mut server) = network.connect().await;
    assert_works(&mut open, &mut server).await;
    network.proxy.inject(Fault::Blackhole);
    let mut hanging = connect(network.proxy.address()).await.unwrap();
    send(&mut open, b"anybody there?").await;

    network.proxy.inject(Fault::Reset);
    assert_reset(&mut open).await;
    assert_reset(&mut server).await;
    assert_reset(&mut hanging).await;
}

#[tokio::test]
async fn a_cut_comes_after_exactly_so_many_bytes() {
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
        "both directions count together"
    );
    assert_reset(&mut server).await;
    let passed = Transferred {
        to_server: 8 + 4,
        to_client: 6 + 6,
    };
    assert_eq!(network.proxy.bytes(), passed);
}

#[tokio::test]
async fn each_connection_is_cut_on_its_own() {
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
async fn a_cut_counts_from_its_injection_and_can_be_called_off() {
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
