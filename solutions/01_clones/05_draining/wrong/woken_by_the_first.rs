// Wrong: it waits to be woken once, which the first request that ends does, and not the last.
// Says: do you look again after you were woken?
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time;

#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_leaving: AtomicBool,
    is_closed: AtomicBool,
    inside: AtomicUsize,
    left: Notify,
}

#[derive(Debug)]
pub struct Guard {
    state: Arc<State>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.state.inside.fetch_sub(1, Ordering::SeqCst);
        self.state.left.notify_waiters();
    }
}

#[derive(Debug)]
pub struct Body {
    pieces: mpsc::Receiver<String>,
    guard: Option<Guard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    Quiet,
    Left(usize),
}

impl Body {
    pub fn new(pieces: mpsc::Receiver<String>) -> Self {
        Body {
            pieces,
            guard: None,
        }
    }

    pub async fn next(&mut self) -> Option<String> {
        let piece = self.pieces.recv().await;
        if piece.is_none() {
            drop(self.guard.take());
        }
        piece
    }
}

impl Gate {
    pub fn new() -> Self {
        Gate::default()
    }

    pub fn is_ready(&self) -> bool {
        !self.state.is_leaving.load(Ordering::SeqCst)
    }

    pub fn enter(&self) -> Option<Guard> {
        if self.state.is_closed.load(Ordering::SeqCst) {
            return None;
        }
        let guard = Guard {
            state: Arc::clone(&self.state),
        };
        self.state.inside.fetch_add(1, Ordering::SeqCst);
        Some(guard)
    }

    pub async fn serve(&self, handler: impl Future<Output = Body>) -> Option<Body> {
        let guard = self.enter()?;
        let mut body = handler.await;
        body.guard = Some(guard);
        Some(body)
    }

    pub async fn drain(&self, notice: Duration, limit: Duration) -> Drained {
        self.state.is_leaving.store(true, Ordering::SeqCst);
        time::sleep(notice).await;
        self.state.is_closed.store(true, Ordering::SeqCst);
        let left = self.state.left.notified();
        if self.state.inside.load(Ordering::SeqCst) > 0 && time::timeout(limit, left).await.is_ok()
        {
            return Drained::Quiet;
        }
        match self.state.inside.load(Ordering::SeqCst) {
            0 => Drained::Quiet,
            left => Drained::Left(left),
        }
    }
}
