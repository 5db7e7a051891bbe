//! Pages rendered in advance: the publisher writes each game's page into an object store before anybody asks for it.
//!
//! A page rendered in advance is the same for everybody and costs a request no query and no template. The price is the old
//! one: it must be taken down when what it shows has changed. A writer therefore *withdraws* the page (after its commit, as
//! with a cache), requests fall back to rendering on demand, and the publisher puts a fresh one in its place.
//!
//! Left out: publishers in several processes. The lock that keeps a slow publisher from putting an old page over a withdrawal
//! is in this process; across processes the page would need the game's version in a conditional write.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use ch02_database::catalog::GameVersion;
use ch02_database::game::Product;
use ch02_database::generator::Generator;
use ch02_database::{Catalog, GameId, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::{Mutex, mpsc};

use crate::pages::{self, Visitor};

/// The published pages, in an object store: a folder here, S3 or a CDN's origin elsewhere.
#[derive(Clone)]
pub struct PageStore {
    objects: Arc<dyn ObjectStore>,
    /// Held while a page is read from the catalogue and written, and while one is withdrawn, so the two cannot cross.
    writing: Arc<Mutex<()>>,
}

/// A published page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// The HTML.
    pub html: Bytes,
    /// Changes when the page does, without the quotes that HTTP puts around it.
    pub etag: String,
    /// When it was published.
    pub published_at: DateTime<Utc>,
}

/// Why a page could not be published or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The catalogue could not be read.
    #[error("the game cannot be read")]
    Catalog(#[from] StoreError),
    /// The object store is away, full or not writable.
    #[error("the page store does not answer as it should")]
    Pages(#[from] object_store::Error),
}

impl PageStore {
    /// Pages kept in `objects`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        PageStore {
            objects,
            writing: Arc::default(),
        }
    }

    /// The published page of a game, if there is one.
    pub async fn game(&self, id: GameId) -> Result<Option<StoredPage>, PublishError> {
        let found = match self.objects.get(&game_path(id)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let etag = found.meta.e_tag.clone().unwrap_or_default();
        let published_at = found.meta.last_modified;
        Ok(Some(StoredPage {
            html: found.bytes().await?,
            etag,
            published_at,
        }))
    }

    /// Takes a game's page down. Call it after the change has been committed. When it returns, no request gets the old page.
    pub async fn withdraw(&self, id: GameId) -> Result<(), PublishError> {
        let _no_publisher_meanwhile = self.writing.lock().await;
        match self.objects.delete(&game_path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Renders pages and puts them into a [`PageStore`].
pub struct Publisher {
    catalog: Arc<dyn Catalog>,
    pages: PageStore,
}

impl Publisher {
    /// A publisher of the catalogue's games.
    pub fn new(catalog: Arc<dyn Catalog>, pages: PageStore) -> Self {
        Publisher { catalog, pages }
    }

    /// Publishes whatever is missing or out of date, then every game that `changed` names, until `shutdown` resolves.
    pub async fn run(self, mut changed: mpsc::Receiver<GameId>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => return,
            outcome = self.publish_stale() => match outcome {
                Ok(0) => tracing::info!("every page is up to date"),
                Ok(pages) => tracing::info!(pages, "pages rendered in advance"),
                Err(error) => tracing::error!(%error, "not all pages could be published; they are rendered on demand"),
            },
        }
        loop {
            let id = tokio::select! {
                () = &mut shutdown => return,
                next = changed.recv() => match next {
                    Some(id) => id,
                    None => return,
                },
            };
            // Until it is published again the page is rendered on demand, so a failure here costs time and nothing else.
            if let Err(error) = self.publish(id).await {
                tracing::warn!(game = id, %error, "the page was not published");
            }
        }
    }

    /// Renders one game's page and publishes it. A game that does not exist has no page.
    pub async fn publish(&self, id: GameId) -> Result<(), PublishError> {
        let _no_withdrawal_meanwhile = self.pages.writing.lock().await;
        if let Some(product) = self.catalog.product(id).await?.value {
            self.pages.objects.put(&game_path(id), render(&product).into()).await?;
        }
        Ok(())
    }

    /// Publishes every page that is missing, older than its game, or made by another version of the template. Returns how
    /// many. This is what makes up for a crash between a commit and the withdrawal of the page.
    pub async fn publish_stale(&self) -> Result<usize, PublishError> {
        let template = fingerprint();
        let stored = match self.pages.objects.get(&template_path()).await {
            Ok(object) => Some(object.bytes().await?),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let published = if stored.as_deref() == Some(template.as_bytes()) {
            self.published().await?
        } else {
            Vec::new()
        };
        let mut count = 0;
        for GameVersion { id, updated_at } in self.catalog.versions().await?.value {
            let current = published
                .binary_search_by_key(&id, |page| page.0)
                // A millisecond's doubt goes against the page, for the clocks behind the two times are not equally fine.
                .is_ok_and(|index| published[index].1 > updated_at + TimeDelta::milliseconds(1));
            if !current {
                self.publish(id).await?;
                count += 1;
            }
        }
        // Written last: a publisher that is stopped half-way begins again.
        self.pages.objects.put(&template_path(), template.into()).await?;
        Ok(count)
    }

    /// The ids of all published pages with the time of their publication, by id.
    async fn published(&self) -> Result<Vec<(GameId, DateTime<Utc>)>, PublishError> {
        let mut pages: Vec<(GameId, DateTime<Utc>)> = self
            .pages
            .objects
            .list(Some(&Path::from("games")))
            .try_filter_map(async |object| {
                let id = object.location.filename().and_then(|name| name.strip_suffix(".html"));
                Ok(id.and_then(|id| id.parse().ok()).map(|id| (id, object.last_modified)))
            })
            .try_collect()
            .await?;
        pages.sort_unstable_by_key(|page| page.0);
        Ok(pages)
    }
}

fn render(product: &Product) -> String {
    pages::game_page(product, Visitor::Unknown, Some("rendered in advance"), None).into_string()
}

/// Identifies the template: the page of one fixed game. When the template changes, so does this, and all pages are made anew.
fn fingerprint() -> String {
    render(&Generator::new(0).product(1))
}

fn game_path(id: GameId) -> Path {
    Path::from(format!("games/{id}.html"))
}

fn template_path() -> Path {
    Path::from("template.html")
}
