// Wrong: its guard ends with the handler, so a body that is on its way is cut off in the middle.
// Says: the client has half a page
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time;

#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_leaving: bool,
    is_closed: bool,
    inside: usize,
}

#[derive(Debug)]
pub struct Guard {
    state: Arc<watch::Sender<State>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.inside -= 1);
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
        !self.state.borrow().is_leaving
    }

    pub fn enter(&self) -> Option<Guard> {
        let is_inside = self.state.send_if_modified(|state| {
            state.inside += usize::from(!state.is_closed);
            !state.is_closed
        });
        is_inside.then(|| Guard {
            state: Arc::clone(&self.state),
        })
    }

    pub async fn serve(&self, handler: impl Future<Output = Body>) -> Option<Body> {
        let _guard = self.enter()?;
        Some(handler.await)
    }

    pub async fn drain(&self, notice: Duration, limit: Duration) -> Drained {
        self.state.send_modify(|state| state.is_leaving = true);
        time::sleep(notice).await;
        self.state.send_modify(|state| state.is_closed = true);
        let mut state = self.state.subscribe();
        let quiet = async { state.wait_for(|state| state.inside == 0).await.map(drop) };
        let _ = time::timeout(limit, quiet).await;
        match self.state.borrow().inside {
            0 => Drained::Quiet,
            left => Drained::Left(left),
        }
    }
}
