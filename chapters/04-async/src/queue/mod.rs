//! The job queue: publishers hand messages over, and each message goes to one worker.
//!
//! | file | content |
//! |---|---|
//! | `delivery.rs` | a message that a worker holds, and how the worker acknowledges it |
//! | `job_queue.rs` | the interface [`JobQueue`] |
//! | `memory.rs` | the queue in this process |
//! | `rabbitmq.rs` | the queue in a broker |
//! | `dead_letters.rs` | jobs that no worker can read |
//! | `error.rs` | [`QueueError`] |

mod dead_letters;
mod delivery;
mod error;
mod job_queue;
mod memory;
mod rabbitmq;

pub use delivery::{AckHandle, Delivery};
pub use error::QueueError;
pub use job_queue::JobQueue;
pub use memory::MemoryQueue;
pub use rabbitmq::{QueueSettings, RabbitQueue};
