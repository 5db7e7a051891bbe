//! The page publisher writes each game's page into the [`PageStore`] before a client requests it.
//!
//! A pre-rendered page costs a request no query and no template, but must be removed when its
//! content changes. The writer *withdraws* the page after its commit, as it invalidates a cache
//! entry. Then requests are rendered on demand until the publisher writes the new page.
//!
//! A replica may be late. So the event of a change ([`ChangedGame`]) carries the token of its
//! write, and the publisher reads the game at least at that position. What must be current is read
//! from the primary: the versions at the start, and the comparison after a page is written.
//!
//! # What a reader with a token gets
//!
//! All clones share the pages. The writer withdraws the page before its answer, so its user finds
//! the new version on every clone. There is one gap: a publisher in another process may write an
//! old page after that, until its comparison withdraws the page a moment later. A clone therefore
//! serves no published page to a request that carries a token in its header.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ch02_database::catalog::GameVersion;
use ch02_database::model::Product;
use ch02_database::seed::generator::Generator;
use ch02_database::{Catalog, Consistency, ConsistencyToken, GameId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::manifest::Manifest;
use super::page_store::{PageStore, PublishError, fingerprint};
use super::pages::{self, Viewer};

/// How long the publisher waits before it tries a page again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The event "this game has changed", as its writer sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedGame {
    /// The game.
    pub id: GameId,
    /// The position of the write. `None` in a database without replicas.
    pub token: Option<ConsistencyToken>,
}

/// Renders pages and puts them into a [`PageStore`].
pub struct PagePublisher {
    catalog: Arc<dyn Catalog>,
    pages: PageStore,
}

/// The outcome of [`PagePublisher::publish_missing`].
#[derive(Debug, Default)]
pub struct PublishSummary {
    /// How many pages were published.
    pub published: usize,
    /// The games without a page, and the errors. Their pages are rendered on demand.
    pub failed: Vec<(GameId, PublishError)>,
}

impl PagePublisher {
    /// A publisher of the catalogue's games.
    pub fn new(catalog: Arc<dyn Catalog>, pages: PageStore) -> Self {
        PagePublisher { catalog, pages }
    }

    /// Removes every page of an earlier run that does not show its game's present version. Returns
    /// how many.
    ///
    /// Call it before the first request is served and before [`PagePublisher::run`]: after a crash
    /// between a commit and the withdrawal, an old page is still there. After an error, too.
    pub async fn withdraw_stale(&self) -> Result<usize, PublishError> {
        let versions = self.catalog.versions(Consistency::Primary).await?.value;
        let games = versions.into_iter();
        let wanted = Manifest {
            template: template_fingerprint(),
            games: games.map(|game| (game.id, game.updated_at)).collect(),
        };
        self.pages.withdraw_stale(&wanted).await
    }

    /// Publishes all missing pages, then every game that `changed` names, until `shutdown` resolves
    /// or `changed` ends.
    pub async fn run(
        self,
        changed: mpsc::Receiver<ChangedGame>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        tokio::select! {
            // A half-written page is not in the manifest, so the next start removes it.
            () = shutdown => {}
            () = self.publish_changes(changed) => {}
        }
        self.save_manifest().await;
    }

    async fn publish_changes(&self, mut changed: mpsc::Receiver<ChangedGame>) {
        match self.publish_missing().await {
            Ok(PublishSummary { published, failed }) => {
                tracing::info!(published, "pre-rendered the missing pages");
                if let Some((game, error)) = failed.first() {
                    let failed = failed.len();
                    tracing::error!(failed, game, %error, "some pages are rendered on demand; the first error");
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot list the games; missing pages are rendered on demand");
            }
        }
        // After an error the old page may still be there, so it is published again later.
        let mut failed = BTreeSet::new();
        loop {
            let ChangedGame { id, token } = tokio::select! {
                biased;
                game = changed.recv() => match game {
                    Some(game) => game,
                    None => return,
                },
                () = tokio::time::sleep(RETRY_DELAY), if !failed.is_empty() => {
                    let id = failed.pop_first().expect("it is not empty");
                    ChangedGame { id, token: None }
                }
            };
            if let Err(error) = self.publish(id, at_least(token)).await {
                tracing::warn!(game = id, %error, "cannot publish a page; it is tried again");
                failed.insert(id);
            } else {
                failed.remove(&id);
            }
        }
    }

    // ANCHOR: publish
    /// Renders one game's page and publishes it. A game that does not exist has no page.
    pub async fn publish(&self, id: GameId, consistency: Consistency) -> Result<(), PublishError> {
        // Lock before reading. Otherwise a withdrawal could happen between reading and writing.
        let page = self.pages.lock(id).await;
        let Some(product) = self.catalog.product(id, consistency).await?.value else {
            return Ok(());
        };
        let rendered_from = product.game.updated_at;
        page.put(rendered_from, render(&product)).await?;
        // The lock exists in this process only. Another process may have changed the game after we
        // read it, and withdrawn the page before we wrote it. So read the game once more, from the
        // primary, because a late replica would return the same old version. The event of that
        // change makes us publish the page again.
        let now = self.catalog.game(id, Consistency::Primary).await?.value;
        if now.is_none_or(|game| game.updated_at != rendered_from) {
            page.withdraw().await?;
        }
        Ok(())
    }
    // ANCHOR_END: publish

    /// Publishes the page of every game whose present version has none. An error does not stop it.
    pub async fn publish_missing(&self) -> Result<PublishSummary, PublishError> {
        let mut summary = PublishSummary::default();
        let versions = self.catalog.versions(Consistency::Primary).await?;
        let consistency = at_least(versions.token);
        for GameVersion { id, updated_at } in versions.value {
            if self.pages.has(id, updated_at) {
                continue;
            }
            match self.publish(id, consistency).await {
                Ok(()) => summary.published += 1,
                Err(error) => summary.failed.push((id, error)),
            }
        }
        self.save_manifest().await;
        Ok(summary)
    }

    /// After an error the next start renders more pages than necessary.
    async fn save_manifest(&self) {
        if let Err(error) = self.pages.save_manifest(template_fingerprint()).await {
            tracing::warn!(%error, "cannot save the manifest of the pages");
        }
    }
}

/// A read that shows everything up to `token`. Without a token the primary answers.
fn at_least(token: Option<ConsistencyToken>) -> Consistency {
    token.map_or(Consistency::Primary, Consistency::AtLeast)
}

fn render(product: &Product) -> String {
    pages::game_page(product, Viewer::Anyone, Some("pre-rendered"), None).into_string()
}

/// Identifies the template by the page of one fixed game. When the template changes, the
/// fingerprint changes too, and all pages are rendered again.
fn template_fingerprint() -> String {
    fingerprint(render(&Generator::new(0).product(1)).as_bytes())
}
