//! The fault proxy. The tests hold both ends of every connection.

mod forwarding;
mod lifetime;
mod refused;
mod resets_and_black_holes;
mod slow;
mod support;
