//! The whole store over real HTTP, through its balancer: what it does, what it refuses, and what it does not lose.

#[path = "contract/mod.rs"]
mod on_embedded;
#[path = "contract/mod.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "the same contract for two kinds of store"
)]
mod on_servers;

mod containers;
mod embedded;
mod hang_up;
mod process;
mod program;
mod refusals;
mod seams;
mod support;
mod wrong_requests;
