//! The body of a request on its way up to a clone, and how far it has come.
//!
//! Two things hang on it. The wait for a response begins when the upload has ended: a slow upload is not a hung
//! clone. And a connection may be used again only if the whole request went through it: a clone that answers early
//! leaves half a body in it.
//!
//! A client that stops sending ends its body with an error ([`BodyError::Stalled`]) before the wait for the clone is over.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::linger::{BodyError, RequestBody};

/// A request body that notes its progress. `None` is the empty body.
#[derive(Debug)]
pub(super) struct Upload {
    body: Option<RequestBody>,
    progress: Progress,
}

/// Where an upload stands, seen from outside of it. A request without a body has no state to share, so it costs
/// nothing.
#[derive(Clone, Debug)]
pub(super) struct Progress(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    is_complete: bool,
    moved_at: Instant,
}

impl Upload {
    pub(super) fn new(body: RequestBody) -> Self {
        if body.is_end_stream() {
            return Upload::empty();
        }
        Upload {
            body: Some(body),
            progress: Progress::begun(),
        }
    }

    pub(super) fn empty() -> Self {
        Upload {
            body: None,
            progress: Progress(None),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Progress {
    /// The progress of an upload that begins now.
    pub(super) fn begun() -> Self {
        Progress(Some(Arc::new(Mutex::new(State {
            is_complete: false,
            moved_at: Instant::now(),
        }))))
    }

    /// Whether the last byte has been handed to the connection.
    pub(super) fn is_complete(&self) -> bool {
        self.read(|state| state.is_complete).unwrap_or(true)
    }

    /// When the last piece was handed to the connection; `None` if there is no body.
    pub(super) fn moved_at(&self) -> Option<Instant> {
        self.read(|state| state.moved_at)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Option<T> {
        let state = self
            .0
            .as_ref()?
            .lock()
            .expect("no code panics while it holds this lock");
        Some(look(&state))
    }

    /// Notes that a piece was handed to the connection just now.
    pub(super) fn note(&self, is_complete: bool) {
        if let Some(state) = &self.0 {
            let mut state = state.lock().expect("no code panics while it holds this lock");
            state.is_complete = is_complete;
            state.moved_at = Instant::now();
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = self.body.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        // An error is an end too, but not a complete one.
        let is_complete = body.is_end_stream() && !matches!(frame, Some(Err(_)));
        self.progress.note(is_complete);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
