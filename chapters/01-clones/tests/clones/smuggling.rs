//! Nothing that a client or a clone sends makes two requests of one, or two answers.
//!
//! Each [case](cases) is sent to a balancer before three clones in turn: two that believe [anything](gullible), each in its own way, and one of the
//! chapter's. One rule holds for all: the clone has seen exactly the requests whose answers the client has got, in their order. What the gullible clones were sent
//! must be the same requests also to a [strict](strict) reader. A [naive](naive) proxy breaks that rule, so the rule can catch one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{DEADLINE, balance, serve, soon};

mod cases;
mod gullible;
mod naive;
mod splitting;
mod strict;

use cases::{After, CASES, Case};
use gullible::{Believes, Gullible};

/// The paths of the requests that a clone has taken to their ends.
type Log = Arc<Mutex<Vec<String>>>;

/// A raw connection that reads answers one by one.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    is_head: bool,
}

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        Client {
            stream: TcpStream::connect(addr).await.unwrap(),
            buffer: Vec::new(),
            is_head: false,
        }
    }

    /// One good request over a connection of its own.
    async fn ask(addr: SocketAddr, path: &str) -> Option<String> {
        let mut client = Client::connect(addr).await;
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await;
        client.answer().await
    }

    /// The other side may have closed the connection, and then its answers tell why.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer: its status, and after a 2xx or 3xx its body too. `None` when there is no other, or no end of it.
    async fn answer(&mut self) -> Option<String> {
        loop {
            let end = loop {
                match self
                    .buffer
                    .windows(4)
                    .position(|window| window == b"\r\n\r\n")
                {
                    Some(end) => break end + 4,
                    None => self.more().await?,
                }
            };
            let head: Vec<u8> = self.buffer.drain(..end).collect();
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let status = head.split(' ').nth(1)?.to_owned();
            if status == "100" {
                continue;
            }
            let body = self.body(&head).await?;
            let is_from_clone = status.starts_with(['2', '3']);
            return Some(if is_from_clone {
                format!("{status} {body}")
            } else {
                status
            });
        }
    }

    async fn body(&mut self, head: &str) -> Option<String> {
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if self.is_head {
            return Some(String::new());
        }
        if head.contains("transfer-encoding: chunked") {
            let end = b"0\r\n\r\n";
            while !self.buffer.ends_with(end) {
                self.more().await?;
            }
            let chunks = String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
            return Some(chunks.lines().skip(1).step_by(2).collect());
        }
        let length = length.map_or(0, |length| {
            length.parse().expect("a length in an answer is a number")
        });
        while self.buffer.len() < length {
            self.more().await?;
        }
        let body: Vec<u8> = self.buffer.drain(..length).collect();
        Some(String::from_utf8_lossy(&body).into_owned())
    }

    async fn more(&mut self) -> Option<()> {
        let mut piece = [0; 4096];
        let reading = tokio::time::timeout(DEADLINE, self.stream.read(&mut piece)).await;
        let length = reading
            .expect("the other side neither answers nor closes")
            .ok()?;
        self.buffer.extend(&piece[..length]);
        (length > 0).then_some(())
    }
}

/// Sends the case, and one good request after it, and compares what came with what should, and with what the clone has seen.
async fn judge(front: SocketAddr, log: &Log, case: &Case) -> Result<(), String> {
    log.lock().unwrap().clear();
    let mut client = Client::connect(front).await;
    client.send(&case.bytes()).await;
    if case.after == After::Cut {
        client.stream.shutdown().await.unwrap();
    }
    let mut answers = Vec::new();
    while case.after != After::Open || answers.len() < case.answers.len() {
        match client.answer().await {
            Some(answer) => answers.push(answer),
            None => break,
        }
    }
    if answers != case.answers {
        return Err(format!("expected {:?}, got {answers:?}", case.answers));
    }
    // Whatever is left, in us or in the balancer's connection to the clone, would come out here.
    let last = if case.after == After::Open {
        client.send(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.answer().await
    } else {
        Client::ask(front, "/last").await
    };
    if last.as_deref() != Some("200 /last") {
        return Err(format!("the good request after it got {last:?}"));
    }
    answers.extend(last);
    let from_clone: Vec<&str> = answers
        .iter()
        .filter_map(|answer| answer.strip_prefix("200 "))
        .collect();
    let seen = log.lock().unwrap().clone();
    if seen != from_clone {
        return Err(format!(
            "the clone has seen {seen:?}, and the client has answers to {from_clone:?}"
        ));
    }
    Ok(())
}

#[tokio::test]
async fn clone_sees_exactly_the_answered_requests() {
    let mut failures = Vec::new();
    for believes in [Believes::Length, Believes::Coding] {
        let clone = Gullible::start(believes).await;
        let front = balance(&[clone.addr]).await;
        for case in CASES {
            let verdict = judge(front.addr, &clone.log, case)
                .await
                .and_then(|()| clone.check_bytes());
            if let Err(why) = verdict {
                failures.push(format!(
                    "{}, before a clone that believes the {believes:?}: {why}",
                    case.name
                ));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(CASES.len() >= 40);
}

#[tokio::test]
async fn chapter_servers_see_exactly_the_answered_requests() {
    async fn take(State(log): State<Log>, request: Request) -> String {
        let path = request.uri().path().to_owned();
        if request.into_body().collect().await.is_ok() {
            log.lock().unwrap().push(path.clone());
        }
        path
    }
    let log = Log::default();
    let clone = serve(Router::new().fallback(take).with_state(log.clone())).await;
    let front = balance(&[clone.addr]).await;
    let mut failures = Vec::new();
    for case in CASES {
        if let Err(why) = judge(front.addr, &log, case).await {
            failures.push(format!("{}: {why}", case.name));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Whether the clone behind a proxy that checks nothing has seen another number of requests than were answered.
async fn fools_the_naive(case: &Case, believes: Believes) -> bool {
    let clone = Gullible::start(believes).await;
    let front = naive::start(clone.addr).await;
    let mut client = Client::connect(front).await;
    client.send(&case.bytes()).await;
    client.stream.shutdown().await.unwrap();
    let mut answered = 0;
    while client.answer().await.is_some() {
        answered += 1;
    }
    // In order, so what hides in the case comes before this.
    let last = soon("the good request after it", Client::ask(front, "/last")).await;
    let seen = clone.log.lock().unwrap().len();
    seen != answered + 1 || last.as_deref() != Some("200 /last")
}

#[tokio::test]
async fn unchecked_proxy_is_caught_smuggling() {
    let mut fooled = 0;
    for case in CASES.iter().filter(|case| case.fools_the_naive) {
        let is_fooled = fools_the_naive(case, Believes::Length).await
            || fools_the_naive(case, Believes::Coding).await;
        assert!(is_fooled, "{}: the rule would not notice", case.name);
        fooled += 1;
    }
    assert!(fooled >= 8, "{fooled}");
    for honest in CASES
        .iter()
        .filter(|case| case.name == "an honest pipeline")
    {
        let is_fooled = fools_the_naive(honest, Believes::Coding).await;
        assert!(!is_fooled, "it is no proxy at all if it fails at this");
    }
}
