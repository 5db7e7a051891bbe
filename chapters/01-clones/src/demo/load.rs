//! Many visitors at once, in the background, while something happens to the clones.
//!
//! Requests fall due at fixed times, whether or not the store keeps up, so a second of trouble
//! costs a second's worth of requests.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use loadgen::{Report, Request, Target, open_loop};
use tokio::task::JoinHandle;

/// Requests a second.
pub const RATE: u32 = 300;

/// Visitors who are logged in and ask who they are, until they are told to stop.
pub struct Load {
    enough: Arc<AtomicBool>,
    running: JoinHandle<Report>,
}

/// What they have seen.
pub struct Seen {
    /// Requests that were answered with anything else than 200, or not at all. A 401 is a login
    /// that got lost.
    pub failed: u64,
    /// All requests.
    pub all: u64,
    p50: f64,
    p99: f64,
}

impl Load {
    /// Begins to ask, with this cookie.
    pub fn start(store: SocketAddr, cookie: &str) -> anyhow::Result<Self> {
        let target = Target::parse(&format!("http://{store}"))?;
        let enough = Arc::new(AtomicBool::new(false));
        let (done, cookie) = (Arc::clone(&enough), cookie.to_owned());
        let running = tokio::spawn(async move {
            let mut all = Report::default();
            // In short runs, because nobody knows how long it takes until it is enough.
            while !done.load(Ordering::SeqCst) {
                let cookie = cookie.clone();
                let ask = move |_| Request::get("/me").header("cookie", &cookie);
                all.merge(&open_loop(&target, RATE, 32, Duration::from_millis(500), ask).await);
            }
            all
        });
        Ok(Load { enough, running })
    }

    /// Lets the requests on their way be answered.
    pub async fn stop(self) -> anyhow::Result<Seen> {
        self.enough.store(true, Ordering::SeqCst);
        let report = self.running.await.context("the load generator failed")?;
        let good = report.by_status.get(&200).copied().unwrap_or_default();
        Ok(Seen {
            failed: report.requests - good,
            all: report.requests,
            p50: report.quantile_ms(0.5),
            p99: report.quantile_ms(0.99),
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen {
            failed,
            all,
            p50,
            p99,
        } = self;
        write!(
            f,
            "{failed} of {all} requests failed; p50 {p50:.1} ms, p99 {p99:.1} ms"
        )
    }
}
