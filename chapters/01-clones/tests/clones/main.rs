//! What chapter 1 promises, over real sockets: every server here listens on a free port of its own.
//!
//! Clones run as tasks where that is enough, and as processes where one of them is killed.

mod avatar_store;
mod avatars;
mod balancing;
mod experiments;
mod fleet;
mod headers;
mod losses;
mod problems;
#[path = "../../src/demo/process.rs"]
mod process;
mod processes;
mod redis_away;
mod redis_sessions;
mod retries;
mod server;
mod sessions;
mod streaming;
mod support;
