//! What `serve` prints: where everything is, and a tour of commands to paste. A test pastes every one of them.

use std::io::{self, Write};

use crate::store::Store;

/// Prints the tour. The first line is the address and nothing else, for scripts.
pub(super) fn print(store: &Store) {
    // Whoever reads our output may have closed it already; that is no reason not to serve.
    let _ = write(&mut io::stdout().lock(), store);
}

fn write(out: &mut impl Write, store: &Store) -> io::Result<()> {
    let url = format!("http://{}", store.address);
    let clones = store
        .clones
        .iter()
        .map(|(name, addr)| format!("{name} {}", addr.port()));
    let clones = clones.collect::<Vec<_>>().join(", ");
    let workers = store.workers();
    let resumed = match store.resumed_jobs {
        0 => String::new(),
        jobs => format!(", going on with {jobs} unfinished jobs"),
    };
    writeln!(
        out,
        r#"{url}

The store is open: {url} in a browser. In this process, with the data in
{dir}:
  balancer   {address}, in turn to
  clones     {clones} (ports)
  workers    {workers}{resumed}
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
curl {url}/metrics

Ctrl-C stops it; the data stays."#,
        address = store.address,
        dir = store.dir,
    )?;
    out.flush()
}
