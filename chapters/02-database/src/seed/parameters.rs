//! The numbers that a store was filled with. They are stored in the table `meta`, so that a later
//! start with other numbers gets a clear error instead of mixed data.

use std::collections::HashMap;

use super::generator::DEFAULT_SEED;
use crate::model::StoreError;

/// What a process asks for. `None` accepts the stored number, or the default in a new store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedRequest {
    /// The number of games; 10,000 by default.
    pub games: Option<u32>,
    /// The generator's seed; 42 by default.
    pub seed: Option<u64>,
    /// The number of shards that hold the orders; 4 by default.
    pub shards: Option<usize>,
}

/// What a store was filled with. The number of shards belongs to it, because it decides which
/// shard holds an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedParameters {
    /// The number of games.
    pub games: u32,
    /// The generator's seed.
    pub seed: u64,
    /// The number of shards.
    pub shards: usize,
}

/// The store was filled with another number than the process asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store was made with --{flag} {stored}, and you asked for --{flag} {requested}")]
pub struct SeedMismatch {
    /// The command-line flag, without its hyphens.
    pub flag: &'static str,
    /// The number of the store.
    pub stored: u64,
    /// The number that the process asks for.
    pub requested: u64,
}

/// Checks that every requested number is the stored one.
pub fn check_seed_parameters(
    stored: SeedParameters,
    request: SeedRequest,
) -> Result<(), SeedMismatch> {
    let numbers = [
        (stored.games.into(), request.games.map(u64::from)),
        (stored.seed, request.seed),
        (
            stored.shards as u64,
            request.shards.map(|shards| shards as u64),
        ),
    ];
    for (flag, (stored, requested)) in KEYS.into_iter().zip(numbers) {
        if let Some(requested) = requested.filter(|requested| *requested != stored) {
            return Err(SeedMismatch {
                flag,
                stored,
                requested,
            });
        }
    }
    Ok(())
}

/// The keys in the table `meta`, and the names of the command-line flags.
const KEYS: [&str; 3] = ["games", "seed", "shards"];

impl SeedParameters {
    /// The parameters of a new store: the requested numbers, or the defaults.
    pub fn for_new_store(request: SeedRequest) -> Self {
        SeedParameters {
            games: request.games.unwrap_or(10_000),
            seed: request.seed.unwrap_or(DEFAULT_SEED),
            shards: request.shards.unwrap_or(4),
        }
    }

    /// The rows for the table `meta`: a key and a decimal number.
    pub fn to_rows(self) -> [(&'static str, String); 3] {
        let [games, seed, shards] = KEYS;
        [
            (games, self.games.to_string()),
            (seed, self.seed.to_string()),
            (shards, self.shards.to_string()),
        ]
    }

    /// Reads the rows of the table `meta`. `None` if the table is empty: the seeding never ended.
    ///
    /// [`StoreError::Corrupt`] if a number is missing.
    pub fn from_rows(rows: &HashMap<String, String>) -> Result<Option<Self>, StoreError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let number = |key: &str| {
            let value = rows.get(key).and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| {
                StoreError::Corrupt(format!("the table meta has no number for the key {key:?}"))
            })
        };
        let [games, seed, shards] = KEYS;
        Ok(Some(SeedParameters {
            games: number(games)? as u32,
            seed: number(seed)?,
            shards: number(shards)? as usize,
        }))
    }
}
