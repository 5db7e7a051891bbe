//! The body of a request on its way to a clone, and its progress.
//!
//! The balancer needs the progress for three things. The time-out for a response begins when the
//! upload has ended. A connection returns to the pool only after the whole request went through it,
//! because a clone may respond before it has read the body. And a retry needs the body again: the
//! pieces of a small body are kept as they pass, which costs a reference each and no copy.
//!
//! A client that stops sending ends its body with [`BodyError::Stalled`].
//!
//! Left out: keeping trailers, and replaying a body that is larger than [`MAX_REPLAY_BYTES`] or has
//! not come completely.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::web::request_body::{BodyError, RequestBody};

/// Bodies of up to this many bytes can be replayed (as in Linkerd's proxy). This limits the memory
/// that a request holds.
pub(crate) const MAX_REPLAY_BYTES: usize = 64 * 1024;

/// A request body that records its progress and can be replayed if it is small.
#[derive(Debug)]
pub(crate) struct ReplayBody {
    source: Source,
    progress: UploadProgress,
}

#[derive(Debug)]
enum Source {
    Empty,
    Client(RequestBody),
    /// The pieces that an earlier attempt kept.
    Replay(VecDeque<Bytes>),
}

/// The progress of an upload. All clones of this handle share it. `None` for a request without a
/// body, which needs no shared state.
#[derive(Clone, Debug)]
pub(crate) struct UploadProgress(Option<Arc<Mutex<Progress>>>);

#[derive(Debug)]
struct Progress {
    is_complete: bool,
    /// `None` for a replayed body: it does not wait for the client.
    last_piece_at: Option<Instant>,
    /// All pieces so far; `None` if they are not kept.
    kept: Option<VecDeque<Bytes>>,
}

impl ReplayBody {
    /// Wraps a client's body. If `is_kept`, and if the body is small, [`UploadProgress::replay`]
    /// can send it again.
    pub(crate) fn new(body: RequestBody, is_kept: bool) -> Self {
        if body.is_end_stream() {
            return ReplayBody::empty();
        }
        let is_small = body.size_hint().lower() <= MAX_REPLAY_BYTES as u64;
        ReplayBody {
            source: Source::Client(body),
            progress: UploadProgress::started(is_kept && is_small),
        }
    }

    pub(crate) fn empty() -> Self {
        ReplayBody {
            source: Source::Empty,
            progress: UploadProgress(None),
        }
    }

    pub(crate) fn progress(&self) -> UploadProgress {
        self.progress.clone()
    }
}

impl UploadProgress {
    /// The progress of an upload that starts now.
    pub(crate) fn started(is_kept: bool) -> Self {
        UploadProgress::from(Progress {
            is_complete: false,
            last_piece_at: Some(Instant::now()),
            kept: is_kept.then(VecDeque::new),
        })
    }

    /// Whether the connection has got the last byte.
    pub(crate) fn is_complete(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|shared| shared.lock().is_complete)
    }

    /// When the connection got the last piece from the client. `None` for an empty or replayed
    /// body.
    pub(crate) fn last_piece_at(&self) -> Option<Instant> {
        self.0.as_ref()?.lock().last_piece_at
    }

    /// The same body again, if the client has sent all of it and all of it was kept.
    pub(crate) fn replay(&self) -> Option<ReplayBody> {
        let Some(shared) = &self.0 else {
            return Some(ReplayBody::empty());
        };
        let progress = shared.lock();
        let kept = progress.kept.clone().filter(|_| progress.is_complete)?;
        Some(ReplayBody {
            progress: UploadProgress::from(Progress {
                is_complete: kept.is_empty(),
                last_piece_at: None,
                kept: Some(kept.clone()),
            }),
            source: Source::Replay(kept),
        })
    }

    /// Records that the connection has just got a piece, or the end of the body.
    pub(crate) fn record(&self, is_complete: bool, piece: Option<&Bytes>) {
        let Some(shared) = &self.0 else { return };
        let mut progress = shared.lock();
        progress.is_complete = is_complete;
        progress.last_piece_at = progress.last_piece_at.map(|_| Instant::now());
        let Some(piece) = piece else { return };
        let kept_bytes: usize = progress.kept.iter().flatten().map(Bytes::len).sum();
        if kept_bytes + piece.len() > MAX_REPLAY_BYTES {
            progress.kept = None;
        } else if let Some(kept) = &mut progress.kept {
            kept.push_back(piece.clone());
        }
    }
}

impl From<Progress> for UploadProgress {
    fn from(progress: Progress) -> Self {
        UploadProgress(Some(Arc::new(Mutex::new(progress))))
    }
}

impl Body for ReplayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = match &mut self.source {
            Source::Replay(pieces) => {
                let piece = pieces.pop_front();
                let is_complete = pieces.is_empty();
                self.progress.record(is_complete, None);
                return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
            }
            Source::Empty => return Poll::Ready(None),
            Source::Client(body) => body,
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        // An error ends the body too, but does not complete it.
        let is_complete = body.is_end_stream() && !matches!(frame, Some(Err(_)));
        let piece = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref());
        self.progress.record(is_complete, piece);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Client(body) => body.is_end_stream(),
            Source::Replay(pieces) => pieces.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Client(body) => body.size_hint(),
            Source::Replay(pieces) => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
        }
    }
}
