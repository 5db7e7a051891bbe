//! The experiment's clone: each request burns the same amount of processor time, and can also ask a
//! shared Redis.
//!
//! It is the chapter's HTTP server with the route `GET /burn`. The work is a number of hash rounds
//! and not a time: a clone with a smaller CPU quota needs longer for the same work.
//!
//! Left out: waiting for disks and networks. Waiting needs no processor, so on one machine more
//! clones would show no effect.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ch01_clones::web::identity::{self, Identity};
use ch01_clones::web::server;
use clap::Args;
use common::shutdown::signal as stop_signal;
use http::StatusCode;
use redis::aio::MultiplexedConnection;
use tokio::net::TcpListener;
use xxhash_rust::xxh3::xxh3_64;

/// The script that the shared server runs for each request: it counts to a number. Redis serves no
/// other client meanwhile.
pub const SHARED_WORK: &str =
    "local n = 0; for i = 1, tonumber(ARGV[1]) do n = n + i % 7 end; return n";

#[derive(Args)]
pub struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    name: String,
    /// Rounds of the hash for each request
    #[arg(long)]
    rounds: u64,
    /// A Redis that runs a script with this many steps for each request: `redis://HOST:PORT=STEPS`
    #[arg(long, value_parser = shared)]
    shared: Option<(String, u64)>,
}

fn shared(text: &str) -> Result<(String, u64), String> {
    let (url, steps) = text
        .split_once('=')
        .ok_or("expected `redis://HOST:PORT=STEPS`")?;
    Ok((
        url.to_owned(),
        steps.parse().map_err(|_| "expected a number of steps")?,
    ))
}

#[derive(Clone)]
struct Work {
    rounds: u64,
    shared: Option<(MultiplexedConnection, u64)>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let shared = match arguments.shared {
        Some((url, steps)) => {
            let client = redis::Client::open(url.as_str())?;
            let connection = client.get_multiplexed_async_connection().await;
            Some((
                connection.with_context(|| format!("cannot reach {url}"))?,
                steps,
            ))
        }
        None => None,
    };
    let rounds = arguments.rounds;
    let routes = Router::new()
        .route("/burn", get(burn))
        .route("/healthz", get(async || "ok"))
        .with_state(Work { rounds, shared });
    let listener = TcpListener::bind(arguments.listen).await?;
    server::run(
        listener,
        identity::sign(routes, Identity::new(&arguments.name)),
        stop_signal(),
    )
    .await;
    Ok(())
}

async fn burn(State(work): State<Work>) -> Result<String, StatusCode> {
    // This blocks the thread that serves requests on purpose: it is the only thread of this clone.
    let hash = hash(work.rounds);
    if let Some((mut connection, steps)) = work.shared {
        let mut eval = redis::cmd("EVAL");
        let reply = eval
            .arg(SHARED_WORK)
            .arg(0)
            .arg(steps)
            .query_async::<u64>(&mut connection);
        reply.await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    }
    Ok(format!("{hash:016x}\n"))
}

fn hash(rounds: u64) -> u64 {
    (0..rounds).fold(0, |hash, round| {
        xxh3_64(&black_box(hash ^ round).to_le_bytes())
    })
}

/// The number of rounds that take this long on an idle processor of this machine.
pub fn rounds_in(time: Duration) -> u64 {
    const SAMPLE: u64 = 100_000;
    let sample = || {
        let begin = Instant::now();
        black_box(hash(black_box(SAMPLE)));
        begin.elapsed()
    };
    // The shortest sample: other load only makes a sample longer.
    let shortest = (0..10)
        .map(|_| sample())
        .min()
        .unwrap_or_default()
        .max(Duration::from_nanos(1));
    (SAMPLE as f64 * time.as_secs_f64() / shortest.as_secs_f64()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_time_is_twice_the_work() {
        let (one, two) = (
            rounds_in(Duration::from_millis(1)),
            rounds_in(Duration::from_millis(2)),
        );
        assert!(one > 0 && two > one, "{one} rounds in 1 ms, {two} in 2 ms");
    }

    #[test]
    fn the_work_is_really_done() {
        assert_ne!(hash(1_000), hash(1_001), "does the last round count?");
    }

    #[test]
    fn shared_server_argument_is_parsed() {
        assert_eq!(shared("redis://a:1=70"), Ok(("redis://a:1".to_owned(), 70)));
        assert!(shared("redis://a:1").is_err() && shared("redis://a:1=x").is_err());
    }
}
