//! Names for what a test has to itself on a shared server: `t_`, the lease of its process, a number.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;
use crate::lease;

/// A name that nobody has had before. Fit for a database, a virtual host and a key.
pub(crate) async fn fresh() -> Result<String, Error> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let lease = lease::lease().await?;
    Ok(format!(
        "t_{}_{}",
        lease.id,
        NUMBER.fetch_add(1, Ordering::Relaxed)
    ))
}

/// Whether this is such a name, and its process has ended.
pub(crate) fn is_left_behind(name: &str) -> Result<bool, Error> {
    let mut parts = name.split('_');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("t"), Some(lease), Some(_), None) if lease.len() == 8 => lease::has_ended(lease),
        _ => Ok(false),
    }
}
