//! Whom the load goes to: [`Target`], a server on this very machine.
//!
//! Load that lands on somebody else's server is an attack, and a typing error is enough to start one. So the address is
//! checked once, here, and nothing else in the crate opens a connection to anything but a `Target`. Left out: TLS, for a
//! workshop's servers listen on loopback, and the cost of TLS is not what the chapters measure.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;

use crate::limit::RESPONSE_TIMEOUT;

/// A server on this machine, and how patient to be with it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Every one of them is loopback. `localhost` often has two, `::1` and 127.0.0.1, and the server listens on one.
    pub(crate) addresses: Vec<SocketAddr>,
    /// What goes into the `host` header of each request that does not bring its own.
    pub(crate) host: HeaderValue,
    pub(crate) response_timeout: Duration,
}

impl Target {
    /// Reads a base address such as `http://127.0.0.1:8080`. Without a port it means port 80.
    ///
    /// # Errors
    /// [`TargetError`] for whatever is not plain HTTP to a loopback address (127.0.0.0/8, `::1`, `localhost`).
    ///
    /// ```
    /// use loadgen::Target;
    ///
    /// assert!(Target::parse("http://127.0.0.1:8080").is_ok());
    /// assert!(Target::parse("http://192.0.2.1:8080").is_err());
    /// ```
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let uri: Uri = url
            .parse()
            .map_err(|_| TargetError::Unreadable(url.to_owned()))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(TargetError::Https(url.to_owned())),
            _ => return Err(TargetError::Unreadable(url.to_owned())),
        }
        if uri
            .path_and_query()
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(TargetError::HasPath(url.to_owned()));
        }
        // `host()` leaves out a user name, so that `http://127.0.0.1@example.com` is seen for what it is: example.com.
        let host = uri
            .host()
            .ok_or_else(|| TargetError::Unreadable(url.to_owned()))?;
        let port = uri.port_u16().unwrap_or(80);
        let addresses = loopback_addresses(host, port)?;
        let host = HeaderValue::from_str(&format!("{host}:{port}"))
            .expect("a host that was part of a URI has no byte that a header forbids");
        Ok(Target {
            addresses,
            host,
            response_timeout: RESPONSE_TIMEOUT,
        })
    }

    /// The same server, given more or less time for each answer than [`RESPONSE_TIMEOUT`].
    #[must_use]
    pub fn with_response_timeout(self, response_timeout: Duration) -> Self {
        Target {
            response_timeout,
            ..self
        }
    }
}

/// `localhost` is the one name that is looked up. Any other name could point at this machine today and elsewhere tomorrow.
fn loopback_addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, TargetError> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = if host.eq_ignore_ascii_case("localhost") {
        (host, port)
            .to_socket_addrs()
            .map_err(TargetError::NoLocalhost)?
            .collect()
    } else {
        let address: IpAddr = literal
            .parse()
            .map_err(|_| TargetError::Elsewhere(host.to_owned()))?;
        vec![SocketAddr::new(address, port)]
    };
    match addresses.iter().find(|address| !address.ip().is_loopback()) {
        Some(address) => Err(TargetError::Elsewhere(address.ip().to_string())),
        None => Ok(addresses),
    }
}

/// Why an address was not accepted as a [`Target`].
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is not this machine, or not surely so.
    #[error(
        "load goes only to this machine, and {0} is not a loopback address; \
         use 127.0.0.1, [::1] or localhost, such as http://127.0.0.1:8080"
    )]
    Elsewhere(String),
    /// It asks for TLS.
    #[error(
        "{0} asks for TLS, which the load generator does not speak; use the server's http:// address"
    )]
    Https(String),
    /// It goes on after the port.
    #[error(
        "{0} has a path; a target is the server alone, such as http://127.0.0.1:8080, and each request brings its path"
    )]
    HasPath(String),
    /// It is no HTTP address at all.
    #[error("{0:?} is not an address such as http://127.0.0.1:8080")]
    Unreadable(String),
    /// The system does not know `localhost`.
    #[error("localhost has no address here; use http://127.0.0.1 and the port")]
    NoLocalhost(#[source] std::io::Error),
}
