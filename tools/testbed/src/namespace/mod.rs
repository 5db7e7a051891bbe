//! Namespaces on the shared servers: what one test uses alone, such as a database or a virtual
//! host.
//!
//! The names are `t_LEASE_NUMBER`. The lease tells later processes which names belong to ended
//! ones.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::docker::lease;
use crate::error::Error;

pub(crate) mod memcached;
pub(crate) mod postgres;
pub(crate) mod rabbitmq;
pub(crate) mod redis;

/// A name that was never used before. It is valid for databases, virtual hosts and keys.
async fn fresh_name() -> Result<String, Error> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let lease = lease::lease().await?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(format!("t_{}_{number}", lease.id))
}

/// Whether this is such a name, and its process has ended.
fn is_orphaned(name: &str) -> Result<bool, Error> {
    let mut parts = name.split('_');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("t"), Some(lease), Some(_), None) if lease.len() == 8 => lease::has_ended(lease),
        _ => Ok(false),
    }
}
