//! Cookies of returning users: each user sends one request and keeps the cookie of the response.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Returns the cookies with this name that `users` users get, in the form `name=value`.
pub async fn cookies(address: SocketAddr, name: &str, users: usize) -> anyhow::Result<Vec<String>> {
    let mut cookies = Vec::new();
    for _ in 0..users {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: experiment\r\nConnection: close\r\n\r\n")
            .await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        let cookie = cookie(&response, name);
        cookies.push(cookie.with_context(|| {
            format!("expected the cookie `{name}` in the response: {response}")
        })?);
    }
    Ok(cookies)
}

/// `name=value` in the head of a response.
fn cookie(response: &str, name: &str) -> Option<String> {
    let values = response.lines().filter_map(|line| line.split_once(": "));
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
        let response =
            "HTTP/1.1 200 OK\r\nSet-Cookie: other=1\r\nset-cookie: clone=2a; Path=/\r\n\r\nok";
        assert_eq!(cookie(response, "clone").as_deref(), Some("clone=2a"));
        assert_eq!(cookie(response, "none"), None);
    }
}
