//! The commands for a running store. Its addresses come from flags or from the environment.

pub mod inspect;
pub mod populate;
pub mod rebalance;

use anyhow::{Context, ensure};
use ch02_database::postgres::connect;
use clap::Args;
use sqlx::PgPool;

/// The servers of a store.
#[derive(Args)]
pub struct Addresses {
    /// The catalogue's primary; by default the environment's `DATABASE_URL`
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// The shards, separated by commas; by default the environment's `SHARD_URLS`
    #[arg(long, value_name = "URLS")]
    shard_urls: Option<String>,
}

impl Addresses {
    /// Pools for the primary and for the shards. `None` if no address is given.
    pub fn connect(&self) -> anyhow::Result<Option<(PgPool, Vec<PgPool>)>> {
        let given =
            |flag: &Option<String>, variable| flag.clone().or_else(|| std::env::var(variable).ok());
        let database = given(&self.database_url, "DATABASE_URL");
        let shards = given(&self.shard_urls, "SHARD_URLS");
        let (database, shards) = match (database, shards) {
            (None, None) => return Ok(None),
            (Some(database), Some(shards)) => (database, shards),
            (None, Some(_)) => {
                anyhow::bail!("the shards need DATABASE_URL or `--database-url` too")
            }
            (Some(_), None) => anyhow::bail!("the store needs SHARD_URLS or `--shard-urls` too"),
        };
        let urls: Vec<&str> = shards.split(',').map(str::trim).collect();
        ensure!(
            !urls.contains(&""),
            "an address of the shards is empty: {shards:?}"
        );
        let shards = urls.into_iter().map(connect).collect::<Result<_, _>>();
        let shards = shards.context("the addresses of the shards")?;
        let primary = connect(&database).context("the address of the database")?;
        Ok(Some((primary, shards)))
    }
}
