//! A raw client that reads responses one by one.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::DEADLINE;

/// A raw connection to a server.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// The response has no body.
    pub is_head: bool,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Client {
            stream: TcpStream::connect(addr).await.unwrap(),
            buffer: Vec::new(),
            is_head: false,
        }
    }

    /// Sends one valid request over a new connection.
    pub async fn get(addr: SocketAddr, path: &str) -> Option<String> {
        let mut client = Client::connect(addr).await;
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await;
        client.response().await
    }

    /// Ignores errors: if the server has closed the connection, its response tells why.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next response: its status, and the body of a 2xx or 3xx. `None` if no complete response
    /// comes.
    pub async fn response(&mut self) -> Option<String> {
        loop {
            let end = loop {
                match self
                    .buffer
                    .windows(4)
                    .position(|window| window == b"\r\n\r\n")
                {
                    Some(end) => break end + 4,
                    None => self.read_more().await?,
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
                self.read_more().await?;
            }
            let chunks = String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
            return Some(chunks.lines().skip(1).step_by(2).collect());
        }
        let length = length.map_or(0, |length| {
            length
                .parse()
                .expect("the length in a response is a number")
        });
        while self.buffer.len() < length {
            self.read_more().await?;
        }
        let body: Vec<u8> = self.buffer.drain(..length).collect();
        Some(String::from_utf8_lossy(&body).into_owned())
    }

    async fn read_more(&mut self) -> Option<()> {
        let mut piece = [0; 4096];
        let reading = tokio::time::timeout(DEADLINE, self.stream.read(&mut piece)).await;
        let length = reading
            .expect("the server neither responds nor closes the connection")
            .ok()?;
        self.buffer.extend(&piece[..length]);
        (length > 0).then_some(())
    }
}
