//! Publish/subscribe: an event goes to every subscriber of its topic.
//!
//! A job says that one worker must do something. An event says that something has happened. The
//! publisher does not know the subscribers, so a new subscriber needs no change there. Each
//! subscriber has a queue of its own. Every queue gets every event that matches its pattern
//! (*publish/subscribe*), and the consumers of one queue share its events (*point-to-point*).
//!
//! | file | content |
//! |---|---|
//! | `event_bus.rs` | the interfaces [`EventBus`] and [`Subscription`] |
//! | `topic.rs` | topics and patterns |
//! | `memory.rs`, `rabbitmq.rs` | the event bus in this process and in a broker |
//! | `rsvp.rs` | an example: one RSVP becomes an e-mail and a push message |

mod event_bus;
mod memory;
mod rabbitmq;
pub mod rsvp;
pub mod topic;

pub use event_bus::{Event, EventBus, Subscription};
pub use memory::MemoryEventBus;
pub use rabbitmq::RabbitEventBus;
