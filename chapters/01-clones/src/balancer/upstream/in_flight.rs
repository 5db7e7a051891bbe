//! Counting requests in flight, which draining and load-balancing strategies need.

use std::sync::Arc;

use super::server::Upstream;

// ANCHOR: guard
/// Counts as one request in flight at a clone until it is dropped. It is dropped with the last byte
/// of the response, or when the client leaves.
#[derive(Debug)]
pub(crate) struct InFlightGuard(Arc<Upstream>);

impl InFlightGuard {
    pub(crate) fn new(upstream: &Arc<Upstream>) -> Self {
        upstream.begin_request();
        InFlightGuard(Arc::clone(upstream))
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.0
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.end_request();
    }
}
// ANCHOR_END: guard
