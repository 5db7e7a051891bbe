//! What chapter 1 promises, over real sockets: every server here listens on a free port of its own.

mod balancing;
mod headers;
mod problems;
mod retries;
mod server;
mod sessions;
mod streaming;
mod support;
