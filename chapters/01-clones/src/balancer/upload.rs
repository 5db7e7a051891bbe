//! The body of a request on its way up to a clone, and how far it has come.
//!
//! Three things hang on it. The wait for a response begins when the upload has ended: a slow upload is not a hung clone. A
//! connection may be used again only if the whole request went through it: a clone that answers early leaves half a body in it. And
//! a request that may be [sent again](super::retry) needs its body again: pieces of a small one are kept as they pass, which
//! costs a reference each and no copy.
//!
//! A client that stops sending ends its body with an error ([`BodyError::Stalled`]) before the wait for the clone is over.
//!
//! Left out: keeping trailers, and sending again what is larger than [`KEPT`], or what had not come to its end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::web::request_body::{BodyError, RequestBody};

/// Bodies up to this many bytes can be sent again (as in Linkerd's proxy). It bounds what a request holds in memory.
pub(super) const KEPT: usize = 64 * 1024;

/// A request body that notes its progress.
#[derive(Debug)]
pub(super) struct Upload {
    body: Source,
    progress: Progress,
}

#[derive(Debug)]
enum Source {
    /// From the client, or nothing.
    First(Option<RequestBody>),
    /// What was kept of the first time.
    Again(VecDeque<Bytes>),
}

/// Where an upload stands, seen from outside of it. A request without a body has no state to share, so it costs
/// nothing.
#[derive(Clone, Debug)]
pub(super) struct Progress(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    is_complete: bool,
    /// `None` for what is sent again: it is all here, so nothing can be slow about it.
    moved_at: Option<Instant>,
    /// All pieces so far; `None` if they are not kept.
    kept: Option<VecDeque<Bytes>>,
}

impl Upload {
    /// `is_kept`: the body may be asked for again, by [`Progress::again`].
    pub(super) fn new(body: RequestBody, is_kept: bool) -> Self {
        if body.is_end_stream() {
            return Upload::empty();
        }
        let progress = Progress::begun(is_kept && body.size_hint().lower() <= KEPT as u64);
        Upload {
            body: Source::First(Some(body)),
            progress,
        }
    }

    pub(super) fn empty() -> Self {
        Upload {
            body: Source::First(None),
            progress: Progress(None),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Progress {
    /// The progress of an upload that begins now.
    pub(super) fn begun(is_kept: bool) -> Self {
        Progress(Some(Arc::new(Mutex::new(State {
            is_complete: false,
            moved_at: Some(Instant::now()),
            kept: is_kept.then(VecDeque::new),
        }))))
    }

    /// Whether the last byte has been handed to the connection.
    pub(super) fn is_complete(&self) -> bool {
        self.read(|state| state.is_complete).unwrap_or(true)
    }

    /// When the client's last piece was handed to the connection; `None` if nothing comes from a client.
    pub(super) fn moved_at(&self) -> Option<Instant> {
        self.read(|state| state.moved_at)?
    }

    /// The same body once more, if all of it has come and was kept.
    pub(super) fn again(&self) -> Option<Upload> {
        if self.0.is_none() {
            return Some(Upload::empty());
        }
        let kept = self.read(|state| state.kept.clone().filter(|_| state.is_complete))??;
        Some(Upload {
            progress: Progress(Some(Arc::new(Mutex::new(State {
                is_complete: kept.is_empty(),
                moved_at: None,
                kept: Some(kept.clone()),
            })))),
            body: Source::Again(kept),
        })
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
    pub(super) fn note(&self, is_complete: bool, piece: Option<&Bytes>) {
        if let Some(state) = &self.0 {
            let mut state = state
                .lock()
                .expect("no code panics while it holds this lock");
            state.is_complete = is_complete;
            state.moved_at = state.moved_at.map(|_| Instant::now());
            let before: usize = state.kept.iter().flatten().map(Bytes::len).sum();
            match (&mut state.kept, piece) {
                (Some(kept), Some(piece)) if before + piece.len() <= KEPT => {
                    kept.push_back(piece.clone())
                }
                (kept, Some(_)) => *kept = None,
                (_, None) => {}
            }
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
        let body = match &mut self.body {
            Source::Again(pieces) => {
                let piece = pieces.pop_front();
                let is_complete = pieces.is_empty();
                self.progress.note(is_complete, None);
                return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
            }
            Source::First(None) => return Poll::Ready(None),
            Source::First(Some(body)) => body,
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        // An error is an end too, but not a complete one.
        let is_complete = body.is_end_stream() && !matches!(frame, Some(Err(_)));
        let piece = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref());
        self.progress.note(is_complete, piece);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::First(body) => body.as_ref().is_none_or(Body::is_end_stream),
            Source::Again(pieces) => pieces.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::First(Some(body)) => body.size_hint(),
            Source::First(None) => SizeHint::with_exact(0),
            Source::Again(pieces) => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
        }
    }
}
