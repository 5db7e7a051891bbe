//! Limits how many connections a server keeps open, in total and for each client.
//!
//! Every connection costs a file descriptor and memory, also when it sends nothing. The server
//! accepts a connection above the limit, sends 503 or 429 for its first request and closes it. If
//! it left the connection in the kernel's queue instead, a client would wait without knowing why,
//! and health checks would hang.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::limits::Limits;
use super::problem::Problem;
use super::request_body::RequestBody;

/// How many connections are being rejected with a response at the same time. The server closes any
/// further connection without a response.
const MAX_REJECTIONS: usize = 64;

/// Time for the request and the response of a connection that is being rejected.
const REJECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Counts the open connections.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    max: usize,
    max_per_client: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    by_client: HashMap<IpAddr, usize>,
    being_rejected: usize,
}

/// The limit that a new connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitReached {
    /// [`Limits::connections`]: 503.
    Server,
    /// [`Limits::connections_per_client`]: 429.
    Client,
}

/// Counts one connection until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: Arc<ConnectionLimiter>,
    /// `None` for a connection that is being rejected.
    client: Option<IpAddr>,
}

impl ConnectionLimiter {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(ConnectionLimiter {
            max: limits.connections,
            max_per_client: limits.connections_per_client,
            counts: Mutex::default(),
        })
    }

    /// A permit for a connection from this address.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> Result<Permit, LimitReached> {
        let client = client_key(address);
        let mut counts = self.counts.lock();
        if counts.open >= self.max {
            return Err(LimitReached::Server);
        }
        let of_client = counts.by_client.entry(client).or_insert(0);
        if *of_client >= self.max_per_client {
            return Err(LimitReached::Client);
        }
        *of_client += 1;
        counts.open += 1;
        Ok(self.permit(Some(client)))
    }

    /// A permit to [`reject`] a connection with a response; `None` if too many are being rejected.
    pub(super) fn acquire_rejection(self: &Arc<Self>) -> Option<Permit> {
        let mut counts = self.counts.lock();
        let is_free = counts.being_rejected < MAX_REJECTIONS;
        counts.being_rejected += usize::from(is_free);
        is_free.then(|| self.permit(None))
    }

    fn permit(self: &Arc<Self>, client: Option<IpAddr>) -> Permit {
        let limiter = Arc::clone(self);
        Permit { limiter, client }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.limiter.counts.lock();
        let Some(client) = self.client else {
            counts.being_rejected -= 1;
            return;
        };
        counts.open -= 1;
        // The entry goes with the last connection, so the map never has more entries than there
        // are open connections.
        if let Entry::Occupied(mut of_client) = counts.by_client.entry(client) {
            *of_client.get_mut() -= 1;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
    }
}

/// The address under which a client is counted. An IPv6 customer usually gets a whole /64 network,
/// so all its 2^64 addresses count as one client.
fn client_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Sends the reason as the response to the first request, and closes the connection.
pub(super) async fn reject(reason: LimitReached, stream: TcpStream, _permit: Permit) {
    let service = service_fn(move |request: Request<Incoming>| {
        // Dropping the body reads it to its end: see `request_body`.
        drop(RequestBody::wrap(request, REJECT_TIMEOUT, 1));
        async move { Ok::<_, Infallible>(problem(reason).into_http()) }
    });
    let connection = http1::Builder::new()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(REJECT_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // The connection is closed in any case, also if the client has not read the response.
    let _ = tokio::time::timeout(REJECT_TIMEOUT, connection).await;
}

fn problem(reason: LimitReached) -> Problem {
    match reason {
        LimitReached::Server => Problem::unavailable(
            "this server has its maximum number of open connections; try again in a second",
        ),
        LimitReached::Client => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "you have the maximum number of open connections for one client; reuse them, or close some",
        )
        .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(connections: usize, connections_per_client: usize) -> Arc<ConnectionLimiter> {
        ConnectionLimiter::new(&Limits {
            connections,
            connections_per_client,
            ..Limits::default()
        })
    }

    #[test]
    fn dropped_permit_frees_its_slot() {
        let (limiter, ip) = (limiter(3, 2), |n: u8| IpAddr::from([10, 0, 0, n]));
        let first = limiter.acquire(ip(1)).unwrap();
        let _second = limiter.acquire(ip(1)).unwrap();
        assert_eq!(limiter.acquire(ip(1)).unwrap_err(), LimitReached::Client);
        let third = limiter.acquire(ip(2)).unwrap();
        assert_eq!(limiter.acquire(ip(3)).unwrap_err(), LimitReached::Server);

        drop((first, third));

        let found = {
            let counts = limiter.counts.lock();
            (counts.open, counts.by_client.len())
        };
        assert_eq!(
            found,
            (1, 1),
            "does the map keep an entry for a client without connections?"
        );
        assert!(limiter.acquire(ip(1)).is_ok());
    }

    #[test]
    fn ipv6_network_counts_as_one_client() {
        let table = [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ];
        for (one, other, are_same) in table {
            let [a, b] = [one, other].map(|address| client_key(address.parse().unwrap()));
            assert_eq!(a == b, are_same, "{one} and {other}");
        }
    }

    #[test]
    fn rejections_at_a_time_are_limited() {
        let limiter = limiter(0, 0);
        let mut permits: Vec<Permit> = std::iter::from_fn(|| limiter.acquire_rejection())
            .take(1000)
            .collect();
        assert_eq!(permits.len(), MAX_REJECTIONS);
        permits.pop();
        assert!(limiter.acquire_rejection().is_some());
    }
}
