//! The body of a request on its way to a clone, and its progress.
//!
//! The balancer needs the progress for three things. The time-out for a response begins when the
//! upload has ended. A connection returns to the pool only after the whole request went through it,
//! because a clone may respond before it has read the body. And a retry needs the body again: the
//! pieces of a small body are kept as they pass, which costs a reference each and no copy.
//!
//! A client that stops sending ends its body with [`BodyError::Stalled`].
//!
//! Left out: keeping trailers, and replaying a body that is larger than [`MAX_REPLAY_BYTES`], has
//! more pieces than [`MAX_REPLAY_PIECES`], or has not come completely.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::continue_gate::{ContinueGate, Permission};
use crate::web::request_body::{BodyError, RequestBody};

/// Bodies of up to this many bytes can be replayed (as in Linkerd's proxy). This limits the memory
/// that a request holds.
pub(crate) const MAX_REPLAY_BYTES: usize = 64 * 1024;

/// Bodies of up to this many pieces can be replayed. A reference to a piece costs memory too: with
/// chunks of one byte, 32 times as much as the body.
const MAX_REPLAY_PIECES: usize = 1024;

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
    /// The client's body, which waits in [`Progress::held`] for the clone's `100 Continue`.
    Held(Permission, SizeHint),
    /// The pieces that an earlier attempt kept.
    Replay(Pieces),
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
    /// Whether the connection to the clone could send, but the client has sent nothing more.
    waits_for_client: bool,
    /// All pieces so far; `None` if they are not kept.
    kept: Option<Pieces>,
    gate: Option<ContinueGate>,
    held: Option<HeldBody>,
}

/// The pieces of a body, and their length as a running count: a sum over all pieces for each new
/// piece would take quadratic time.
#[derive(Clone, Debug, Default)]
struct Pieces {
    queue: VecDeque<Bytes>,
    bytes: usize,
}

impl Pieces {
    /// Keeps one more piece; false if that is too much.
    fn push(&mut self, piece: &Bytes) -> bool {
        let has_room =
            self.queue.len() < MAX_REPLAY_PIECES && self.bytes + piece.len() <= MAX_REPLAY_BYTES;
        if has_room {
            self.bytes += piece.len();
            self.queue.push_back(piece.clone());
        }
        has_room
    }

