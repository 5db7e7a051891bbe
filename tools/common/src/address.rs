//! The address of a command-line flag.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Parses an address and a port, such as `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`. The
/// last one means `127.0.0.1`.
///
/// ```
/// use common::address::parse_address;
///
/// assert_eq!(parse_address("localhost:80"), Ok(([127, 0, 0, 1], 80).into()));
/// assert!(parse_address("127.0.0.1").unwrap_err().contains("port"));
/// assert!(parse_address("::1:80").unwrap_err().contains("[::1]:8080"));
/// assert!(parse_address("shop.example:80").unwrap_err().contains("not a name"));
/// ```
///
/// # Errors
///
/// A sentence that says what is wrong and what to write instead, for a flag's value parser.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
    {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let example = "such as `127.0.0.1:8080` or `[::1]:8080`";
    Err(match text.rsplit_once(':') {
        _ if text.parse::<IpAddr>().is_ok() => {
            format!("the port is missing; write an address {example}")
        }
        None => format!("the port is missing; write an address {example}"),
        Some((host, port)) if is_ip(host) && port.parse::<u16>().is_err() => {
            format!("`{port}` is not a port; use a number from 0 to 65535, {example}")
        }
        Some((host, _)) if host.contains(':') => {
            format!("an IPv6 address needs brackets; write an address {example}")
        }
        Some(_) => format!("write an IP address and a port, not a name, {example}"),
    })
}

fn is_ip(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok()
}
