//! WebSockets through the balancer. A library implements both ends.

use std::net::SocketAddr;
use std::time::Duration;

use ch01_clones::balancer::Timeouts;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::support::{balance, balance_with, read_head, scripted, until, within_deadline};

/// A clone that echoes all messages, and tells the test when a client has left.
async fn echo() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let (left, leavers) = mpsc::unbounded_channel();
    let clone = scripted(move |_, stream| {
        let left = left.clone();
        async move {
            let mut socket = accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if !message.is_close() && socket.send(message).await.is_err() {
                    break;
                }
            }
            let _ = left.send(());
        }
    });
    (clone.await, leavers)
}

/// Opens a WebSocket as a browser does.
async fn open(front: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(front).await.unwrap();
    let opening = client_async(format!("ws://{front}/chat"), stream);
    let (socket, answer) = within_deadline("a WebSocket to open", opening)
        .await
        .expect("the clone's 101 did not reach the client: does the balancer set `Connection` and `Upgrade`?");
    assert_eq!(answer.status(), 101);
    assert!(
        answer.headers().contains_key("x-request-id"),
        "the 101 needs a request id like every response"
    );
    socket
}

#[tokio::test]
async fn frames_come_back_in_order() {
    let (clone, _) = echo().await;
    let front = balance(&[clone]).await;
    let (mut up, mut down) = open(front.addr).await.split();

    let sending = async {
        for n in 0..10_000 {
            up.feed(Message::text(format!("frame {n}"))).await.unwrap();
        }
        up.flush().await.unwrap();
    };
    let receiving = async {
        for n in 0..10_000 {
            let frame = down.next().await.unwrap().unwrap();
            assert_eq!(frame.into_text().unwrap().as_str(), format!("frame {n}"));
        }
    };
    within_deadline("all frames", async { tokio::join!(sending, receiving) }).await;
}

#[tokio::test]
async fn clone_notices_closed_websocket_client() {
    let (clone, mut leavers) = echo().await;
    let front = balance(&[clone]).await;
    drop(open(front.addr).await);
    within_deadline("the clone to notice that the client left", leavers.recv())
        .await
        .unwrap();
}

#[tokio::test]
async fn client_notices_dead_websocket_clone() {
    let clone =
        scripted(|_, stream| async move { drop(accept_async(stream).await.unwrap()) }).await;
    let front = balance(&[clone]).await;
    let end = within_deadline("the end", open(front.addr).await.next()).await;
    assert!(
        !matches!(end, Some(Ok(_))),
        "the clone is dead, and the client gets {end:?}"
    );
}

#[tokio::test]
async fn drain_waits_for_open_websockets() {
    let (clone, _) = echo().await;
    let front = balance(&[clone]).await;
    let socket = open(front.addr).await;
    assert_eq!(
        front.balancer.status()[0].in_flight,
        1,
        "does the tunnel keep the in-flight guard?"
    );

    let draining = front.balancer.drain("clone-1");
    tokio::pin!(draining);
    assert!(
        futures_util::poll!(draining.as_mut()).is_pending(),
        "the drain ended although a WebSocket is open"
    );
    drop(socket);
    within_deadline("the drain to end with the WebSocket", draining)
        .await
        .unwrap();
}

