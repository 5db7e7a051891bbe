//! The requests of one case: what they ask for, and how often they are sent.

use std::net::SocketAddr;
use std::time::Duration;

use loadgen::{Report, Request, Target, open_loop};

use measurement::Settings;

/// Open connections of the load generator.
pub const CONNECTIONS: usize = 32;

/// The requests of one case and their rate.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub what: &'static str,
    pub path: &'static str,
    pub rate: u32,
    pub closes_connection: bool,
    /// Whether the client sends a request id.
    pub has_id: bool,
    pub rounds: usize,
    pub window: Duration,
}

impl Load {
    /// The short form of `--quick`.
    pub fn shortened(self, settings: &Settings) -> Self {
        if !settings.quick {
            return self;
        }
        Load {
            rate: self.rate / 20,
            rounds: 2,
            window: Duration::from_millis(100),
            ..self
        }
    }

    /// Sends all requests of one round.
    pub async fn send(self, to: SocketAddr) -> anyhow::Result<Report> {
        let target = Target::parse(&format!("http://{to}"))?;
        let make_request = move |n: u64| {
            let mut request = Request::get(self.path);
            if self.closes_connection {
                request = request.header("connection", "close");
            }
            if self.has_id {
                request = request.header("x-request-id", &format!("{n:032x}"));
            }
            request
        };
        Ok(open_loop(&target, self.rate, CONNECTIONS, self.window, make_request).await)
    }
}
