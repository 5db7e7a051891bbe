//! What chapter 1 promises, over real sockets: every server here listens on a free port of its own.
//!
//! Clones run as tasks where that is enough, and as processes where one of them is killed.

mod admin_api;
mod application;
mod avatar_store;
mod avatars;
mod balancing;
#[cfg(target_os = "linux")]
mod behind_proxies;
mod deploys;
mod expectations;
mod experiments;
mod failure_causes;
mod flapping;
mod floods;
mod gigabyte;
mod half_close;
mod header_table;
mod headers;
mod hung;
mod kill_nine;
mod killed_orders;
mod login;
mod losses;
mod membership;
mod problems;
mod process;
mod processes;
mod program;
mod redis_away;
mod redis_sessions;
#[cfg(unix)]
mod restarts;
mod retries;
mod role;
mod server;
mod serving;
mod session_loss;
mod sessions;
mod smuggling;
mod streaming;
mod support;
mod unavailable_store;
mod upgrade;
