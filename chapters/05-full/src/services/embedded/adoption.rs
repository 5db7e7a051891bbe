//! A data directory without a manifest: new, interrupted, or written by a former version.

use ch02_database::StoreError;
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::sharding::{ShardMap, bucket_of_order};
use uuid::Uuid;

use super::database::SqliteDatabase;
use super::identity::{Identity, MAIN, shard};
use super::manifest::{IncompleteStore, Manifest, check_file, incomplete};
use crate::services::data_dir::DataDir;

/// How many shards a store can have. The flag `--shards` has the same limit.
const MAX_SHARDS: usize = 256;

/// Checks that no shard holds orders of customers. Call it before a main database without content
/// is seeded: then the shards belong to a store whose main database is lost.
pub(super) async fn check_no_orders(dir: &DataDir) -> Result<(), IncompleteStore> {
    for part in (0..MAX_SHARDS).map(shard) {
        let Some(file) = dir.join(&part).filter(|file| file.exists()) else {
            continue;
        };
        let database = SqliteDatabase::open_read_only(&file).await?;
        let has_orders = has_orders(&database).await;
        database.close().await;
        if has_orders? {
            let state = format!("has lost its content ({part} still holds orders of customers)");
            return Err(incomplete(dir, MAIN, &state));
        }
    }
    Ok(())
}

async fn has_orders(shard: &SqliteDatabase) -> Result<bool, StoreError> {
    let has_table: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'orders')")
            .fetch_one(shard.readers())
            .await?;
    if !has_table {
        return Ok(false);
    }
    let has_orders = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM orders WHERE id > ?)")
        .bind(SAMPLE_ORDERS)
        .fetch_one(shard.readers())
        .await?;
    Ok(has_orders)
}

/// Checks that the files of a seeded store exist, before they are opened.
pub(super) fn check_files(dir: &DataDir, shards: usize) -> Result<(), IncompleteStore> {
    (0..shards)
        .map(shard)
        .try_for_each(|part| check_file(dir, &part))
}

/// Gives every database of a seeded store its identity, and writes the manifest.
///
/// Each shard must hold its sample orders: an empty one replaced a lost one. The main database gets
/// its identity first, so a shard with an identity that the main database lacks is foreign, except
/// when `is_new`: then this process has just seeded all of them.
pub(super) async fn complete(
    dir: &DataDir,
    main: &SqliteDatabase,
    shards: &[SqliteDatabase],
    is_new: bool,
) -> Result<(), IncompleteStore> {
    let known = Identity::read(main).await?;
    let store = known
        .as_ref()
        .map_or_else(Uuid::new_v4, |known| known.store);
    for (number, database) in shards.iter().enumerate() {
        let part = shard(number);
        if sample_orders(database).await? != expected_sample_orders(shards.len(), number) {
            return Err(incomplete(dir, &part, "has lost its content"));
        }
        let expected = Identity {
            store,
            part: part.clone(),
        };
        let found = Identity::read(database).await?.filter(|_| !is_new);
        if found.is_some_and(|found| found != expected) {
            return Err(incomplete(dir, &part, "belongs to another store"));
        }
    }
    let parts = [MAIN.to_owned()]
        .into_iter()
        .chain((0..shards.len()).map(shard));
    for (part, database) in parts.zip([main].into_iter().chain(shards)) {
        Identity { store, part }.write(database).await?;
    }
    let shards = shards.len();
    Manifest { store, shards }.write(dir)
}

async fn sample_orders(shard: &SqliteDatabase) -> Result<Vec<i64>, StoreError> {
    let ids = sqlx::query_scalar("SELECT id FROM orders WHERE id <= ? ORDER BY id")
        .bind(SAMPLE_ORDERS)
        .fetch_all(shard.readers())
        .await?;
    Ok(ids)
}

fn expected_sample_orders(shards: usize, number: usize) -> Vec<i64> {
    let map = ShardMap::even(shards);
    (1..=SAMPLE_ORDERS)
        .filter(|id| map.owner(bucket_of_order(*id)) == number)
        .collect()
}
