//! Visitors who come back: each asks once, and keeps the cookie that it gets.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// So many visitors' cookies of this name, as they send them.
pub async fn cookies(
    address: SocketAddr,
    name: &str,
    visitors: usize,
) -> anyhow::Result<Vec<String>> {
    let mut cookies = Vec::new();
    for _ in 0..visitors {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: experiment\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let cookie = cookie(&answer, name);
        cookies.push(
            cookie.with_context(|| format!("the balancer gives no cookie `{name}`: {answer}"))?,
        );
    }
    Ok(cookies)
}

/// `name=value` in the head of an answer.
fn cookie(answer: &str, name: &str) -> Option<String> {
    let values = answer.lines().filter_map(|line| line.split_once(": "));
    let mut cookies = values
        .filter(|(field, _)| field.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value);
    let ours = cookies.find(|value| {
        value
            .split_once('=')
            .is_some_and(|(known, _)| known == name)
    })?;
    Some(ours.split(';').next().unwrap_or(ours).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_is_found_without_attributes() {
        let answer =
            "HTTP/1.1 200 OK\r\nSet-Cookie: other=1\r\nset-cookie: clone=2a; Path=/\r\n\r\nok";
        assert_eq!(cookie(answer, "clone").as_deref(), Some("clone=2a"));
        assert_eq!(cookie(answer, "none"), None);
    }
}
