//! What `serve` prints: where everything is, and a tour of commands to paste. A test pastes every one of them.

use std::io::{self, Write};
use std::net::SocketAddr;

use crate::store::Store;

/// What the tour has to know about a running store.
pub(super) struct Tour {
    pub(super) address: SocketAddr,
    /// How the store runs, and where its data is.
    pub(super) opening: String,
    /// The clones, with how to find each.
    pub(super) clones: String,
    pub(super) workers: String,
    /// Lines after the others, for what only this way of running offers.
    pub(super) more: Vec<String>,
    pub(super) farewell: &'static str,
}

impl Tour {
    /// Of a store whose roles are all in this process.
    pub(super) fn of_one_process(store: &Store) -> Tour {
        let clones = store.clones.iter();
        let clones: Vec<_> = clones
            .map(|(name, addr)| format!("{name} {}", addr.port()))
            .collect();
        let resumed = match store.resumed_jobs {
            0 => String::new(),
            jobs => format!(", going on with {jobs} unfinished jobs"),
        };
        let opening = match store.addresses() {
            None => format!("In this process, with the data in\n{}:", store.dir),
            Some(addresses) => format!("In this process, on real servers:\n{addresses}:"),
        };
        Tour {
            address: store.address,
            opening,
            clones: format!("{} (ports)", clones.join(", ")),
            workers: format!("{}{resumed}", store.workers()),
            more: Vec::new(),
            farewell: "Ctrl-C stops it; the data stays.",
        }
    }
}

/// Prints the tour. The first line is the address and nothing else, for scripts.
pub(super) fn print(tour: &Tour) {
    // Whoever reads our output may have closed it already; that is no reason not to serve.
    let _ = write(&mut io::stdout().lock(), tour);
}

fn write(out: &mut impl Write, tour: &Tour) -> io::Result<()> {
    let url = format!("http://{}", tour.address);
    let more = if tour.more.is_empty() {
        String::new()
    } else {
        tour.more.join("\n") + "\n"
    };
    writeln!(
        out,
        r#"{url}

The store is open: {url} in a browser. {opening}
  balancer   {address}, in turn to
  clones     {clones}
  workers    {workers}
  publisher  renders the games' pages in advance

A tour, to paste line by line into a shell; `jar` keeps your session:
curl {url}/whoami
curl -i {url}/games/7
curl -i {url}/games/7
curl -c jar --json '{{"user":"ada"}}' {url}/login
curl -b jar {url}/me
curl -b jar -i --json '{{"game_id":7,"quantity":1}}' -H 'Idempotency-Key: tour' {url}/orders
curl -b jar {url}/orders
curl '{url}/orders?id=1'
curl -b jar -X PATCH --json '{{"price_cents":1999}}' {url}/games/7
curl -i {url}/static/games/7.html
curl -b jar -i -X POST '{url}/work?job=order-export'
curl -b jar -N "{url}$(curl -b jar -so /dev/null -w '%header{{location}}' -X POST '{url}/work?job=trailer-transcode')/events"
curl -b jar -i -X POST {url}/events/7/rsvp
curl {url}/metrics
{more}
{farewell}"#,
        address = tour.address,
        opening = tour.opening,
        clones = tour.clones,
        workers = tour.workers,
        farewell = tour.farewell,
    )?;
    out.flush()
}
