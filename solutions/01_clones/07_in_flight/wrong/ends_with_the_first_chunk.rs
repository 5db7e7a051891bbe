// Wrong: it ends the request when the first chunk is sent.
// Says: which result of `recv` is the end of the body?
// Breaks: rule 3
#![allow(missing_docs, reason = "documented in the exercise")]

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
    guard: Option<InFlightGuard>,
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
        if chunk.is_some() {
            drop(self.guard.take());
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
        body.guard = Some(guard);
        body
    }
}
