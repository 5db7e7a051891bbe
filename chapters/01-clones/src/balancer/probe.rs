//! Active health checks: the balancer asks each clone how it is, before a visitor has to find out.
//!
//! The question is `GET /readyz`, *do you want requests?*, and not `GET /healthz`, *do you live?* A clone that is about to stop, or
//! that has not reached its database yet, lives, and wants none. Each probe takes a connection of its own: a pool of idle ones
//! would say nothing about whether new ones can be made. What a probe means for a clone is decided in [`health`](super::health).
//!
//! Left out: a jitter, so that many balancers do not ask in step, and a slower pace for clones that are well.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::Balancer;

/// What the balancer asks its clones, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probes {
    /// What to ask for. Any 2xx means "well".
    pub path: String,
    /// From one question to the next.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long a clone may take to answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for Probes {
    /// `GET /readyz` twice a second, to be answered within half a second. So a clone that hangs is out after 1.5 s at most.
    fn default() -> Self {
        Probes {
            path: "/readyz".to_owned(),
            interval: Duration::from_millis(500),
            timeout: Duration::from_millis(500),
        }
    }
}

impl Balancer {
    /// Asks all clones once, at the same time, and notes what they say.
    pub async fn probe(&self, probes: &Probes) {
        let asking = self
            .members()
            .upstreams()
            .into_iter()
            .map(async |(id, upstream)| {
                let is_well = answers(upstream.addr(), &probes.path, probes.timeout).await;
                self.members().note_probe(id, is_well, Instant::now());
            });
        join_all(asking).await;
    }

    /// Asks again and again, until it is dropped. Without [`Balancer::with_probes`] it asks nothing.
    pub(super) async fn keep_probing(&self) {
        loop {
            let begin = Instant::now();
            // Looked up each time: the rules may have changed.
            let probes = self.rules().probes.clone();
            if let Some(probes) = &probes {
                self.probe(probes).await;
            }
            let interval = probes.map_or(Probes::default().interval, |probes| probes.interval);
            // Never in a hurry: after a pause of the whole machine one question is enough.
            sleep_until((begin + interval).max(Instant::now())).await;
        }
    }
}

/// Asks a clone once for this path, and waits for so long. True if the answer is a 2xx.
pub(crate) async fn answers(clone: SocketAddr, path: &str, within: Duration) -> bool {
    timeout(within, is_well(clone, path)).await.unwrap_or(false)
}

async fn is_well(clone: SocketAddr, path: &str) -> bool {
    let asking = async {
        let stream = TcpStream::connect(clone).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = path.parse()?;
        request
            .headers_mut()
            .insert(HOST, HeaderValue::try_from(clone.to_string())?);
        // The connection's bytes are moved here too, so both end together.
        let answer = tokio::select! {
            answer = sender.send_request(request) => answer?,
            ended = connection => return Err(ended.err().map_or_else(|| "closed".into(), Into::into)),
        };
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(answer.status().is_success())
    };
    asking.await.unwrap_or(false)
}
