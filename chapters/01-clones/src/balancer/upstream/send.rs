//! One attempt: the balancer sends a request to one clone and waits for the head of the response.
//!
//! The kind of failure decides what may happen next. Either the clone has certainly not seen the
//! request, and the caller gets the request back; or the clone may have seen it. hyper tells the
//! two cases apart.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::ext::on_informational;
use tokio::time::{Instant, timeout_at};

use super::deadline::Deadline;
use super::replay_body::{ReplayBody, UploadProgress};
use super::server::Upstream;
use super::timeouts::Timeouts;
use crate::balancer::connect::{connect, is_local_error};

/// Why an attempt got no response.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The request did not reach the clone. It is unchanged, and may go to another clone whatever
    /// its method is.
    NotSent(Box<Request<ReplayBody>>),
    /// The balancer itself cannot open a connection to any clone. The request was not sent.
    LocalError,
    /// The clone's response has more than 256 header fields, or a head larger than hyper's buffer
    /// of about 400 KiB. The clone works, and another attempt gets the same.
    HeadTooLarge,
    /// The connection broke after a part of the request was sent. The clone may have acted on it.
    Broken(hyper::Error),
    /// The request was sent, and no response came in time.
    TimedOut,
}

/// The head of a response, and the connection over which its body comes.
pub(crate) struct UpstreamResponse {
    pub(crate) response: Response<Incoming>,
    pub(crate) sender: SendRequest<ReplayBody>,
    pub(crate) upload: UploadProgress,
}

impl Upstream {
    /// Sends the request over a pooled or a new connection, and waits for the response's head.
    pub(crate) async fn send(
        &self,
        mut request: Request<ReplayBody>,
        timeouts: &Timeouts,
        deadline: Deadline,
    ) -> Result<UpstreamResponse, SendError> {
        while let Some(sender) = self.pool().take(timeouts.pool_idle).await {
            match send_over(sender, request, timeouts.response, deadline).await {
                // The clone closed this connection before it took the request. It may do that at
                // any time, so this says nothing about its health.
                Err(SendError::NotSent(unsent)) => request = *unsent,
                outcome => return outcome,
            }
        }
        match timeout_at(deadline.end_of_step(timeouts.connect), self.connect()).await {
            Ok(Ok(sender)) => send_over(sender, request, timeouts.response, deadline).await,
            Ok(Err(error)) if is_local_error(&*error) => {
                tracing::warn!(%error, "the balancer itself cannot open connections");
                Err(SendError::LocalError)
            }
            refused_or_timed_out => {
                let reason = refused_or_timed_out.map(Result::err);
                tracing::warn!(upstream = self.name(), ?reason, "cannot connect");
                Err(SendError::NotSent(Box::new(request)))
            }
        }
    }

    async fn connect(
        &self,
    ) -> Result<SendRequest<ReplayBody>, Box<dyn std::error::Error + Send + Sync>> {
        let (sender, connection) = connect(self.addr()).await?;
        // This task moves the connection's bytes until the connection is upgraded. It ends when the
        // clone closes the connection, or when the sender is dropped and no response is expected.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
}

async fn send_over(
    mut sender: SendRequest<ReplayBody>,
    mut request: Request<ReplayBody>,
    limit: Duration,
    deadline: Deadline,
) -> Result<UpstreamResponse, SendError> {
    let upload = request.body().progress();
    if let Some(gate) = upload.gate() {
        on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                gate.allow();
            }
        });
    }
    let sending = sender.try_send_request(request);
    match wait_for_response(limit, deadline, &upload, sending).await {
        Some(Ok(response)) => {
            upload.refuse_held();
            Ok(UpstreamResponse {
                response,
                sender,
                upload,
            })
        }
        Some(Err(mut error)) => Err(match error.take_message() {
            Some(request) => SendError::NotSent(Box::new(request)),
            None => match error.into_error() {
                error if error.is_parse_too_large() => SendError::HeadTooLarge,
                error => SendError::Broken(error),
            },
        }),
        None => Err(SendError::TimedOut),
    }
}

/// Waits for `sending` until the deadline, and at most for `limit`. `None` means a time-out. While
/// the client uploads a body, only `limit` counts, from the last piece on: a slow upload does not
/// mean that the clone hangs. Nor does it count while the client stops in the middle, because the
/// clone cannot respond yet.
async fn wait_for_response<F: Future>(
    limit: Duration,
    deadline: Deadline,
    upload: &UploadProgress,
    sending: F,
) -> Option<F::Output> {
    let mut sending = pin!(sending);
    let mut end = match upload.last_piece_at() {
        Some(last_piece_at) => last_piece_at + limit,
        None => deadline.end_of_step(limit),
    };
    loop {
        if let Ok(output) = timeout_at(end, &mut sending).await {
            return Some(output);
        }
        end = if upload.waits_for_client() {
            Instant::now() + limit
        } else {
            upload.last_piece_at()? + limit
        };
        if end <= Instant::now() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const TOTAL: Duration = Duration::from_secs(45);

    // The clock is paused: when no task can run, tokio moves it to the next timer.
    #[tokio::test(start_paused = true)]
    async fn slow_upload_does_not_time_out() {
        let deadline = Deadline::after(TOTAL);
        let progress = UploadProgress::started(false);
        let upload = async {
            for piece in 1..=10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                progress.record(piece == 10, None);
            }
        };

        assert_eq!(
            wait_for_response(LIMIT, deadline, &progress, upload).await,
            Some(()),
            "the upload takes 200 s, but never 30 s without a piece"
        );

        let begin = Instant::now();
        assert_eq!(
            wait_for_response(LIMIT, deadline, &progress, std::future::pending::<()>()).await,
            None
        );
        assert_eq!(
            begin.elapsed().as_secs(),
            30,
            "the upload has ended: does the limit count from the last piece?"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn time_out_spares_a_clone_without_request() {
        let deadline = Deadline::after(TOTAL);
        let progress = UploadProgress::started(false);
        progress.record_wait();
        let upload = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            progress.record(true, None);
            std::future::pending::<()>().await;
        };

        let begin = Instant::now();
        assert_eq!(
            wait_for_response(LIMIT, deadline, &progress, upload).await,
            None
        );
        assert_eq!(
            begin.elapsed().as_secs(),
            130,
            "the client stops for 100 s, and then the clone has 30 s: is the clone's limit counted \
             while the balancer waits for the client?"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn second_attempt_gets_the_remaining_time() {
        let deadline = Deadline::after(TOTAL);
        let (no_body, begin) = (ReplayBody::empty().progress(), Instant::now());
        for (attempt, seconds) in [(1, 30), (2, 45), (3, 45)] {
            assert_eq!(
                wait_for_response(LIMIT, deadline, &no_body, std::future::pending::<()>()).await,
                None
            );
            assert_eq!(
                begin.elapsed().as_secs(),
                seconds,
                "after attempt {attempt}: does the deadline count for all attempts together?"
            );
        }
        assert!(deadline.has_passed());
    }
}
