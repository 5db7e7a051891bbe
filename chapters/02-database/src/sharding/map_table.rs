//! The table `shard_map` in the catalogue's primary: where every clone reads the map.

use sqlx::postgres::{PgExecutor, PgRow};
use sqlx::{Error, Row};

use super::bucket::Bucket;
use super::shard_map::{Owner, ShardMap};
use crate::model::StoreError;

/// Reads the map. `None` if the table is empty or missing: the store was never filled, or a version
/// without this table filled it.
pub async fn load_map(db: impl PgExecutor<'_>) -> Result<Option<ShardMap>, StoreError> {
    let query = sqlx::query("SELECT bucket, shard, epoch FROM shard_map ORDER BY bucket");
    let rows = match query.fetch_all(db).await {
        // 42P01: the table does not exist.
        Err(Error::Database(error)) if error.code().as_deref() == Some("42P01") => return Ok(None),
        rows => rows?,
    };
    if rows.is_empty() {
        return Ok(None);
    }
    let owners = rows.iter().map(owner_from_row).collect::<Result<_, _>>()?;
    let map = ShardMap::from_owners(owners).ok_or_else(|| {
        let found = rows.len();
        StoreError::Corrupt(format!("the table shard_map has {found} of 256 buckets"))
    })?;
    Ok(Some(map))
}

/// Writes the map of a new store.
pub(crate) async fn insert_map(db: impl PgExecutor<'_>, map: &ShardMap) -> Result<(), Error> {
    let owners = (0..super::BUCKETS).map(|bucket| map.entry(bucket));
    let (shards, epochs): (Vec<i32>, Vec<i64>) = owners
        .map(|owner| (owner.shard as i32, owner.epoch))
        .unzip();
    sqlx::query(
        "INSERT INTO shard_map (bucket, shard, epoch) \
         SELECT number - 1, shard, epoch \
         FROM unnest($1, $2) WITH ORDINALITY AS owners (shard, epoch, number)",
    )
    .bind(shards)
    .bind(epochs)
    .execute(db)
    .await
    .map(drop)
}

/// Names a new owner of a bucket: the last step of a move. The database refuses an epoch that is
/// not greater than the stored one.
pub async fn set_owner(db: impl PgExecutor<'_>, bucket: Bucket, owner: Owner) -> Result<(), Error> {
    sqlx::query("UPDATE shard_map SET shard = $2, epoch = $3 WHERE bucket = $1")
        .bind(i32::from(bucket))
        .bind(owner.shard as i32)
        .bind(owner.epoch)
        .execute(db)
        .await
        .map(drop)
}

fn owner_from_row(row: &PgRow) -> Result<Owner, Error> {
    Ok(Owner {
        shard: row.try_get::<i32, _>("shard")? as usize,
        epoch: row.try_get("epoch")?,
    })
}
