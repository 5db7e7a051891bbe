//! Chapter 4: work that does not have to happen while the client waits happens earlier or later.
//!
//! *Earlier*: pages that are the same for all users are pre-rendered and served as files
//! ([`prerender`]). *Later*: a long task becomes a [`Job`] on a [`queue`]. The client gets a
//! receipt at once, a [`Worker`] does the work, and a [`JobStore`] records the progress ([`jobs`]).
//! An [`Event`] goes to every subscriber of its topic ([`events`]).
//!
//! | interface | for one process | for many processes |
//! |---|---|---|
//! | [`JobQueue`] | [`MemoryQueue`] | [`RabbitQueue`] |
//! | [`JobStore`] | [`MemoryJobStore`] | [`PgJobStore`] |
//! | [`EventBus`] | [`MemoryEventBus`] | [`RabbitEventBus`] |
//! | `object_store`'s `ObjectStore` ([`PageStore`]) | a local folder | a shared folder, or S3 |
//!
//! [`contract`] holds the tests that every implementation must pass.
//!
//! Left out:
//!
//! * A transactional outbox. A process creates the job's record and then publishes the message. If
//!   the process dies in between, the record stays `queued` and no worker ever gets the job.
//! * A growing pause between attempts, jobs at a given time, priorities, and deleting old jobs.
//! * Batches of publisher confirms, a cluster of brokers, and TLS to the broker.
//! * Events from before the first subscription, and an order between events.
//! * Flushing each pre-rendered page to disk, and several processes that publish pages.

pub mod contract;
pub mod events;
pub mod jobs;
pub mod prerender;
pub mod queue;
pub mod rabbitmq;

pub use events::{Event, EventBus, MemoryEventBus, RabbitEventBus, Subscription};
pub use jobs::{
    Job, JobHandler, JobMessage, JobState, JobStore, JobUpdate, MemoryJobStore, PgJobStore,
    Progress, Worker,
};
pub use prerender::{ChangedGame, PagePublisher, PageStore, StoredPage};
pub use queue::{AckHandle, Delivery, JobQueue, MemoryQueue, QueueError, RabbitQueue};
