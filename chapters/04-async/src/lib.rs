//! Chapter 4: do it before, or do it later, but not while the customer waits.
//!
//! *Before*: pages that are the same for everybody are rendered in advance and served as files ([`publisher`], [`pages`]).
//! *Later*: a long task becomes a [`job::Job`] on a queue; the customer gets a receipt at once, a [`worker::Worker`] does the
//! work, and a [`JobBoard`] tells how far it is. And *to whom it may concern*: an [`Event`] goes to everybody who has subscribed
//! to its topic ([`rsvp`] shows it).
//!
//! | seam | before: in this process | after: for many processes |
//! |---|---|---|
//! | [`JobQueue`] | [`MemoryQueue`] | [`rabbit::RabbitQueue`] |
//! | [`JobBoard`] | [`MemoryBoard`] | [`PgBoard`] |
//! | [`Events`] | [`MemoryEvents`] | [`rabbit::RabbitEvents`] |
//! | pages: `object_store`'s `ObjectStore` ([`page_store`]) | a local folder | a local folder that all share, or S3 |
//!
//! What both columns have to keep is written once, in [`contract`].
//!
//! Left out: a pause that grows from attempt to attempt, jobs at a given time, and an outbox in the database (a job is opened on the
//! board and then published, and a clone that dies in between leaves a record that nobody works on).

pub mod board;
pub mod contract;
pub mod events;
pub mod job;
pub mod memory;
pub mod memory_board;
pub mod memory_events;
pub mod page_store;
pub mod pages;
pub mod postgres_board;
pub mod publisher;
pub mod queue;
pub mod rabbit;
pub mod rsvp;
pub mod worker;

pub use board::{JobBoard, JobUpdate};
pub use events::{Event, EventDelivery, Events, Subscription};
pub use job::{Job, JobMessage, JobState};
pub use memory::MemoryQueue;
pub use memory_board::MemoryBoard;
pub use memory_events::MemoryEvents;
pub use page_store::{PageStore, StoredPage};
pub use postgres_board::PgBoard;
pub use publisher::Publisher;
pub use queue::{Delivery, JobQueue, QueueError};
pub use worker::{JobHandler, Progress, Worker};
