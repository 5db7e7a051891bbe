//! # Leave without slamming the door
//!
//! Each deploy stops every clone once. The store deploys at ten in the morning, and at ten in the morning a few hundred visitors get half
//! a page, or none: the clone was stopped in the middle of their answers, and the balancer sent it requests until a moment after. So the
//! store deploys at night, and therefore rarely, and therefore much at once.
//!
//! A clone can leave so that nobody notices. It says that it is about to; it takes requests until the balancer has heard that; then it
//! closes its door, ends what is inside, and goes. This is *draining*.
//!
//! ## What must always be true
//!
//! 1. First of all it says no when it is asked whether it is ready, and goes on serving for the time of the *notice*, for the balancer
//!    asks only every second. Then its door is closed, and a request that comes after that is not begun.
//! 2. Whatever came in is waited for: the handler at work, and then its answer, up to the last byte of the body. The head alone is half a page.
//! 3. A request is over when nobody wants or makes its answer any more. A client that leaves in the middle is not waited for, and nor is a
//!    handler that has panicked.
//! 4. Waiting has a limit, counted from when the door is closed. After it the clone leaves all the same, and says how many it left behind.
//! 5. The door and the count are one: no request slips in between a look at the door and its being counted.
//!
//! ## Predict
//!
//! A film of 1 GB is sent to a customer on a slow line when the deploy begins. Her handler has long returned: it opened the file, and the
//! body is being read from it. Does a server that counts handlers wait for her? And a customer who has closed her laptop in the middle:
//! which line of your code runs then?
//!
//! ## What to do
//!
//! Give [`Gate`], [`Guard`] and [`Body`] what they need, and write the methods: about 45 lines. tokio's
//! [`watch`](https://docs.rs/tokio/latest/tokio/sync/watch/index.html) or [`Notify`](https://docs.rs/tokio/latest/tokio/sync/struct.Notify.html)
//! wakes those who wait. In the tests time is paused, so a minute takes no time. `cargo workshop check draining` shows how far you are; it
//! is red now, and that is right.
//!
//! Left out: HTTP itself, the connections that are kept open between requests, and the signal that begins it all. Chapter 1 has them:
//! `chapters/01-clones/src/web/server.rs`, and the balancer's side of it in `balancer/upstream.rs`.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use std::time::Duration;

use tokio::sync::mpsc;

/// The door of a clone. All requests and whoever asks how it is share one; a clone of it is the same door.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    // What is known about the clone, shared by all, and who is told when it changes?
}

/// One request that is inside. It is there as long as this lives.
#[derive(Debug)]
pub struct Guard {
    // What has to happen when this is dropped, and which trait says so?
}

/// The body of an answer, which comes piece by piece. The handler's other half sends the pieces, the client's connection asks for the
/// next one. A client that leaves drops it, wherever it is.
#[derive(Debug)]
pub struct Body {
    pieces: mpsc::Receiver<String>,
    // What has to live as long as the body?
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Nobody is inside.
    Quiet,
    /// The limit was over, and so many requests were still inside.
    Left(usize),
}

impl Body {
    /// A body of these pieces. It ends when the sender is dropped.
    pub fn new(pieces: mpsc::Receiver<String>) -> Self {
        Body { pieces }
    }

    /// Waits for the next piece. `None` is the end.
    pub async fn next(&mut self) -> Option<String> {
        self.pieces.recv().await
    }
}

impl Gate {
    /// An open door, and nobody inside.
    pub fn new() -> Self {
        Gate::default()
    }

    /// What `/readyz` says: whether the balancer should send requests here.
    pub fn is_ready(&self) -> bool {
        todo!("return false from the very beginning of a drain")
    }

    /// Lets a request in, if the door is open.
    pub fn enter(&self) -> Option<Guard> {
        todo!("return a guard that is counted until it is dropped, or `None` if the door is closed")
    }

    /// Lets a request in, runs its handler, and returns the answer. `None` if the door is closed; then the handler is not run.
    ///
    /// A client that leaves while the handler is at work drops this future.
    pub async fn serve(&self, handler: impl Future<Output = Body>) -> Option<Body> {
        todo!(
            "return the handler's body, which has to keep the request counted as long as it lives"
        )
    }

    /// Says that the clone is not ready, serves on for the time of the `notice`, closes the door, and waits until nobody is inside, for
    /// the time of the `limit` at most.
    pub async fn drain(&self, notice: Duration, limit: Duration) -> Drained {
        todo!("return `Quiet` when the last request is over, or how many are left after the limit")
    }
}
