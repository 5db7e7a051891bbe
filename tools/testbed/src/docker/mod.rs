//! What the testbed does with Docker: images, containers, labels and cleaning up.

pub(crate) mod cleanup;
mod client;
pub(crate) mod container;
pub(crate) mod cpu_quota;
pub(crate) mod image;
pub(crate) mod labels;
pub(crate) mod lease;
pub(crate) mod network;
pub(crate) mod program_image;

pub(crate) use client::{block_on, client, is_missing, run, runtime};
