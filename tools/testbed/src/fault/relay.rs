//! One direction of a connection: from one socket into the [`DelayQueue`], and from there to the
//! other socket.
//!
//! It works in steps. Between two steps the connection checks whether the fault has changed.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use super::delay_queue::{DelayQueue, Packet};
use super::kind::Fault;

/// How many bytes are read at once.
const CHUNK_SIZE: usize = 16 * 1024;

pub(super) struct Relay<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    queue: DelayQueue,
    buffer: Box<[u8]>,
    /// False after the sender's FIN or reset was read.
    is_reading: bool,
    /// True after a write to the sender has failed. Its end is then a reset and no orderly close.
    is_sender_lost: bool,
    /// Counts the written bytes.
    counter: &'a AtomicU64,
}

/// What a step did.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// This many bytes were written; 0 if the step only read.
    Forwarded(u64),
    /// The receiver is gone. The data on its way to it is lost.
    ReceiverLost,
    /// The sender's reset has reached the receiver's side.
    Reset,
}

impl<'a> Relay<'a> {
    pub(super) fn new(from: ReadHalf<'a>, to: WriteHalf<'a>, counter: &'a AtomicU64) -> Relay<'a> {
        Relay {
            from,
            to,
            queue: DelayQueue::new(Instant::now()),
            buffer: vec![0; CHUNK_SIZE].into(),
            is_reading: true,
            is_sender_lost: false,
            counter,
        }
    }

    pub(super) fn set_fault(&mut self, fault: Option<Fault>) {
        self.queue.set_fault(fault, Instant::now());
    }

    /// The next step: reads, or writes at most `limit` bytes. Waits until one of them is possible,
    /// maybe for ever. Cancel safe: a dropped future has done nothing.
    pub(super) async fn step(&mut self, limit: u64) -> Step {
        let due = self.queue.due();
        tokio::select! {
            read = self.from.read(&mut self.buffer), if self.is_reading && self.queue.has_room() => {
                self.enqueue(&read);
                Step::Forwarded(0)
            }
            () = writable_at(due, &self.to) => self.write_next(limit).await,
        }
    }

    /// Whether no data is on its way and no more will come.
    pub(super) fn has_ended(&self) -> bool {
        !self.is_reading && self.queue.is_empty()
    }

    /// Tells this relay that its sender is gone: the opposite relay could not write to it. The
    /// sender's data is still forwarded, and a reset follows.
    pub(super) fn lose_sender(&mut self) {
        self.is_sender_lost = true;
        if !self.is_reading {
            self.queue.push(Packet::Reset, Instant::now());
        }
    }

    fn enqueue(&mut self, read: &io::Result<usize>) {
        let packet = match read {
            Ok(0) if !self.is_sender_lost => Packet::Fin,
            Ok(0) | Err(_) => Packet::Reset,
            Ok(size) => Packet::Bytes(Bytes::copy_from_slice(&self.buffer[..*size])),
        };
        self.is_reading = matches!(packet, Packet::Bytes(_));
        self.queue.push(packet, Instant::now());
    }

    async fn write_next(&mut self, limit: u64) -> Step {
        match self.queue.next() {
            Some(Packet::Bytes(bytes)) => self.write(&bytes[..bytes.len().min(limit as usize)]),
            Some(Packet::Fin) => {
                self.queue.sent(0);
                // Never waits. An error means that the receiver is gone, and the opposite relay
                // notices it.
                let _ = self.to.shutdown().await;
                Step::Forwarded(0)
            }
            Some(Packet::Reset) => Step::Reset,
            None => Step::Forwarded(0),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Step {
        // Counted before the write and corrected after it, so that the receiver never has more
        // bytes than were counted.
        let counted = bytes.len() as u64;
        self.counter.fetch_add(counted, Ordering::SeqCst);
        let written = self.to.try_write(bytes);
        let size = *written.as_ref().unwrap_or(&0);
        self.counter
            .fetch_sub(counted - size as u64, Ordering::SeqCst);
        match written {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.queue.clear();
                self.is_reading = false;
                Step::ReceiverLost
            }
            _ => {
                self.queue.sent(size);
                Step::Forwarded(size as u64)
            }
        }
    }
}

/// Waits until the time `due`, and then until the socket can be written; for ever without a time.
async fn writable_at(due: Option<Instant>, to: &WriteHalf<'_>) {
    let Some(due) = due else {
        return pending().await;
    };
    // tokio's timer counts in whole milliseconds. Without a fault no chunk may lose one.
    if due > Instant::now() {
        sleep_until(due).await;
    }
    // An error appears again at the write.
    let _ = to.writable().await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn data_of_lost_sender_arrives_before_reset() {
        let (mut sender, mut from) = connected_pair().await;
        let (mut to, mut receiver) = connected_pair().await;
        let counter = AtomicU64::new(0);
        let mut relay = Relay::new(from.split().0, to.split().1, &counter);

        sender.write_all(b"last words").await.unwrap();
        drop(sender);
        relay.lose_sender();
        step_until(&mut relay, Step::Reset).await;

        let mut bytes = [0; 10];
        receiver.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"last words");
    }

    #[tokio::test]
    async fn sender_lost_after_its_close_is_reset() {
        let (sender, mut from) = connected_pair().await;
        let (mut to, _receiver) = connected_pair().await;
        let counter = AtomicU64::new(0);
        let mut relay = Relay::new(from.split().0, to.split().1, &counter);

        drop(sender);
        while !relay.has_ended() {
            step_until(&mut relay, Step::Forwarded(0)).await;
        }
        relay.lose_sender();

        assert!(
            !relay.has_ended(),
            "the receiver would never learn that the sender is gone"
        );
        step_until(&mut relay, Step::Reset).await;
    }

    #[tokio::test]
    async fn relay_without_receiver_has_ended() {
        let (mut sender, mut from) = connected_pair().await;
        let (mut to, receiver) = connected_pair().await;
        let counter = AtomicU64::new(0);
        let mut relay = Relay::new(from.split().0, to.split().1, &counter);

        receiver.set_zero_linger().unwrap();
        drop(receiver);
        sender.write_all(b"hello?").await.unwrap();
        step_until(&mut relay, Step::ReceiverLost).await;

        assert!(relay.has_ended(), "the relay would try to write for ever");
        assert_eq!(
            counter.load(Ordering::SeqCst),
            0,
            "bytes that no receiver got are counted"
        );
    }

    async fn step_until(relay: &mut Relay<'_>, wanted: Step) {
        let steps = async { while relay.step(u64::MAX).await != wanted {} };
        let done = tokio::time::timeout(TIMEOUT, steps).await;
        assert!(done.is_ok(), "there was no {wanted:?} within {TIMEOUT:?}");
    }

    async fn connected_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (client, listener.accept().await.unwrap().0)
    }
}
