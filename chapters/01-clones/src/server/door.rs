//! Who may come in: how many connections the server keeps open, in all and from one client.
//!
//! A connection costs a file descriptor and some memory, also one that never says a word. What is above the limit could wait in
//! the kernel's queue, which costs us nothing; but nobody there learns why, a health check hangs instead of hearing an answer, and
//! one greedy client makes everybody wait. So the server takes the connection, answers its first request with 503 or 429, and closes it. Only
//! so many are told at a time; what comes above that is closed without a word. Those who are inside notice nothing.
//!
//! Left out: sending idle connections home to make room, as nginx does, and a limit on new connections per second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::Limits;
use crate::linger::RequestBody;
use crate::problem::Problem;

/// How many connections are told at a time that there is no room for them.
const TOLD_AT_A_TIME: usize = 64;

/// How long such a connection may take for its request and for reading our answer.
const TELLING: Duration = Duration::from_secs(2);

/// Counts who is inside.
#[derive(Debug)]
pub(super) struct Door {
    most: usize,
    most_per_client: usize,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    inside: usize,
    by_client: HashMap<IpAddr, usize>,
    being_told: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// For nobody.
    House,
    /// For this client, who is here often enough.
    Client,
}

/// A place inside, or at the window where refusals are told. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    /// `None` at the window.
    client: Option<IpAddr>,
}

impl Door {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Door {
            most: limits.connections,
            most_per_client: limits.connections_per_client,
            count: Mutex::default(),
        })
    }

    /// A place for a connection from this address, if there is one.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoRoom> {
        let client = client_of(address);
        let mut count = self.count();
        if count.inside >= self.most {
            return Err(NoRoom::House);
        }
        let of_client = count.by_client.entry(client).or_insert(0);
        if *of_client >= self.most_per_client {
            return Err(NoRoom::Client);
        }
        *of_client += 1;
        count.inside += 1;
        Ok(self.place(Some(client)))
    }

    /// A place at the window where refusals are told, if there is one.
    pub(super) fn window(self: &Arc<Self>) -> Option<Place> {
        let mut count = self.count();
        let has_room = count.being_told < TOLD_AT_A_TIME;
        count.being_told += usize::from(has_room);
        has_room.then(|| self.place(None))
    }

    fn place(self: &Arc<Self>, client: Option<IpAddr>) -> Place {
        let door = Arc::clone(self);
        Place { door, client }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.door.count();
        let Some(client) = self.client else {
            count.being_told -= 1;
            return;
        };
        count.inside -= 1;
        // A client that has left leaves no entry behind: the map is never larger than the house.
        if let Entry::Occupied(mut of_client) = count.by_client.entry(client) {
            *of_client.get_mut() -= 1;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
    }
}

/// Who counts as one client. With IPv6 a customer gets a /64 network at least, so one client has 2^64 addresses.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Answers the first request of a connection for which there is no room, and closes it.
pub(super) async fn tell(reason: NoRoom, stream: TcpStream, _place: Place) {
    let service = service_fn(move |request: Request<Incoming>| {
        // Thrown away, and so read to its end: see `linger`.
        drop(RequestBody::wrap(request, TELLING, 1));
        async move { Ok::<_, Infallible>(problem(reason).into_http()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TELLING)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whether the client has heard it or not, its time is up.
    let _ = tokio::time::timeout(TELLING, connection).await;
}

fn problem(reason: NoRoom) -> Problem {
    match reason {
        NoRoom::House => {
            Problem::unavailable("all connections of this server are taken; try again in a second")
        }
        NoRoom::Client => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "you have as many connections open as one client may have; use those, or close some",
        )
        .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(connections: usize, connections_per_client: usize) -> Arc<Door> {
        Door::new(&Limits {
            connections,
            connections_per_client,
            ..Limits::default()
        })
    }

    #[test]
    fn who_leaves_makes_room_and_leaves_nothing_behind() {
        let (door, ip) = (door(3, 2), |n: u8| IpAddr::from([10, 0, 0, n]));
        let first = door.enter(ip(1)).unwrap();
        let _second = door.enter(ip(1)).unwrap();
        assert_eq!(door.enter(ip(1)).unwrap_err(), NoRoom::Client);
        let third = door.enter(ip(2)).unwrap();
        assert_eq!(door.enter(ip(3)).unwrap_err(), NoRoom::House);

        drop((first, third));

        let found = {
            let count = door.count();
            (count.inside, count.by_client.len())
        };
        assert_eq!(
            found,
            (1, 1),
            "is there an entry for a client that has left?"
        );
        assert!(door.enter(ip(1)).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_client_and_a_mapped_address_is_ipv4() {
        let table = [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ];
        for (one, other, are_same) in table {
            let [a, b] = [one, other].map(|address| client_of(address.parse().unwrap()));
            assert_eq!(a == b, are_same, "{one} and {other}");
        }
    }

    #[test]
    fn only_so_many_are_told_at_a_time() {
        let door = door(0, 0);
        let mut told: Vec<Place> = std::iter::from_fn(|| door.window()).take(1000).collect();
        assert_eq!(told.len(), TOLD_AT_A_TIME);
        told.pop();
        assert!(door.window().is_some());
    }
}
