//! A server that is not there: refused by the proxy, or really dead.

use std::io::ErrorKind;

use testbed::{Fault, FaultProxy};
use tokio::net::{TcpListener, TcpSocket};

use crate::fault::support::{
    Network, assert_closed, assert_echoes, assert_works, connect, receive, rest, send, soon, until,
};

#[tokio::test]
async fn a_server_that_is_down_closes_its_connections_and_refuses_new_ones() {
    let network = Network::new().await;
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;

    network.proxy.inject(Fault::Refuse);
    for _ in 0..10 {
        let refused = connect(network.proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    assert_closed(&mut client).await;
    assert_closed(&mut server).await;
    until("the end of the connection", || {
        network.proxy.connections() == 0
    })
    .await;

    network.proxy.heal();
    let (mut client, mut server) = network.connect().await;
    assert_works(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_server_that_restarts_at_once_keeps_no_connection() {
    let proxy = Network::with_echo().await;
    for _ in 0..100 {
        let mut client = connect(proxy.address()).await.unwrap();
        send(&mut client, b"x").await;
        receive(&mut client, 1).await;
        proxy.inject(Fault::Refuse);
        proxy.heal();
        assert_closed(&mut client).await;
        assert_echoes(proxy.address()).await;
    }
}

#[tokio::test]
async fn nobody_gets_the_port_of_a_server_that_is_down() {
    let network = Network::new().await;
    network.proxy.inject(Fault::Refuse);
    // It does not say that it would share an address, and neither do those who ask for any free port.
    let stranger = TcpSocket::new_v4().unwrap();
    let error = stranger.bind(network.proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn faults_follow_each_other_as_they_like() {
    let proxy = Network::with_echo().await;
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::Blackhole,
        Fault::Refuse,
        Fault::Refuse,
        Fault::Blackhole,
        Fault::Reset,
    ] {
        proxy.inject(fault);
        let connected = connect(proxy.address()).await;
        match fault {
            Fault::Refuse => {
                assert_eq!(connected.unwrap_err().kind(), ErrorKind::ConnectionRefused)
            }
            Fault::Blackhole => drop(connected.expect("a black hole accepts")),
            _ => {}
        }
    }
    proxy.heal();
    assert_echoes(proxy.address()).await;
    until("the end of the rest", || proxy.connections() == 0).await;
}

#[tokio::test]
async fn a_dead_server_closes_its_clients_connection_until_it_is_back() {
    // Bound, so that the port is nobody else's, and not yet listening.
    let dead = TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = FaultProxy::before(dead.local_addr().unwrap())
        .await
        .unwrap();
    for _ in 0..3 {
        let mut client = connect(proxy.address()).await.unwrap();
        assert_closed(&mut client).await;
    }

    let server: TcpListener = dead.listen(8).unwrap();
    let mut client = connect(proxy.address()).await.unwrap();
    let (mut connection, _) = soon("connecting to the server", server.accept())
        .await
        .unwrap();
    assert_works(&mut client, &mut connection).await;
    drop(connection);
    assert_eq!(rest(&mut client).await, (vec![], None));
}
