//! The publisher writes each game's page into the [`PageStore`] before anybody asks for it.
//!
//! A page rendered in advance is the same for everybody and costs a request no query and no template. The price is the old
//! one: it must be taken down when what it shows has changed. A writer therefore *withdraws* the page (after its commit, as
//! with a cache), requests fall back to rendering on demand, and the publisher puts a fresh one in its place.
//!
//! Left out: a catalogue whose replicas lag for longer than its writes wait for them. A publisher that reads from such a replica renders the
//! game as it was, and puts that page where the old one was withdrawn. And writers in other processes: for the moment until the
//! publisher has looked again, a page may be there that shows the past.

use std::future::Future;
use std::sync::Arc;

use ch02_database::catalog::GameVersion;
use ch02_database::model::Product;
use ch02_database::seed::generator::Generator;
use ch02_database::{Catalog, GameId};
use tokio::sync::mpsc;

use crate::page_store::{Manifest, PageStore, PublishError, fingerprint};
use crate::pages::{self, Visitor};

/// Renders pages and puts them into a [`PageStore`].
pub struct Publisher {
    catalog: Arc<dyn Catalog>,
    pages: PageStore,
}

/// What became of the pages that were missing.
#[derive(Debug, Default)]
pub struct Published {
    /// How many pages were published.
    pub pages: usize,
    /// The games whose pages were not, and why. They are rendered on demand.
    pub failed: Vec<(GameId, PublishError)>,
}

impl Publisher {
    /// A publisher of the catalogue's games.
    pub fn new(catalog: Arc<dyn Catalog>, pages: PageStore) -> Self {
        Publisher { catalog, pages }
    }

    /// Takes down every page that the last run left behind and that does not show its game as it is now. Returns how many.
    ///
    /// Call it before the first request is served and before [`Publisher::run`]: it makes up for a crash between a commit
    /// and the withdrawal of the page. After an orderly stop there is nothing to do. If it fails, old pages may still be there.
    pub async fn withdraw_stale(&self) -> Result<usize, PublishError> {
        let mut pages = self.pages.write().await;
        let versions = self.catalog.versions().await?.value;
        let wanted = Manifest {
            template: template(),
            games: versions
                .into_iter()
                .map(|game| (game.id, game.updated_at))
                .collect(),
        };
        pages.withdraw_all_but(&wanted).await
    }

    /// Publishes whatever is missing, then every game that `changed` names, until `shutdown` resolves or `changed` ends.
    pub async fn run(
        self,
        changed: mpsc::Receiver<GameId>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        tokio::select! {
            // A page that is dropped half-way is not in the manifest, so the next start takes it down.
            () = shutdown => {}
            () = self.publish_for_ever(changed) => {}
        }
        self.save_manifest().await;
    }

    async fn publish_for_ever(&self, mut changed: mpsc::Receiver<GameId>) {
        match self.publish_missing().await {
            Ok(Published { pages, failed }) => {
                tracing::info!(pages, "pages rendered in advance");
                if let Some((game, error)) = failed.first() {
                    tracing::error!(failed = failed.len(), game, %error, "some pages are rendered on demand; the first of them");
                }
            }
            Err(error) => {
                tracing::error!(%error, "what is missing cannot be found out; it is rendered on demand")
            }
        }
        while let Some(id) = changed.recv().await {
            // Until it is published again the page is rendered on demand, so a failure here costs time and nothing else.
            if let Err(error) = self.publish(id).await {
                tracing::warn!(game = id, %error, "the page was not published");
            }
        }
    }

    // ANCHOR: publish
    /// Renders one game's page and publishes it. A game that does not exist has no page.
    pub async fn publish(&self, id: GameId) -> Result<(), PublishError> {
        // The right to write comes before the reading, or a withdrawal could slip in between.
        let mut pages = self.pages.write().await;
        let Some(product) = self.catalog.product(id).await?.value else {
            return Ok(());
        };
        let rendered_from = product.game.updated_at;
        pages.put(id, rendered_from, render(&product)).await?;
        // That right is this process's own. A writer in another one may have changed the game after we read it, and have
        // withdrawn the page before we put it there. Its event is on its way, and brings the page back as it should be.
        let now = self.catalog.game(id).await?.value;
        if now.is_none_or(|game| game.updated_at != rendered_from) {
            pages.withdraw(id).await?;
        }
        Ok(())
    }
    // ANCHOR_END: publish

    /// Publishes the page of every game that has none of its present version. A page that cannot be published is left out.
    pub async fn publish_missing(&self) -> Result<Published, PublishError> {
        let mut published = Published::default();
        for GameVersion { id, updated_at } in self.catalog.versions().await?.value {
            if self.pages.write().await.has(id, updated_at) {
                continue;
            }
            match self.publish(id).await {
                Ok(()) => published.pages += 1,
                Err(error) => published.failed.push((id, error)),
            }
        }
        self.save_manifest().await;
        Ok(published)
    }

    /// Without it the next start renders more pages than it must, and that is all.
    async fn save_manifest(&self) {
        if let Err(error) = self.pages.write().await.save_manifest(template()).await {
            tracing::warn!(%error, "the manifest of the pages was not written");
        }
    }
}

fn render(product: &Product) -> String {
    pages::game_page(product, Visitor::Unknown, Some("rendered in advance"), None).into_string()
}

/// Identifies the template by the page of one fixed game. When the template changes, so does this, and all pages are made anew.
fn template() -> String {
    fingerprint(render(&Generator::new(0).product(1)).as_bytes())
}
