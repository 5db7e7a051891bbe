//! A clone that accepts bad requests, as old servers do, and records each byte that it gets.
//!
//! It takes a line for a length or a coding if it only looks like one. So a request that the
//! balancer should have refused has an effect. There are two variants: of contradicting lines, one
//! trusts the length and the other trusts the coding.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::strict::{Bad, take_request};
use crate::support::scripted;

/// The paths of the requests that a clone has read to their ends.
pub type Log = Arc<Mutex<Vec<String>>>;

/// Which of two contradicting lines the clone trusts.
#[derive(Clone, Copy, Debug)]
pub enum Trusts {
    Length,
    Coding,
}

pub struct LenientClone {
    pub addr: SocketAddr,
    pub log: Log,
    connections: Record,
}

/// The bytes of each connection since the last [`check_bytes`](LenientClone::check_bytes). `None`
/// if a request was broken off.
type Record = Arc<Mutex<Vec<Option<Vec<u8>>>>>;

impl LenientClone {
    pub async fn start(trusts: Trusts) -> Self {
        let (log, connections) = (Log::default(), Record::default());
        let (seen, record) = (log.clone(), connections.clone());
        let addr = scripted(move |_, stream| {
            let number = record.lock().unwrap().len();
            record.lock().unwrap().push(Some(Vec::new()));
            let wire = Wire {
                stream,
                record: record.clone(),
                number,
                buffer: Vec::new(),
            };
            let seen = seen.clone();
            async move { serve(wire, trusts, seen).await.unwrap_or_default() }
        })
        .await;
        LenientClone {
            addr,
            log,
            connections,
        }
    }

    /// Checks that a strict reader finds the same requests as this clone in the bytes since the
    /// last call.
    pub fn check_bytes(&self) -> Result<(), String> {
        let mut requests = Vec::new();
        for record in self.connections.lock().unwrap().iter_mut() {
            let Some(bytes) = record.take() else { continue };
            let mut rest = bytes.as_slice();
            *record = loop {
                if rest.is_empty() {
                    break Some(Vec::new());
                }
                match take_request(&mut rest) {
                    Ok(path) => requests.push(path),
                    // The balancer found a bad body and closed the connection, so no bytes may
                    // follow.
                    Err(Bad::Incomplete) => break None,
                    Err(why) => {
                        return Err(format!("{why:?} in {:?}", String::from_utf8_lossy(&bytes)));
                    }
                }
            };
        }
        let mut counted = self.log.lock().unwrap().clone();
        requests.sort();
        counted.sort();
        if requests == counted {
            Ok(())
        } else {
            Err(format!(
                "a strict reader finds {requests:?}, the clone found {counted:?}"
            ))
        }
    }
}

struct Wire {
    stream: TcpStream,
    record: Record,
    number: usize,
    buffer: Vec<u8>,
}

impl Wire {
    async fn more(&mut self) -> Option<()> {
        let mut piece = [0; 4096];
        let length = self
            .stream
            .read(&mut piece)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        self.buffer.extend(&piece[..length]);
        if let Some(record) = &mut self.record.lock().unwrap()[self.number] {
            record.extend(&piece[..length]);
        }
        Some(())
    }

    /// The bytes up to the first of `ends`, with that end.
    async fn until(&mut self, ends: &[&str]) -> Option<String> {
        loop {
            let found = ends.iter().filter_map(|end| {
                let at = self
                    .buffer
                    .windows(end.len())
                    .position(|window| window == end.as_bytes())?;
                Some(at + end.len())
            });
            if let Some(length) = found.min() {
                return self.exactly(length).await;
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, length: usize) -> Option<String> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        let taken: Vec<u8> = self.buffer.drain(..length).collect();
        Some(String::from_utf8_lossy(&taken).into_owned())
    }
}

async fn serve(mut wire: Wire, trusts: Trusts, log: Log) -> Option<()> {
    loop {
        let head = wire.until(&["\r\n\r\n", "\n\n"]).await?;
        let path = head
            .split_whitespace()
            .nth(1)
            .unwrap_or("nothing")
            .to_owned();
        let lines = || head.lines().map(str::to_lowercase);
        let is_chunked =
            lines().any(|line| line.starts_with("transfer-encoding") && line.contains("chunked"));
        let length = lines()
            .rfind(|line| line.starts_with("content-length"))
            .map(|line| number(&line, 10));
        match (trusts, is_chunked, length) {
            (Trusts::Coding, true, _) | (_, true, None) => chunks(&mut wire).await?,
            (_, _, length) => drop(wire.exactly(length.unwrap_or(0)).await?),
        }
        log.lock().unwrap().push(path.clone());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
            path.len()
        );
        wire.stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn chunks(wire: &mut Wire) -> Option<()> {
    loop {
        let size = number(&wire.until(&["\n"]).await?, 16);
        if size == 0 {
            while !wire.until(&["\n"]).await?.trim().is_empty() {}
            return Some(());
        }
        wire.exactly(size).await?;
        wire.until(&["\n"]).await?;
    }
}

/// The first digits of the text.
fn number(text: &str, radix: u32) -> usize {
    let text = text.rsplit(':').next().unwrap_or(text);
    let digits = text
        .split(|char: char| !char.is_digit(radix))
        .find(|digits| !digits.is_empty());
    digits.map_or(0, |digits| {
        usize::from_str_radix(digits, radix).unwrap_or(0)
    })
}
