//! The output of `serve`: the addresses, and a tour of commands to paste. A test runs each command.

use std::io::{self, Write};
use std::net::SocketAddr;

#[cfg(feature = "docker")]
use super::multi_process::MultiProcessStore;
use super::single_process::SingleProcessStore;

/// The texts of a tour.
pub(super) struct Tour {
    address: SocketAddr,
    /// How the store runs, and where its data is.
    introduction: String,
    /// The clones, each with its port.
    clones: String,
    workers: String,
    /// More lines, for a store in several processes.
    extra: Vec<String>,
    last_line: &'static str,
}

impl Tour {
    /// The tour of a store whose roles all run in this process.
    pub(super) fn of_single_process(store: &SingleProcessStore) -> Tour {
        let clones = store.clones.iter();
        let clones: Vec<_> = clones
            .map(|(name, addr)| format!("{name} {}", addr.port()))
            .collect();
        let resumed = match store.resumed_jobs {
            0 => String::new(),
            jobs => format!(", continuing {jobs} unfinished jobs"),
        };
        let introduction = match store.addresses() {
            None => format!("In this process, with the data in\n{}:", store.dir),
            Some(addresses) => format!("In this process, on external servers:\n{addresses}:"),
        };
        Tour {
            address: store.address,
            introduction,
            clones: format!("{} (ports)", clones.join(", ")),
            workers: format!("{}{resumed}", store.workers()),
            extra: Vec::new(),
            last_line: "Ctrl-C stops it; the data stays.",
        }
    }

    /// The tour of a store in several processes, with commands to kill some of them.
    #[cfg(feature = "docker")]
    pub(super) fn of_several_processes(store: &MultiProcessStore) -> Tour {
        let clones = store.clones.iter();
        let clones: Vec<_> = clones
            .map(|clone| {
                let port = clone.address().map_or(0, |address| address.port());
                format!("{} {port} ({})", clone.name(), clone.pid())
            })
            .collect();
        let workers = store.workers.iter();
        let workers: Vec<_> = workers
            .map(|process| format!("{} ({})", process.name(), process.pid()))
            .collect();
        let mut extra = vec![format!(
            "cargo run -p ch05-full -- inspect --url http://{}",
            store.metrics_address
        )];
        if let (Some(clone), Some(worker)) = (store.clones.first(), store.workers.first()) {
            extra.push(String::new());
            extra.push(
                "Break it; users stay logged in, no job is lost, and the process starts again:"
                    .to_owned(),
            );
            extra.push(format!("kill -9 {}    # {}", clone.pid(), clone.name()));
            extra.push(format!("kill -9 {}    # {}", worker.pid(), worker.name()));
            extra.push(format!(
                "docker ps --filter name={}",
                store.container_prefix()
            ));
        }
        Tour {
            address: store.address,
            introduction: format!(
                "Each role is a process, on servers in containers:\n{}.",
                store.addresses
            ),
            clones: format!("{}: ports and processes", clones.join(", ")),
            workers: workers.join(", "),
            extra,
            last_line: "Ctrl-C stops it and removes the containers with all data.",
        }
    }

    /// Prints the tour. The first line is the address alone, for scripts.
    pub(super) fn print(&self) {
        // Standard output may be closed already. The store runs anyway.
        let _ = self.write(&mut io::stdout().lock());
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let url = format!("http://{}", self.address);
        let extra = if self.extra.is_empty() {
            String::new()
        } else {
            self.extra.join("\n") + "\n"
        };
        writeln!(
            out,
            r#"{url}

The store is open: {url} in a browser. {introduction}
  balancer   {address}, sends each request to the next clone
  clones     {clones}
  workers    {workers}
  publisher  pre-renders the games' pages

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
curl -b jar {url}/users/ada/activity
curl {url}/users/ada/friends
curl -i {url}/news
curl -i {url}/static/games/7.html
curl -b jar -i -X POST '{url}/work?job=order-export'
curl -b jar -N "{url}$({transcode})/events"
curl -b jar -i -X POST {url}/events/7/rsvp
curl {url}/metrics
{extra}
{last_line}"#,
            address = self.address,
            introduction = self.introduction,
            clones = self.clones,
            workers = self.workers,
            transcode = submit_transcode(&url),
            last_line = self.last_line,
        )?;
        out.flush()
    }
}

/// The command that submits a job and prints the `Location` of its state.
fn submit_transcode(url: &str) -> String {
    format!(
        "curl -b jar -so /dev/null -w '%header{{location}}' \
         -X POST '{url}/work?job=trailer-transcode'"
    )
}
