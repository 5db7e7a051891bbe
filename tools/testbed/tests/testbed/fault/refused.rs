//! A server that is away: refused by the proxy, or really down.

use std::io::ErrorKind;

use testbed::{Fault, FaultProxy};
use tokio::net::{TcpListener, TcpSocket};

use crate::fault::support::{
    Network, assert_closed, assert_echoes, assert_works, connect, receive, rest, send, soon, until,
};

#[tokio::test]
async fn refuse_closes_connections_and_refuses_clients() {
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
async fn brief_refuse_closes_every_connection() {
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
async fn refuse_keeps_port_reserved() {
    let network = Network::new().await;
    network.proxy.inject(Fault::Refuse);
    // Without SO_REUSEADDR, as most programs bind.
    let other_program = TcpSocket::new_v4().unwrap();
    let error = other_program.bind(network.proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn faults_can_follow_in_any_order() {
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
                assert_eq!(connected.unwrap_err().kind(), ErrorKind::ConnectionRefused);
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
async fn clients_of_a_dead_server_are_closed() {
    // Bound but not listening: the port is reserved, and connections are refused.
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
