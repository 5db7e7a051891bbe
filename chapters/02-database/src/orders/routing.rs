//! Finds the shard of a bucket, and tries again when that shard refuses.
//!
//! A clone keeps the shard map in memory. The map may be stale, so every statement names the epoch
//! that the clone knows. The shard refuses another epoch. The clone then reads the map again.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::{Mutex, RwLock};
use sqlx::postgres::PgPool;

use crate::model::StoreError;
use crate::postgres::{QUERY_TIMEOUT, with_timeout};
use crate::sharding::{Bucket, Epoch, Owner, ShardId, ShardMap, gate, load_map};

/// How often a request asks for an owner. One move needs three: the gate is closed, the map is
/// stale, the new owner answers.
const MAX_ATTEMPTS: usize = 5;

/// What a shard says to a request for a bucket.
pub(super) enum Reply<T> {
    /// The shard owns the bucket and has done the work.
    Done(T),
    /// A move of the bucket is in its cut-over. Nothing was written.
    GateClosed,
    /// The shard does not own the bucket with the epoch of the request. Nothing was written.
    StaleMap,
}

/// Sends requests to the shards that own their buckets.
pub(super) struct Router {
    catalog: PgPool,
    shards: Vec<PgPool>,
    map: RwLock<Arc<ShardMap>>,
    reload: tokio::sync::Mutex<()>,
    gate_waits: Mutex<HashMap<Bucket, Shared<BoxFuture<'static, ()>>>>,
}

impl Router {
    /// A router with this map. It reads newer maps from the catalogue's primary.
    pub(super) fn new(catalog: PgPool, shards: Vec<PgPool>, map: ShardMap) -> Self {
        Router {
            catalog,
            shards,
            map: RwLock::new(Arc::new(map)),
            reload: tokio::sync::Mutex::new(()),
            gate_waits: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn map(&self) -> Arc<ShardMap> {
        self.map.read().clone()
    }

    pub(super) fn shards(&self) -> &[PgPool] {
        &self.shards
    }

    // ANCHOR: route
    /// Asks the owner of a bucket. If the shard refuses, reads the map again and asks the new
    /// owner.
    pub(super) async fn route<'s, T, Ask>(
        &'s self,
        bucket: Bucket,
        ask: impl Fn(&'s PgPool, Epoch) -> Ask,
    ) -> Result<T, StoreError>
    where
        Ask: Future<Output = Result<Reply<T>, StoreError>>,
    {
        for _ in 0..MAX_ATTEMPTS {
            let owner = self.map().entry(bucket);
            let shard = self.pool(owner.shard)?;
            match ask(shard, owner.epoch).await? {
                Reply::Done(value) => return Ok(value),
                Reply::GateClosed => self.wait_for_gate(shard, bucket).await,
                Reply::StaleMap => {
                    // Between the steps of a move no shard owns the bucket. The gate tells when
                    // the move has ended.
                    self.wait_for_gate(shard, bucket).await;
                    self.reload_map(bucket, owner).await?;
                }
            }
        }
        let Owner { shard, epoch } = self.map().entry(bucket);
        Err(StoreError::Corrupt(format!(
            "the shard map says that shard {shard} owns bucket {bucket} since epoch {epoch}, but \
             the shard disagrees; complete the interrupted move, or give the addresses of the \
             shards in the order in which the store was filled"
        )))
    }
    // ANCHOR_END: route

    /// The pool of a shard that the map names.
    pub(super) fn pool(&self, shard: ShardId) -> Result<&PgPool, StoreError> {
        let known = self.shards.len();
        self.shards.get(shard).ok_or_else(|| {
            StoreError::unavailable(format!(
                "the shard map names shard {shard}, but this process has the addresses of {known} \
                 shards; start it again with all addresses"
            ))
        })
    }

    /// Reads the map, unless another request has read it since `known` was refused.
    async fn reload_map(&self, bucket: Bucket, known: Owner) -> Result<(), StoreError> {
        let _one_at_a_time = self.reload.lock().await;
        if self.map().entry(bucket) == known {
            self.read_map().await?;
        }
        Ok(())
    }

    /// Replaces the map by the one in the table.
    pub(super) async fn read_map(&self) -> Result<(), StoreError> {
        let loading = async { Ok(load_map(&self.catalog).await) };
        let loaded = with_timeout(QUERY_TIMEOUT, loading).await??;
        let map = loaded.ok_or_else(no_map)?;
        tracing::info!(epoch = map.epoch(), "read the shard map");
        *self.map.write() = Arc::new(map);
        Ok(())
    }

    /// Waits until the move that holds the bucket's gate ends. All requests for the bucket wait
    /// together with one connection, so the others stay free for other buckets.
    async fn wait_for_gate(&self, shard: &PgPool, bucket: Bucket) {
        let wait = self
            .gate_waits
            .lock()
            .entry(bucket)
            .or_insert_with(|| shared_wait(shard.clone(), bucket))
            .clone();
        wait.clone().await;
        // The entry may already belong to a later wait.
        let mut waits = self.gate_waits.lock();
        if waits
            .get(&bucket)
            .is_some_and(|current| current.ptr_eq(&wait))
        {
            waits.remove(&bucket);
        }
    }
}

/// A wait for a gate that several requests can await.
fn shared_wait(shard: PgPool, bucket: Bucket) -> Shared<BoxFuture<'static, ()>> {
    let wait = async move {
        let open = gate::wait_until_open(&shard, bucket);
        if let Err(error) = with_timeout(QUERY_TIMEOUT, open).await {
            // The next attempt shows whether the shard is down or the move is slow.
            tracing::info!(bucket, %error, "waiting for a move failed");
        }
    };
    wait.boxed().shared()
}

/// The error of a catalogue without a shard map.
pub(super) fn no_map() -> StoreError {
    StoreError::Corrupt(
        "the catalogue's table shard_map is empty; fill the store before you open its orders"
            .to_owned(),
    )
}
