//! Active health checks: the balancer sends each clone a probe before a client meets a sick clone.
//!
//! The probe is `GET /readyz` (*readiness*), not `GET /healthz` (*liveness*): a clone that is about
//! to stop, or cannot reach its database yet, is alive but wants no requests. Each probe opens a
//! new connection, because pooled connections do not show whether the clone still accepts new ones.
//!
//! Left out: jitter, so that several balancers do not probe in step, and a longer interval for
//! healthy clones.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use serde::Deserialize;
use tokio::time::timeout;

use crate::balancer::connect::{connect, is_local_error};

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

/// What one probe says about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// A 2xx response came within the time limit.
    Success,
    /// Another response came, or none.
    Failure,
    /// This process could not send the probe, which says nothing about the server.
    Inconclusive,
}

/// Sends one probe to a server.
pub(crate) async fn probe_once(server: SocketAddr, path: &str, limit: Duration) -> ProbeResult {
    match timeout(limit, request_status(server, path)).await {
        Ok(Ok(status)) if status.is_success() => ProbeResult::Success,
        Ok(Err(error)) if is_local_error(&*error) => ProbeResult::Inconclusive,
        _ => ProbeResult::Failure,
    }
}

async fn request_status(
    server: SocketAddr,
    path: &str,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = connect(server).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse()?;
    request
        .headers_mut()
        .insert(HOST, HeaderValue::try_from(server.to_string())?);
    let mut response = pin!(sender.send_request(request));
    // The connection is polled here and not in a task, so it ends together with the probe.
    let response = tokio::select! {
        response = &mut response => response?,
        // A server may close the connection right after its response. Then the response is there.
        _ = connection => response.await?,
    };
    Ok(response.status())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn response_before_close_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(response).await.unwrap();
            }
        });
        // Which of the two futures is polled first is random.
        for _ in 0..50 {
            assert_eq!(
                probe_once(server, "/", Duration::from_secs(10)).await,
                ProbeResult::Success,
                "response and end of the connection came together: does the response count?"
            );
        }
    }
}
