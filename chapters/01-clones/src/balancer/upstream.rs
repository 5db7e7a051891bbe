//! One clone seen from the balancer: its address, its pool of open connections, its counters, and whether it is up.
//!
//! A new TCP connection for each request would cost a round trip and a port, so connections are kept and used again.
//! The pool is a stack: the connection used last is used next, so that under light load the others grow old and are
//! closed.
//!
//! Left out: a limit on connections to a clone, and a time-out between two pieces of a response.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::Timeouts;
use super::pooled::PooledBody;
use super::upload::{Progress, Upload};

/// A clone that requests can be sent to.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    addr: SocketAddr,
    /// Open connections that nobody uses, oldest first.
    idle: Mutex<VecDeque<Idle>>,
    /// Set while the clone is down: when it may be tried again.
    down_until: Mutex<Option<Instant>>,
    requests: AtomicU64,
    failures: AtomicU64,
}

/// How a clone is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamStatus {
    /// Its name, as given to [`Upstream::new`].
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// False from a failed connect until the next one that succeeds.
    pub is_up: bool,
    /// How many requests were sent to it, repeated ones included.
    pub requests: u64,
    /// How often it could not be connected to, broke off before its answer, or did not answer in time.
    pub failures: u64,
}

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

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Upload>,
    since: Instant,
}

impl Upstream {
    /// A clone at this address. The name is for people: status, logs and messages.
    pub fn new(name: impl Into<String>, addr: SocketAddr) -> Self {
        Upstream {
            name: name.into(),
            addr,
            idle: Mutex::default(),
            down_until: Mutex::default(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// The name given to [`new`](Upstream::new).
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            name: self.name.clone(),
            addr: self.addr,
            is_up: locked(&self.down_until).is_none(),
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Whether a request may be sent now. When the time of a clone that is down has run out, this lets one request
    /// through to find out; the others go on avoiding it, so that a dead machine costs one request a connect
    /// time-out, not all.
    pub(super) fn admits(&self, now: Instant, down: Duration) -> bool {
        let mut down_until = locked(&self.down_until);
        match *down_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                *down_until = Some(now + down);
                true
            }
        }
    }

    /// Sends the request over a pooled connection, or over a new one, and waits for the head of the response.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Upload>,
        timeouts: &Timeouts,
    ) -> Result<Response<PooledBody>, Failure> {
        while let Some(sender) = self.checkout(timeouts.idle).await {
            match self.send_over(sender, request, timeouts).await {
                // The clone closed this connection before it took the request. That is its right, and says nothing
                // about its health: take the next one.
                Err(Failure::NotSent(unsent)) => request = *unsent,
                outcome => return outcome,
            }
        }
        match timeout(timeouts.connect, self.connect()).await {
            Ok(Ok(sender)) => {
                *locked(&self.down_until) = None;
                self.send_over(sender, request, timeouts).await
            }
            refused_or_silent => {
                let reason = refused_or_silent.map(Result::err);
                tracing::warn!(
                    upstream = self.name,
                    ?reason,
                    "cannot connect, leaving it out for a while"
                );
                self.failures.fetch_add(1, Ordering::Relaxed);
                *locked(&self.down_until) = Some(Instant::now() + timeouts.down);
                Err(Failure::NotSent(Box::new(request)))
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Upload>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // This task moves the bytes. It ends when the clone closes the connection, or when the sender is dropped and
        // nobody waits for a response any more.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn send_over(
        self: &Arc<Self>,
        mut sender: SendRequest<Upload>,
        request: Request<Upload>,
        timeouts: &Timeouts,
    ) -> Result<Response<PooledBody>, Failure> {
        let progress = request.body().progress();
        let sending = sender.try_send_request(request);
        let outcome = match within(timeouts.response, &progress, sending).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut error)) => Err(match error.take_message() {
                Some(request) => return Err(Failure::NotSent(Box::new(request))),
                None => Failure::Broken(error.into_error()),
            }),
            None => Err(Failure::TimedOut),
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(response) => {
                let upstream = Arc::clone(self);
                Ok(response.map(|body| PooledBody::new(body, sender, progress, upstream)))
            }
            Err(failure) => {
                // A body that the *client* broke off is not the clone's failure.
                if !matches!(&failure, Failure::Broken(error) if error.is_user()) {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                Err(failure)
            }
        }
    }

    /// The connection that was used last and still works, if any.
    async fn checkout(&self, max_idle: Duration) -> Option<SendRequest<Upload>> {
        loop {
            let mut idle = self.pop_idle(max_idle)?;
            // Waits for a moment only: the response has been read to its end, but the connection's own task may not
            // have got round to noting that. An error means that the clone has closed it.
            if idle.sender.ready().await.is_ok() {
                return Some(idle.sender);
            }
        }
    }

    fn pop_idle(&self, max_idle: Duration) -> Option<Idle> {
        let mut pool = locked(&self.idle);
        while pool.front().is_some_and(|oldest| oldest.since.elapsed() >= max_idle) {
            pool.pop_front();
        }
        pool.pop_back()
    }

    /// Takes a connection back whose last exchange is complete in both directions.
    pub(super) fn checkin(&self, sender: SendRequest<Upload>) {
        if !sender.is_closed() {
            locked(&self.idle).push_back(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }
}

/// Waits for `sending`, at most `limit` after the upload last moved. `None`: too late.
async fn within<F: Future>(limit: Duration, upload: &Progress, sending: F) -> Option<F::Output> {
    let mut sending = pin!(sending);
    let mut deadline = Instant::now() + limit;
    loop {
        if let Ok(output) = timeout_at(deadline, &mut sending).await {
            return Some(output);
        }
        deadline = upload.moved_at()? + limit;
        if deadline <= Instant::now() {
            return None;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds this lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    // The clock is paused: whenever nothing else can run, it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_slow_upload_is_not_a_hung_clone() {
        let limit = Duration::from_secs(30);
        let progress = Progress::begun();
        let upload = async {
            for piece in 1..=10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                progress.note(piece == 10);
            }
        };

        assert_eq!(
            within(limit, &progress, upload).await,
            Some(()),
            "200 s, but never 30 s without a piece"
        );

        let begin = Instant::now();
        assert_eq!(within(limit, &progress, std::future::pending::<()>()).await, None);
        assert_eq!(
            begin.elapsed().as_secs(),
            30,
            "nothing moves any more, so the limit counts from the last piece"
        );
    }

    #[test]
    fn a_clone_that_is_down_is_tried_by_one_request_at_a_time() {
        let (upstream, down) = (
            Upstream::new("clone-1", "127.0.0.1:1".parse().unwrap()),
            Duration::from_secs(1),
        );
        let refused = Instant::now();
        assert!(upstream.admits(refused, down));
        *locked(&upstream.down_until) = Some(refused + down);

        assert!(!upstream.admits(refused, down));
        assert!(
            upstream.admits(refused + down, down),
            "its second has passed, so one may try"
        );
        assert!(!upstream.admits(refused + down, down), "and only one");
        assert!(
            upstream.admits(refused + 2 * down, down),
            "that one did not come back, so another may"
        );
    }
}