    fn pop(&mut self) -> Option<Bytes> {
        let piece = self.queue.pop_front()?;
        self.bytes -= piece.len();
        Some(piece)
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// A body of which nothing was read, because the client waits for `100 Continue`.
#[derive(Debug)]
struct HeldBody {
    body: RequestBody,
    /// How long the clone may leave the client without a decision.
    limit: Duration,
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

    /// Wraps the body of a client that waits for `100 Continue`. The body is not read before the
    /// clone agrees or `limit` has passed.
    pub(crate) fn held(body: RequestBody, is_kept: bool, limit: Duration) -> Self {
        let (gate, size) = (ContinueGate::new(), body.size_hint());
        let progress = UploadProgress::started(is_kept);
        if let Some(shared) = &progress.0 {
            let mut progress = shared.lock();
            progress.gate = Some(gate.clone());
            progress.held = Some(HeldBody { body, limit });
        }
        ReplayBody {
            source: Source::Held(gate.permission(limit), size),
            progress,
        }
    }

    pub(crate) fn empty() -> Self {
        ReplayBody {
            source: Source::Empty,
            progress: UploadProgress(None),
        }
    }

    /// Whether the body waits for the clone's `100 Continue`.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.source, Source::Held(..))
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
            waits_for_client: false,
            kept: is_kept.then(Pieces::default),
            gate: None,
            held: None,
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

    /// Whether the client is the one to act: the clone takes pieces, and the client sends none. The
    /// client's time is limited by [`Limits::body_timeout`](crate::web::limits::Limits).
    pub(super) fn waits_for_client(&self) -> bool {
        let shared = self.0.as_ref();
        shared.is_some_and(|shared| shared.lock().waits_for_client)
    }

    /// What allows the upload, if the client waits for `100 Continue`.
    pub(super) fn gate(&self) -> Option<ContinueGate> {
        self.0.as_ref()?.lock().gate.clone()
    }

    /// Records the clone's final response: a body that still waits is not needed any more.
    pub(super) fn refuse_held(&self) {
        let unread = self.take_held();
        if let (Some(_), Some(gate)) = (&unread, self.gate()) {
            gate.refuse();
        }
    }

    fn take_held(&self) -> Option<HeldBody> {
        self.0.as_ref()?.lock().held.take()
    }

    /// Records that the clone's response has ended. A connection whose upload was refused closes.
    pub(crate) fn end_response(&self) {
        if let Some(gate) = self.gate() {
            gate.end();
        }
    }

    /// Whether [`replay`](Self::replay) would return a body.
    pub(crate) fn can_replay(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| {
            let progress = shared.lock();
            progress.held.is_some() || (progress.is_complete && progress.kept.is_some())
        })
    }

    /// The same body again: if nothing of it was read, or if the client has sent all of it and all
    /// of it was kept.
    pub(crate) fn replay(&self) -> Option<ReplayBody> {
        let Some(shared) = &self.0 else {
            return Some(ReplayBody::empty());
        };
        let mut progress = shared.lock();
        if let Some(HeldBody { body, limit }) = progress.held.take() {
            return Some(ReplayBody::held(body, progress.kept.is_some(), limit));
        }
        let kept = progress.kept.clone().filter(|_| progress.is_complete)?;
        Some(ReplayBody {
            progress: UploadProgress::from(Progress {
                is_complete: kept.is_empty(),
                last_piece_at: None,
                waits_for_client: false,
                kept: Some(kept.clone()),
                gate: None,
                held: None,
            }),
            source: Source::Replay(kept),
        })
    }

    /// Records that the connection wants a piece, and the client has not sent it yet.
    pub(crate) fn record_wait(&self) {
        if let Some(shared) = &self.0 {
            shared.lock().waits_for_client = true;
        }
    }

    /// Records that the connection has just got a piece, or the end of the body.
    pub(crate) fn record(&self, is_complete: bool, piece: Option<&Bytes>) {
        let Some(shared) = &self.0 else { return };
        let mut progress = shared.lock();
        progress.is_complete = is_complete;
        progress.waits_for_client = false;
        progress.last_piece_at = progress.last_piece_at.map(|_| Instant::now());
        let Some(piece) = piece else { return };
        let kept = progress.kept.as_mut();
        if kept.is_some_and(|kept| !kept.push(piece)) {
            progress.kept = None;
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
        if let Source::Held(permission, _) = &mut self.source {
            ready!(permission.poll(context));
            let Some(held) = self.progress.take_held() else {
                return Poll::Ready(Some(Err(BodyError::NotWanted)));
            };
            self.source = Source::Client(held.body);
        }
        let body = match &mut self.source {
            Source::Replay(pieces) => {
                let piece = pieces.pop();
                let is_complete = pieces.is_empty();
                self.progress.record(is_complete, None);
                return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
            }
            Source::Empty | Source::Held(..) => return Poll::Ready(None),
            Source::Client(body) => body,
        };
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
            self.progress.record_wait();
            return Poll::Pending;
        };
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
            Source::Held(..) => false,
            Source::Replay(pieces) => pieces.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Client(body) => body.size_hint(),
            Source::Held(_, size) => *size,
            Source::Replay(pieces) => SizeHint::with_exact(pieces.bytes as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// The progress of an upload of `pieces` pieces of `length` bytes.
    fn upload(pieces: usize, length: usize) -> UploadProgress {
        let (progress, piece) = (
            UploadProgress::started(true),
            Bytes::from(vec![b'x'; length]),
        );
        for number in 1..=pieces {
            progress.record(number == pieces, Some(&piece));
        }
        progress
    }

    #[test]
    fn handles_of_pieces_count_towards_the_limit() {
        let table = [
            (1, MAX_REPLAY_BYTES, true),
            (1, MAX_REPLAY_BYTES + 1, false),
            (
                MAX_REPLAY_PIECES,
                MAX_REPLAY_BYTES / MAX_REPLAY_PIECES,
                true,
            ),
            (MAX_REPLAY_PIECES, 1, true),
            (MAX_REPLAY_PIECES + 1, 1, false),
            (MAX_REPLAY_BYTES, 1, false),
        ];
        for (pieces, length, is_kept) in table {
            let progress = upload(pieces, length);
            let kept = progress.0.as_ref().unwrap().lock().kept.clone();
            let handles = kept.map_or(0, |kept| kept.queue.len());
            assert_eq!(
                handles,
                if is_kept { pieces } else { 0 },
                "{pieces} pieces of {length} bytes: the balancer must not hold many small pieces"
            );
            assert_eq!(progress.replay().is_some(), is_kept);
        }
    }

    #[tokio::test]
    async fn replayed_body_knows_its_length() {
        let mut body = upload(3, 5).replay().unwrap();
        for left in [15, 10, 5] {
            assert_eq!(body.size_hint().exact(), Some(left));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(piece.len(), 5);
        }
        assert_eq!(
            (body.size_hint().exact(), body.is_end_stream()),
            (Some(0), true)
        );
        assert_eq!(
            body.progress()
                .replay()
                .map(|body| body.size_hint().exact()),
            Some(Some(15)),
            "a body can be replayed several times"
        );
    }
}
