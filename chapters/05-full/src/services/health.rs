//! The health of what a store depends on.

use ch02_database::StoreError;

/// Checks whether a store can serve requests.
#[async_trait::async_trait]
pub trait Health: Send + Sync {
    /// Fails if a database does not answer.
    async fn check(&self) -> Result<(), StoreError>;
}