#[tokio::test]
async fn only_idle_websockets_are_closed() {
    let (clone, mut leavers) = echo().await;
    let short = Timeouts {
        tunnel: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let front = balance_with(short, &[clone]).await;
    let mut socket = open(front.addr).await;
    // In total longer than the limit, but no pause reaches it. On a stalled machine it may close.
    let begin = tokio::time::Instant::now();
    let mut last = begin;
    while begin.elapsed() < Duration::from_millis(600) {
        let is_sent = socket.send(Message::text("still here")).await.is_ok();
        if !is_sent || socket.next().await.is_none_or(|frame| frame.is_err()) {
            let paused = last.elapsed();
            assert!(
                paused >= short.tunnel,
                "closed although it was in use {paused:?} ago: do bytes reset the timer?"
            );
            return;
        }
        last = tokio::time::Instant::now();
        tokio::task::yield_now().await;
    }
    let end = within_deadline("the idle WebSocket to be closed", socket.next()).await;
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    within_deadline("the clone to notice it too", leavers.recv())
        .await
        .unwrap();
}

#[tokio::test]
async fn no_websocket_outlives_its_balancer() {
    let (clone, mut leavers) = echo().await;
    let front = balance(&[clone]).await;
    let _socket = open(front.addr).await;
    front.die().await;
    within_deadline("the clone to notice that the balancer died", leavers.recv())
        .await
        .unwrap();
}

/// Sends a request with these fields to a clone that always responds with `answer`. Returns the
/// head that the clone got, and the bytes that the client got.
async fn ask(fields: &str, answer: &'static str) -> (String, String) {
    let (tell, mut seen) = mpsc::unbounded_channel();
    let clone = scripted(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let _ = tell.send(read_head(&mut stream).await);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let front = balance(&[clone]).await;
    let mut client = TcpStream::connect(front.addr).await.unwrap();
    let request = format!("GET /chat HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let seen = within_deadline("the clone to see it", seen.recv())
        .await
        .unwrap();
    let mut got = read_head(&mut client).await;
    client.shutdown().await.unwrap();
    within_deadline("the rest", client.read_to_string(&mut got))
        .await
        .unwrap();
    (seen.to_lowercase(), got)
}

const AGREES: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const DECLINES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain";

#[tokio::test]
async fn only_websocket_upgrades_reach_the_clone() {
    for (fields, goes_on) in [
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        (
            "Connection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n",
            true,
        ),
        (
            "Connection: x-latin-\u{e9}, Upgrade\r\nUpgrade: websocket\r\n",
            true,
        ),
        // With this upgrade, the balancer could not check the later requests.
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
            false,
        ),
        ("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", false),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
            false,
        ),
        ("Upgrade: websocket\r\n", false),
        ("Connection: Upgrade\r\n", false),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc",
            false,
        ),
    ] {
        let (seen, got) = ask(fields, DECLINES).await;
        assert_eq!(
            seen.contains("upgrade: websocket"),
            goes_on,
            "{fields}\n{seen}"
        );
        assert_eq!(
            seen.contains("connection: upgrade"),
            goes_on,
            "{fields}\n{seen}"
        );
        assert!(
            !seen.contains("h2c") && !seen.contains("http2-settings"),
            "{seen}"
        );
        assert!(
            got.starts_with("HTTP/1.1 200 OK"),
            "a clone may decline an upgrade: {got}"
        );
    }
}

#[tokio::test]
async fn upgrade_to_another_protocol_is_502() {
    let other = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    for (fields, answer) in [
        ("", AGREES),
        ("Connection: Upgrade\r\nUpgrade: h2c\r\n", AGREES),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", other),
    ] {
        let (_, got) = ask(fields, answer).await;
        assert!(got.starts_with("HTTP/1.1 502"), "{fields}: {got}");
    }
}

#[tokio::test]
async fn bytes_right_after_the_101_arrive() {
    let clone = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
        // In one write, so that it comes together with the head.
        let _ = stream
            .write_all(format!("{AGREES}first words").as_bytes())
            .await;
    });
    let front = balance(&[clone.await]).await;
    let mut client = TcpStream::connect(front.addr).await.unwrap();
    let request =
        "GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101"));
    let mut words = String::new();
    within_deadline("the clone's first bytes", client.read_to_string(&mut words))
        .await
        .unwrap();
    assert_eq!(words, "first words");
    // The client could still send bytes until it closes its side.
    drop(client);
    until("the tunnel to end", async || {
        front.balancer.status()[0].in_flight == 0
    })
    .await;
}
