//! The commands for a running store. Its addresses come from flags or from the environment.

pub mod inspect;
pub mod populate;
pub mod rebalance;

use std::env::VarError;

use anyhow::{Context, bail, ensure};
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
        let database = given(self.database_url.as_ref(), "DATABASE_URL")?;
        let shards = given(self.shard_urls.as_ref(), "SHARD_URLS")?;
        let (database, shards) = match (database, shards) {
            (None, None) => return Ok(None),
            (Some(database), Some(shards)) => (database, shards),
            (None, Some(_)) => {
                bail!("the shards need DATABASE_URL or `--database-url` too")
            }
            (Some(_), None) => bail!("the store needs SHARD_URLS or `--shard-urls` too"),
        };
        let urls: Vec<&str> = shards.split(',').map(str::trim).collect();
        // The message shows no address, because an address may contain a password.
        ensure!(
            !urls.contains(&""),
            "one of the {} addresses of the shards is empty; put one comma between two addresses",
            urls.len()
        );
        let shards = urls.into_iter().map(connect).collect::<Result<_, _>>();
        let shards = shards.context("the addresses of the shards")?;
        let primary = connect(&database).context("the address of the database")?;
        Ok(Some((primary, shards)))
    }
}

/// The value of a flag, or of the environment's variable.
fn given(flag: Option<&String>, variable: &str) -> anyhow::Result<Option<String>> {
    match (flag, std::env::var(variable)) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Ok(value)) => Ok(Some(value)),
        (None, Err(VarError::NotPresent)) => Ok(None),
        (None, Err(VarError::NotUnicode(_))) => {
            bail!("{variable} is not valid UTF-8; set it again, with special characters as %XX")
        }
    }
}
