//! Active health checks: the balancer sends each clone a probe before a client meets a sick clone.
//!
//! The probe is `GET /readyz` (*readiness*), not `GET /healthz` (*liveness*): a clone that is about
//! to stop, or cannot reach its database yet, is alive but wants no requests. Each probe opens a
//! new connection, because pooled connections do not show whether the clone still accepts new ones.
//!
//! Left out: jitter, so that several balancers do not probe in step, and a longer interval for
//! healthy clones.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What the balancer requests from its clones to check their health, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbePolicy {
    /// The path to request. Any 2xx response is a success.
    pub path: String,
    /// Time from one probe to the next.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long the clone may take to respond.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for ProbePolicy {
    /// `GET /readyz` every 500 ms, with a time-out of 500 ms. The balancer takes a hanging clone
    /// out after at most 1.5 s.
    fn default() -> Self {
        ProbePolicy {
            path: "/readyz".to_owned(),
            interval: Duration::from_millis(500),
            timeout: Duration::from_millis(500),
        }
    }
}

/// Sends one probe to a server. True if a 2xx response comes within the time limit.
pub(crate) async fn probe_once(server: SocketAddr, path: &str, limit: Duration) -> bool {
    timeout(limit, responds_with_success(server, path))
        .await
        .unwrap_or(false)
}

async fn responds_with_success(server: SocketAddr, path: &str) -> bool {
    let probe = async {
        let stream = TcpStream::connect(server).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = path.parse()?;
        request
            .headers_mut()
            .insert(HOST, HeaderValue::try_from(server.to_string())?);
        // The connection is polled here and not in a task, so it ends together with the probe.
        let response = tokio::select! {
            response = sender.send_request(request) => response?,
            ended = connection => return Err(ended.err().map_or_else(|| "closed".into(), Into::into)),
        };
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(response.status().is_success())
    };
    probe.await.unwrap_or(false)
}
