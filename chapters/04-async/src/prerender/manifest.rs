//! The *manifest*: which version of its game each published page shows.
//!
//! A page is current only if the manifest says that it was rendered from the game's present
//! version with the present template. Versions are compared for equality, without a clock. So a
//! crash between a commit and the withdrawal of the page cannot make an old page look new.
//!
//! The manifest on disk is written after the pages, and only from time to time. Pages that it does
//! not list are rendered again, which is cheap.

use std::collections::BTreeMap;

use ch02_database::GameId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// From what each published page was rendered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The fingerprint of the template.
    pub(super) template: String,
    /// The version of each game.
    pub(super) games: BTreeMap<GameId, DateTime<Utc>>,
}

impl Manifest {
    /// Whether the page of a game was rendered from this version of the game.
    pub(super) fn has(&self, id: GameId, version: DateTime<Utc>) -> bool {
        self.games.get(&id) == Some(&version)
    }
}
