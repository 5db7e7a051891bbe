//! `Expect: 100-continue`: the body of such a request waits for the clone's decision.
//!
//! The clone answers with `100 Continue`, or with a final response that makes the body unnecessary.
//! A clone that does neither may not know this expectation, so it gets the body after a while (RFC
//! 9110, section 10.1.1).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Decides when the upload begins. All clones of this handle share the decision.
#[derive(Clone, Debug)]
pub(super) struct ContinueGate(watch::Sender<Decision>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// The clone has sent nothing yet.
    Waiting,
    /// The clone has sent `100 Continue`.
    Continue,
    /// The clone has sent a final response. Its body still comes over the connection.
    Refused,
    /// The response has ended, so the connection can be closed.
    Ended,
}

/// Resolves when the upload may begin or, after a final response, when that response has ended.
pub(super) struct Permission(Pin<Box<dyn Future<Output = ()> + Send>>);

impl ContinueGate {
    pub(super) fn new() -> Self {
        ContinueGate(watch::Sender::new(Decision::Waiting))
    }

    pub(super) fn allow(&self) {
        self.change(Decision::Waiting, Decision::Continue);
    }

    pub(super) fn refuse(&self) {
        self.change(Decision::Waiting, Decision::Refused);
    }

    pub(super) fn end(&self) {
        self.change(Decision::Refused, Decision::Ended);
    }

    fn change(&self, from: Decision, to: Decision) {
        self.0.send_if_modified(|decision| {
            let is_modified = *decision == from;
            if is_modified {
                *decision = to;
            }
            is_modified
        });
    }

    /// `limit`: how long the clone may leave the client without a decision.
    pub(super) fn permission(&self, limit: Duration) -> Permission {
        let mut decision = self.0.subscribe();
        Permission(Box::pin(async move {
            let decided = decision.wait_for(|decision| *decision != Decision::Waiting);
            if timeout(limit, decided).await.is_ok() {
                let _ = decision
                    .wait_for(|decision| *decision != Decision::Refused)
                    .await;
            }
        }))
    }
}

impl Permission {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Permission").finish()
    }
}
