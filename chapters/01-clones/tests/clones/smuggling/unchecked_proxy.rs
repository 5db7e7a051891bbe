//! A proxy without checks, for comparison. It trusts the first length that it finds, passes the
//! bytes on unchanged, and shares one connection to the clone among all clients.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::support::scripted;

pub async fn start(clone: SocketAddr) -> SocketAddr {
    let shared = Arc::new(Mutex::new((
        TcpStream::connect(clone).await.unwrap(),
        Vec::new(),
    )));
    scripted(move |_, stream| {
        let shared = shared.clone();
        async move { pass(stream, shared).await.unwrap_or_default() }
    })
    .await
}

async fn pass(mut client: TcpStream, shared: Arc<Mutex<(TcpStream, Vec<u8>)>>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let request = take_message(&mut client, &mut buffer).await?;
        let mut shared = shared.lock().await;
        let (clone, buffered) = &mut *shared;
        clone.write_all(&request).await.ok()?;
        let answer = take_message(clone, buffered).await?;
        client.write_all(&answer).await.ok()?;
    }
}

/// A head, and as much body as the first `Content-Length` says.
async fn take_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head = loop {
        match buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => more(stream, buffer).await?,
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length"));
    let length = line.map_or(0, |value| {
        value.trim_matches([' ', ':']).parse().unwrap_or(0)
    });
    while buffer.len() < head + length {
        more(stream, buffer).await?;
    }
    Some(buffer.drain(..head + length).collect())
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let length = stream
        .read(&mut piece)
        .await
        .ok()
        .filter(|length| *length > 0)?;
    buffer.extend(&piece[..length]);
    Some(())
}
