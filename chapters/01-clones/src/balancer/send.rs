//! One attempt: a request goes to one clone, over a pooled connection or a new one, and the head of the answer comes back.
//!
//! The interesting part is how it fails, because that decides what may be done next. Either the request was *not sent*, and can be
//! proven not to have been, so it comes back whole; or it may have been seen. hyper tells the two apart.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Timeouts;
use super::retry::Deadline;
use super::upload::{Progress, Upload};
use super::upstream::Upstream;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failure {
    /// The clone was not reached. The request comes back untouched, so it may go to another clone, whatever its method.
    NotSent(Box<Request<Upload>>),
    /// The connection broke after a part of the request had left. Nobody knows whether the clone acted on it.
    Broken(hyper::Error),
    /// The request was sent, and no response came in time.
    TimedOut,
}

/// The head of an answer, and what its body comes over.
pub(super) type Answer = (Response<Incoming>, SendRequest<Upload>, Progress);

impl Upstream {
    /// Sends the request over a pooled connection, or over a new one, and waits for the head of the response.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
        timeouts: &Timeouts,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        while let Some(sender) = self.checkout(timeouts.idle).await {
            match send_over(sender, request, timeouts.response, deadline).await {
                // The clone closed this connection before it took the request. That is its right, and says nothing
                // about its health: take the next one.
                Err(Failure::NotSent(unsent)) => request = *unsent,
                outcome => return outcome,
            }
        }
        match timeout_at(deadline.within(timeouts.connect), self.connect()).await {
            Ok(Ok(sender)) => send_over(sender, request, timeouts.response, deadline).await,
            refused_or_silent => {
                let reason = refused_or_silent.map(Result::err);
                tracing::warn!(upstream = self.name(), ?reason, "cannot connect");
                Err(Failure::NotSent(Box::new(request)))
            }
        }
    }

    async fn connect(
        &self,
    ) -> Result<SendRequest<Upload>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.addr()).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // This task moves the bytes, until the connection changes its protocol (`upgrade`). It ends when the clone closes the connection, or when the sender is dropped and
        // nobody waits for a response any more.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
}

async fn send_over(
    mut sender: SendRequest<Upload>,
    request: Request<Upload>,
    limit: Duration,
    deadline: Deadline,
) -> Result<Answer, Failure> {
    let progress = request.body().progress();
    let sending = sender.try_send_request(request);
    match within(limit, deadline, &progress, sending).await {
        Some(Ok(response)) => Ok((response, sender, progress)),
        Some(Err(mut error)) => Err(match error.take_message() {
            Some(request) => Failure::NotSent(Box::new(request)),
            None => Failure::Broken(error.into_error()),
        }),
        None => Err(Failure::TimedOut),
    }
}

/// Waits for `sending`, at most until the deadline, and at most `limit`. An upload moves both: a client that sends for an hour is
/// no clone that hangs, so `limit` counts from the last piece. `None`: too late.
async fn within<F: Future>(
    limit: Duration,
    deadline: Deadline,
    upload: &Progress,
    sending: F,
) -> Option<F::Output> {
    let mut sending = pin!(sending);
    let mut last = match upload.moved_at() {
        Some(moved_at) => moved_at + limit,
        None => deadline.within(limit),
    };
    loop {
        if let Ok(output) = timeout_at(last, &mut sending).await {
            return Some(output);
        }
        last = upload.moved_at()? + limit;
        if last <= Instant::now() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The clock is paused: whenever nothing else can run, it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_slow_upload_is_not_a_hung_clone() {
        let (limit, deadline) = (
            Duration::from_secs(30),
            Deadline::after(Duration::from_secs(45)),
        );
        let progress = Progress::begun(false);
        let upload = async {
            for piece in 1..=10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                progress.note(piece == 10, None);
            }
        };

        assert_eq!(
            within(limit, deadline, &progress, upload).await,
            Some(()),
            "200 s, but never 30 s without a piece"
        );

        let begin = Instant::now();
        assert_eq!(
            within(limit, deadline, &progress, std::future::pending::<()>()).await,
            None
        );
        assert_eq!(
            begin.elapsed().as_secs(),
            30,
            "nothing moves any more, so the limit counts from the last piece"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_attempt_gets_what_the_first_one_left_of_the_time() {
        let (limit, deadline) = (
            Duration::from_secs(30),
            Deadline::after(Duration::from_secs(45)),
        );
        let (no_body, begin) = (Upload::empty().progress(), Instant::now());
        for (attempt, seconds) in [(1, 30), (2, 45), (3, 45)] {
            assert_eq!(
                within(limit, deadline, &no_body, std::future::pending::<()>()).await,
                None
            );
            assert_eq!(
                begin.elapsed().as_secs(),
                seconds,
                "after attempt {attempt}"
            );
        }
        assert!(deadline.has_passed());
    }
}
