//! A gigabyte in each direction: the balancer holds only a few buffers, also if the other side is
//! slow.
//!
//! The balancer is a process here, so that the test can read its memory from `/proc`.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use crate::support::{read_head, scripted, send_raw};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Upper limit of the buffers of the kernel and of hyper between the two ends, in bytes.
const BUFFERS: u64 = 128 * MIB;

/// A balancer as a process. Drop kills it.
pub struct BalancerProcess {
    pub addr: SocketAddr,
    process: Child,
    _output: BufReader<ChildStdout>,
}

impl BalancerProcess {
    /// Returns when the balancer listens.
    pub async fn start(upstream: SocketAddr) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ch01-clones"))
            .args([
                "balancer",
                "--listen",
                "127.0.0.1:0",
                "--upstream",
                &upstream.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        BalancerProcess {
            addr: address
                .unwrap_or_else(|| panic!("no address in {line:?}"))
                .parse()
                .unwrap(),
            process,
            _output: output,
        }
    }

    /// The peak memory of the process, in bytes.
    fn peak(&self) -> u64 {
        let id = self.process.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// Counts the bytes that one end has sent or received.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Count {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until the count stops growing. On a busy machine this may be too early; then the test
    /// is less strict, but does not fail.
    async fn stuck(&self) -> u64 {
        let (mut last, mut same) = (0, 0);
        while last == 0 || same < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = self.get();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    }
}

async fn send(stream: &mut TcpStream, count: &Count) {
    let piece = vec![b'x'; 256 * 1024];
    loop {
        // Not one byte more: extra bytes would close the connection.
        let left = usize::try_from(GIB - count.get()).unwrap_or(usize::MAX);
        match stream.write(&piece[..left.min(piece.len())]).await {
            Ok(length) if length > 0 => count.add(length),
            _ => return,
        }
    }
}

/// Reads until all bytes have come, or no more come.
async fn receive(stream: &mut TcpStream, count: &Count) {
    let mut piece = vec![0; 1024 * 1024];
    while count.get() < GIB {
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => count.add(length),
            _ => return,
        }
    }
}

/// A clone that sends a gigabyte for `GET /gigabyte`, and reads one for `POST /gigabyte` when the
/// test allows it. It counts both.
async fn clone(count: Count, may_read: watch::Receiver<bool>) -> SocketAddr {
    scripted(move |_, mut stream| {
        let (count, mut may_read) = (count.clone(), may_read.clone());
        async move {
            loop {
                let head = read_head(&mut stream).await;
                let mut answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned();
                if head.is_empty() {
                    return;
                } else if head.starts_with("GET /gigabyte") {
                    answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n");
                } else if head.starts_with("POST /gigabyte") {
                    let _ = may_read.wait_for(|may_read| *may_read).await;
                    receive(&mut stream, &count).await;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
                if head.starts_with("GET /gigabyte") {
                    send(&mut stream, &count).await;
                }
            }
        }
    })
    .await
}

/// Other clients, while one client makes the balancer wait.
async fn others_are_served(front: SocketAddr) {
    for _ in 0..20 {
        let answer = send_raw(
            front,
            "GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(
            answer.ends_with("\r\n\r\nok"),
            "a slow client blocks another one: {answer}"
        );
    }
}

#[tokio::test]
async fn gigabyte_passes_through_few_megabytes() {
    let (go, may_read) = watch::channel(false);
    let at_clone = Count::default();
    let balancer = BalancerProcess::start(clone(at_clone.clone(), may_read).await).await;
    others_are_served(balancer.addr).await;
    let before = balancer.peak();

    // Down, to a client that does not read for a while.
    let mut stream = TcpStream::connect(balancer.addr).await.unwrap();
    stream
        .write_all(b"GET /gigabyte HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let produced = at_clone.stuck().await;
    assert!(
        produced < BUFFERS,
        "the clone has sent {produced} bytes, and the client has read none"
    );
    others_are_served(balancer.addr).await;
    assert!(read_head(&mut stream).await.contains(&GIB.to_string()));
    let received = Count::default();
    receive(&mut stream, &received).await;
    assert_eq!(
        received.get(),
        GIB,
        "the client did not get the whole gigabyte"
    );

    // Up, over the same connection, to a clone that does not read for a while.
    at_clone.0.store(0, Ordering::SeqCst);
    let head = format!("POST /gigabyte HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = Count::default();
    let sending = tokio::spawn({
        let sent = sent.clone();
        async move {
            send(&mut stream, &sent).await;
            read_head(&mut stream).await
        }
    });
    let accepted = sent.stuck().await;
    assert!(
        accepted < BUFFERS,
        "{accepted} bytes have been taken from the client, and the clone has read none"
    );
    others_are_served(balancer.addr).await;
    go.send(true).unwrap();
    assert!(sending.await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(
        (sent.get(), at_clone.get()),
        (GIB, GIB),
        "the clone did not get the whole gigabyte"
    );

    let growth = balancer.peak() - before;
    println!("the balancer's peak memory grew by {} KiB", growth / 1024);
    assert!(
        growth < 16 * MIB,
        "the balancer has held {growth} bytes of two gigabytes: does it collect a body?"
    );
}
