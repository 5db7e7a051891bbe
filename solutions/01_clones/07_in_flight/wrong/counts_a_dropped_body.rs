// Wrong: it decreases the count only at the end of the body, which a disconnect skips.
// Says: Which line decreases the count when a body is dropped before its end?
// Breaks: rule 5
#![allow(missing_docs, reason = "documented in the exercise")]

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

#[derive(Clone, Debug, Default)]
pub struct RequestCounter {
    in_flight: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub struct InFlightGuard {
    in_flight: Arc<AtomicUsize>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub struct ResponseBody {
    chunks: mpsc::Receiver<String>,
    guard: Option<ManuallyDrop<InFlightGuard>>,
}

impl ResponseBody {
    pub fn new(chunks: mpsc::Receiver<String>) -> Self {
        ResponseBody {
            chunks,
            guard: None,
        }
    }

    pub async fn next(&mut self) -> Option<String> {
        let chunk = self.chunks.recv().await;
        if chunk.is_none() {
            drop(self.guard.take().map(ManuallyDrop::into_inner));
        }
        chunk
    }
}

impl RequestCounter {
    pub fn new() -> Self {
        RequestCounter::default()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub fn start_request(&self) -> InFlightGuard {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlightGuard {
            in_flight: Arc::clone(&self.in_flight),
        }
    }

    pub async fn serve(&self, handler: impl Future<Output = ResponseBody>) -> ResponseBody {
        let guard = self.start_request();
        let mut body = handler.await;
        body.guard = Some(ManuallyDrop::new(guard));
        body
    }
}
