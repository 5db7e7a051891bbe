//! One direction of a connection: from one socket into the [`Queue`], and out of it to the other socket.
//!
//! It goes in steps, and the connection looks between two steps whether the fault has changed.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use super::Fault;
use super::queue::{Cargo, Queue};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

pub(super) struct Line<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    queue: Queue,
    buffer: Box<[u8]>,
    /// False once the sender's last word is in the queue.
    listening: bool,
    /// The sender is known to be gone, so what looks like its orderly close is none.
    sender_lost: bool,
    /// Counts what went out.
    meter: &'a AtomicU64,
}

/// What a step did.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// So many bytes went out; 0 if only something came in.
    Carried(u64),
    /// The receiver is gone, and what was on its way to it lost.
    ReceiverLost,
    /// The news that the sender is gone has arrived at the receiver's side.
    Reset,
}

impl<'a> Line<'a> {
    pub(super) fn new(from: ReadHalf<'a>, to: WriteHalf<'a>, meter: &'a AtomicU64) -> Line<'a> {
        Line {
            from,
            to,
            queue: Queue::new(Instant::now()),
            buffer: vec![0; CHUNK].into(),
            listening: true,
            sender_lost: false,
            meter,
        }
    }

    pub(super) fn set_fault(&mut self, fault: Option<Fault>) {
        self.queue.set_fault(fault, Instant::now());
    }

    /// The next step: something comes in, or at most `limit` bytes go out. Waits until one of them is possible, for
    /// ever if need be. Cancel safe: dropped while it waits, it has done nothing.
    pub(super) async fn step(&mut self, limit: u64) -> Step {
        let due = self.queue.due();
        tokio::select! {
            read = self.from.read(&mut self.buffer), if self.listening && self.queue.has_room() => {
                self.take_in(&read);
                Step::Carried(0)
            }
            () = departure(due, &self.to) => self.hand_on(limit).await,
        }
    }

    /// Nothing is on its way and nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        !self.listening && self.queue.is_empty()
    }

    /// The other line could not write to our sender: it is gone. What it had sent before is still carried, and a reset
    /// comes after it.
    pub(super) fn lose_sender(&mut self) {
        self.sender_lost = true;
        if !self.listening {
            self.queue.push(Cargo::Reset, Instant::now());
        }
    }

    fn take_in(&mut self, read: &io::Result<usize>) {
        let cargo = match read {
            Ok(0) if !self.sender_lost => Cargo::Close,
            Ok(0) | Err(_) => Cargo::Reset,
            Ok(size) => Cargo::Bytes(Bytes::copy_from_slice(&self.buffer[..*size])),
        };
        self.listening = matches!(cargo, Cargo::Bytes(_));
        self.queue.push(cargo, Instant::now());
    }

    async fn hand_on(&mut self, limit: u64) -> Step {
        match self.queue.next() {
            Some(Cargo::Bytes(bytes)) => self.write(&bytes[..bytes.len().min(limit as usize)]),
            Some(Cargo::Close) => {
                self.queue.sent(0);
                // Never waits. An error says that the receiver is gone, and then the other line hears of it.
                let _ = self.to.shutdown().await;
                Step::Carried(0)
            }
            Some(Cargo::Reset) => Step::Reset,
            None => Step::Carried(0),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Step {
        // Counted before it is written and corrected after, so that nobody receives what is not yet counted.
        let counted = bytes.len() as u64;
        self.meter.fetch_add(counted, Ordering::SeqCst);
        let written = self.to.try_write(bytes);
        let size = *written.as_ref().unwrap_or(&0);
        self.meter
            .fetch_sub(counted - size as u64, Ordering::SeqCst);
        match written {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.queue.clear();
                self.listening = false;
                Step::ReceiverLost
            }
            _ => {
                self.queue.sent(size);
                Step::Carried(size as u64)
            }
        }
    }
}

/// Waits until what is due then can be written.
async fn departure(due: Option<Instant>, to: &WriteHalf<'_>) {
    let Some(due) = due else {
        return pending().await;
    };
    // The timer counts in whole milliseconds, and a healthy line must not lose one with each chunk.
    if due > Instant::now() {
        sleep_until(due).await;
    }
    // An error shows itself when we write.
    let _ = to.writable().await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_a_lost_sender_had_said_arrives_before_the_reset() {
        let (mut sender, mut before) = pair().await;
        let (mut after, mut receiver) = pair().await;
        let meter = AtomicU64::new(0);
        let mut line = Line::new(before.split().0, after.split().1, &meter);

        sender.write_all(b"last words").await.unwrap();
        drop(sender);
        line.lose_sender();
        step_until(&mut line, Step::Reset).await;

        let mut heard = [0; 10];
        receiver.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"last words");
    }

    #[tokio::test]
    async fn a_sender_lost_after_its_close_is_a_reset_too() {
        let (sender, mut before) = pair().await;
        let (mut after, _receiver) = pair().await;
        let meter = AtomicU64::new(0);
        let mut line = Line::new(before.split().0, after.split().1, &meter);

        drop(sender);
        while !line.is_over() {
            step_until(&mut line, Step::Carried(0)).await;
        }
        line.lose_sender();

        assert!(
            !line.is_over(),
            "the receiver would never hear that the sender is gone"
        );
        step_until(&mut line, Step::Reset).await;
    }

    #[tokio::test]
    async fn a_line_without_a_receiver_is_over() {
        let (mut sender, mut before) = pair().await;
        let (mut after, receiver) = pair().await;
        let meter = AtomicU64::new(0);
        let mut line = Line::new(before.split().0, after.split().1, &meter);

        receiver.set_zero_linger().unwrap();
        drop(receiver);
        sender.write_all(b"anybody there?").await.unwrap();
        step_until(&mut line, Step::ReceiverLost).await;

        assert!(line.is_over(), "it would try to write for ever");
        assert_eq!(
            meter.load(Ordering::SeqCst),
            0,
            "what nobody received is counted"
        );
    }

    async fn step_until(line: &mut Line<'_>, wanted: Step) {
        let steps = async { while line.step(u64::MAX).await != wanted {} };
        let patience = Duration::from_secs(30);
        let done = tokio::time::timeout(patience, steps).await;
        assert!(done.is_ok(), "there was no {wanted:?} within {patience:?}");
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (far, listener.accept().await.unwrap().0)
    }
}
