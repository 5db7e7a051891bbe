//! Chapter 4: do it before, or do it later, but not while the customer waits.
//!
//! *Before*: pages that are the same for everybody are rendered in advance and served as files ([`publisher`], [`pages`]).
//! *Later*: a long task becomes a [`job::Job`] on a queue; the customer gets a receipt at once, a [`worker::Worker`] does the
//! work, and a [`JobBoard`] tells how far it is. The seams are [`JobQueue`] (before: a list in this process; after: a
//! broker), [`JobBoard`] (a database), and `object_store`'s `ObjectStore` for the pages ([`page_store`]).
//!
//! Left out at this stage: RabbitMQ, publish/subscribe, retries with back-off, dead letters that can be replayed.

pub mod board;
pub mod job;
pub mod memory;
pub mod memory_board;
pub mod page_store;
pub mod pages;
pub mod publisher;
pub mod queue;
pub mod worker;

pub use board::{JobBoard, JobUpdate};
pub use job::{Job, JobMessage, JobState};
pub use memory::MemoryQueue;
pub use memory_board::MemoryBoard;
pub use page_store::{PageStore, StoredPage};
pub use publisher::Publisher;
pub use queue::{Delivery, JobQueue, QueueError};
pub use worker::{JobHandler, Progress, Worker};
