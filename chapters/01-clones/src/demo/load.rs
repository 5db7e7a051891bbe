//! Background load while the demonstration kills or replaces clones.
//!
//! The load is an open loop: requests are sent at fixed times, even if the application is slow.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use loadgen::{Report, Request, Target, open_loop};
use tokio::task::JoinHandle;

/// Requests per second.
pub const RATE: u32 = 300;

/// Sends `GET /me` with a session until it is stopped.
pub struct Load {
    is_stopped: Arc<AtomicBool>,
    running: JoinHandle<Report>,
}

/// The results of the load.
pub struct LoadResult {
    /// Requests without a 200 response. A 401 means that the session was lost.
    pub failed: u64,
    /// All requests.
    pub all: u64,
    p50: f64,
    p99: f64,
}

impl Load {
    /// Starts the load, with this session cookie.
    pub fn start(store: SocketAddr, cookie: &str) -> anyhow::Result<Self> {
        let target = Target::parse(&format!("http://{store}"))?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (is_done, cookie) = (Arc::clone(&is_stopped), cookie.to_owned());
        let running = tokio::spawn(async move {
            let mut all = Report::default();
            // In short runs, because the duration is not known in advance.
            while !is_done.load(Ordering::SeqCst) {
                let cookie = cookie.clone();
                let make_request = move |_| Request::get("/me").header("cookie", &cookie);
                all.merge(
                    &open_loop(&target, RATE, 32, Duration::from_millis(500), make_request).await,
                );
            }
            all
        });
        Ok(Load {
            is_stopped,
            running,
        })
    }

    /// Stops after the requests in flight.
    pub async fn stop(self) -> anyhow::Result<LoadResult> {
        self.is_stopped.store(true, Ordering::SeqCst);
        let report = self.running.await.context("the load generator failed")?;
        let good = report.by_status.get(&200).copied().unwrap_or_default();
        Ok(LoadResult {
            failed: report.requests - good,
            all: report.requests,
            p50: report.quantile_ms(0.5),
            p99: report.quantile_ms(0.99),
        })
    }
}

impl fmt::Display for LoadResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadResult {
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
