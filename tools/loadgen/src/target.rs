//! The server that gets the load: [`Target`], always on this machine.
//!
//! Load on another machine is an attack, and a typing error could start one. So the address is
//! checked here, and this crate connects to `Target`s only.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use http::uri::Authority;

use crate::limit::RESPONSE_TIMEOUT;

/// A server on this machine, and the time limit for its responses.
#[derive(Clone, Debug)]
pub struct Target {
    /// Loopback addresses. `localhost` often has two, `::1` and 127.0.0.1, and the server listens
    /// on one.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The `host` header of requests without one.
    pub(crate) host: HeaderValue,
    pub(crate) response_timeout: Duration,
}

impl Target {
    /// Reads an address such as `http://127.0.0.1:8080`, as [`base_url`] does. Without a port it
    /// means port 80.
    ///
    /// # Errors
    /// [`TargetError`] unless it is plain HTTP to a loopback address (127.0.0.0/8, `::1`,
    /// `localhost`).
    ///
    /// ```
    /// use loadgen::Target;
    ///
    /// assert!(Target::parse("http://127.0.0.1:8080").is_ok());
    /// assert!(Target::parse("http://192.0.2.1:8080").is_err());
    /// ```
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let authority = authority(url)?;
        // `host()` skips a user name, so the host of `http://127.0.0.1@example.com` is example.com.
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(80);
        let addresses = loopback_addresses(host, port)?;
        let host = HeaderValue::from_str(&format!("{host}:{port}"))
            .expect("every host of a URI is a valid header value");
        Ok(Target {
            addresses,
            host,
            response_timeout: RESPONSE_TIMEOUT,
        })
    }

    /// The same server with another limit for each response than [`RESPONSE_TIMEOUT`].
    #[must_use]
    pub fn with_response_timeout(self, response_timeout: Duration) -> Self {
        Target {
            response_timeout,
            ..self
        }
    }
}

/// The URL of a server that a person typed, without a slash at the end: `127.0.0.1:8080`,
/// `http://127.0.0.1:8080` and `http://127.0.0.1:8080/` mean the same.
///
/// # Errors
/// [`TargetError`] if it has a path, asks for TLS, or is no address.
///
/// ```
/// assert_eq!(loadgen::base_url("localhost:8080").unwrap(), "http://localhost:8080");
/// ```
pub fn base_url(url: &str) -> Result<String, TargetError> {
    Ok(format!("http://{}", authority(url)?))
}

/// The host and port of a URL.
fn authority(url: &str) -> Result<Authority, TargetError> {
    let unreadable = || TargetError::Unreadable(url.to_owned());
    let has_scheme = url.contains("://");
    let full = if has_scheme {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let uri: Uri = full.parse().map_err(|_| unreadable())?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(TargetError::Https(url.to_owned())),
        _ => return Err(unreadable()),
    }
    if uri.path_and_query().is_some_and(|path| path != "/") {
        return Err(TargetError::HasPath(url.to_owned()));
    }
    let authority = uri.authority().ok_or_else(unreadable)?;
    // `Authority` accepts any text as a port, and then has no port.
    if authority.as_str().ends_with(authority.host()) || authority.port_u16().is_some() {
        Ok(authority.clone())
    } else {
        Err(unreadable())
    }
}

/// The only name that is resolved is `localhost`. Other names may point to another machine later.
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
    // `::ffff:127.0.0.1` is a loopback address too.
    let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
    match addresses.iter().find(|address| !is_loopback(address)) {
        Some(address) => Err(TargetError::Elsewhere(address.ip().to_string())),
        None => Ok(addresses),
    }
}

/// Why an address is not accepted as a [`Target`].
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address is not on this machine, or that is not certain.
    #[error(
        "load goes only to this machine, but {0} is not a loopback address; \
         use 127.0.0.1, [::1] or localhost, such as http://127.0.0.1:8080"
    )]
    Elsewhere(String),
    /// The address asks for TLS.
    #[error(
        "{0} asks for TLS, which this program does not support; use the server's http:// address"
    )]
    Https(String),
    /// The address has a path.
    #[error(
        "{0} has a path; give the server alone, such as http://127.0.0.1:8080, because each request brings its path"
    )]
    HasPath(String),
    /// The text is no HTTP address.
    #[error("{0:?} is not an address such as http://127.0.0.1:8080")]
    Unreadable(String),
    /// This machine cannot resolve `localhost`.
    #[error("localhost has no address here; use http://127.0.0.1 and the port")]
    NoLocalhost(#[source] std::io::Error),
}
