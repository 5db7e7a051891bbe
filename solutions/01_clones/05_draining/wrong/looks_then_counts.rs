// Wrong: it looks at the door and then counts, in two steps, and the door can be closed between them.
// Says: Can the door be closed between your look at it and your count?
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
        if self.state.inside.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.state.left.notify_waiters();
        }
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
        if self.state.inside.load(Ordering::SeqCst) == 0 {
            return Drained::Quiet;
        }
        let quiet = async {
            loop {
                let left = self.state.left.notified();
                if self.state.inside.load(Ordering::SeqCst) == 0 {
                    return;
                }
                left.await;
            }
        };
        let _ = time::timeout(limit, quiet).await;
        match self.state.inside.load(Ordering::SeqCst) {
            0 => Drained::Quiet,
            left => Drained::Left(left),
        }
    }
}
