//! The whole store over real HTTP, through its balancer: what it does, what it refuses, and what it does not lose.

mod bad_input;
mod embedded;
mod games;
mod hang_up;
mod jobs;
mod operations;
mod orders;
mod pages;
mod process;
mod program;
mod refusals;
mod sessions;
mod support;
mod wrong_requests;
