//! What a store was filled with, written into the store: a later start with other numbers gets a clear answer instead of a strange
//! mixture.

use std::collections::HashMap;

use sqlx::postgres::PgConnection;
use sqlx::{Error, Row};

use super::seed::SeedError;
use crate::StoreError;

/// What a store is to be filled with. What is `None` is as it was filled, or the default for a new store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// How many games; 10,000 by default.
    pub games: Option<u32>,
    /// The generator's seed; 42 by default.
    pub seed: Option<u64>,
}

/// What a store was filled with. The number of shards is part of it, since orders lie where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// How many games.
    pub games: u32,
    /// The generator's seed.
    pub seed: u64,
    /// How many shards.
    pub shards: usize,
}

impl Recipe {
    /// What the store was filled with, if its seeding was ever finished.
    pub(super) async fn read(db: &mut PgConnection) -> Result<Option<Recipe>, SeedError> {
        let rows = sqlx::query("SELECT key, value FROM meta")
            .fetch_all(db)
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let meta: HashMap<String, String> = rows
            .iter()
            .map(|row| (row.get("key"), row.get("value")))
            .collect();
        let number = |key: &str| {
            let value = meta.get(key).and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| {
                StoreError::Corrupt(format!("no number for {key:?} in the table meta"))
            })
        };
        Ok(Some(Recipe {
            games: number("games")? as u32,
            seed: number("seed")?,
            shards: number("shards")? as usize,
        }))
    }

    pub(super) async fn write(self, db: &mut PgConnection) -> Result<(), Error> {
        for (key, value) in [
            ("games", u64::from(self.games)),
            ("seed", self.seed),
            ("shards", self.shards as u64),
        ] {
            sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2)")
                .bind(key)
                .bind(value.to_string())
                .execute(&mut *db)
                .await?;
        }
        Ok(())
    }

    /// A number that was given must agree with the store.
    pub(super) fn compare(self, asked: Sizes, shards: usize) -> Result<(), SeedError> {
        let flags = [
            ("games", u64::from(self.games), asked.games.map(u64::from)),
            ("seed", self.seed, asked.seed),
            ("shards", self.shards as u64, Some(shards as u64)),
        ];
        for (flag, stored, asked) in flags {
            if let Some(asked) = asked.filter(|asked| *asked != stored) {
                return Err(SeedError::OtherSize {
                    flag,
                    stored,
                    asked,
                });
            }
        }
        Ok(())
    }
}
