//! Pages rendered in advance, in an object store, and the *manifest* that says what each was rendered from.
//!
//! A page counts as current only if the manifest says that it was rendered from exactly the version its game has now, with the
//! template that the store has now. Versions are compared for equality and no clock is asked, so a crash between a commit
//! and the withdrawal of the page cannot make an old page look new. The manifest on disk may know too little (it is written
//! now and then, and after the pages it speaks of): the pages that it does not know are rendered again, which is cheap.
//!
//! Left out: a power cut. The folder is not flushed to the disk page by page, so the manifest could survive a page that did
//! not. And writers in several processes: the lock that keeps a slow publisher from putting an old page over a withdrawal is in
//! this process; across processes the page would need the game's version in a conditional write.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ch02_database::{GameId, StoreError};
use chrono::{DateTime, Utc};
use common::hash::fnv1a;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

/// The published pages, in an object store: a folder here, S3 or a CDN's origin elsewhere.
#[derive(Clone)]
pub struct PageStore {
    objects: Arc<dyn ObjectStore>,
    /// Held while a page is read from the catalogue and written, and while one is withdrawn, so the two cannot cross. It is one
    /// lock for all pages: a withdrawal waits for whatever page is being written, and writers wait for each other. Requests for
    /// pages do not take it.
    manifest: Arc<Mutex<Manifest>>,
}

/// A published page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// The HTML.
    pub html: Bytes,
    /// Identifies these bytes: a strong validator, without the quotes that HTTP puts around it.
    pub etag: String,
    /// When it was published.
    pub published_at: DateTime<Utc>,
}

/// What the published pages were rendered from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Identifies the template.
    pub template: String,
    /// Each game's version.
    pub games: BTreeMap<GameId, DateTime<Utc>>,
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
            manifest: Arc::default(),
        }
    }

    /// The published page of a game, if there is one.
    pub async fn game(&self, id: GameId) -> Result<Option<StoredPage>, PublishError> {
        let found = match self.objects.get(&game_path(id)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let published_at = found.meta.last_modified;
        let html = found.bytes().await?;
        Ok(Some(StoredPage {
            etag: fingerprint(&html),
            html,
            published_at,
        }))
    }

    /// Takes a game's page down. Call it after the change has been committed. When it returns, no request gets the old page.
    pub async fn withdraw(&self, id: GameId) -> Result<(), PublishError> {
        self.write().await.withdraw(id).await
    }

    /// Waits for the right to write and withdraw pages.
    pub(crate) async fn write(&self) -> Writer<'_> {
        Writer {
            objects: &*self.objects,
            manifest: self.manifest.lock().await,
        }
    }
}

/// The right to write and withdraw pages. There is one at a time.
pub(crate) struct Writer<'a> {
    objects: &'a dyn ObjectStore,
    manifest: MutexGuard<'a, Manifest>,
}

impl Writer<'_> {
    /// Writes a game's page, rendered from this version of it.
    pub(crate) async fn put(
        &mut self,
        id: GameId,
        version: DateTime<Utc>,
        html: String,
    ) -> Result<(), PublishError> {
        // Out of the manifest first: after a write that breaks off nobody knows what the page shows.
        self.manifest.games.remove(&id);
        self.objects.put(&game_path(id), html.into()).await?;
        self.manifest.games.insert(id, version);
        Ok(())
    }

    /// Takes a game's page down. The manifest on disk need not hear of it: its entry speaks of a version that is past.
    pub(crate) async fn withdraw(&mut self, id: GameId) -> Result<(), PublishError> {
        self.manifest.games.remove(&id);
        match self.objects.delete(&game_path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes down every page that was not rendered as `wanted` says, by the manifest that the last run left. Returns how many.
    /// One listing, no page is read.
    pub(crate) async fn withdraw_all_but(
        &mut self,
        wanted: &Manifest,
    ) -> Result<usize, PublishError> {
        let last_run = self.saved_manifest().await?;
        let template_is_the_same = last_run.template == wanted.template;
        let (mut current, mut stale) = (BTreeMap::new(), Vec::new());
        let mut listing = self.objects.list(Some(&Path::from(FOLDER)));
        while let Some(object) = listing.try_next().await? {
            let Some(id) = game_of(&object.location) else {
                continue;
            };
            match (wanted.games.get(&id), last_run.games.get(&id)) {
                (Some(wanted), Some(rendered)) if template_is_the_same && wanted == rendered => {
                    current.insert(id, *rendered);
                }
                _ => stale.push(Ok(object.location)),
            }
        }
        let count = stale.len();
        self.manifest.games = current;
        let deleted = self.objects.delete_stream(stream::iter(stale).boxed());
        deleted.try_for_each(async |_| Ok(())).await?;
        Ok(count)
    }

    /// Whether there is a page that was rendered from this version of the game.
    pub(crate) fn has(&self, id: GameId, version: DateTime<Utc>) -> bool {
        self.manifest.games.get(&id) == Some(&version)
    }

    /// Writes the manifest. Call it after the pages it speaks of, never before.
    pub(crate) async fn save_manifest(&mut self, template: String) -> Result<(), PublishError> {
        self.manifest.template = template;
        let json = serde_json::to_vec(&*self.manifest).expect("a manifest's keys are numbers");
        self.objects.put(&manifest_path(), json.into()).await?;
        Ok(())
    }

    async fn saved_manifest(&self) -> Result<Manifest, PublishError> {
        let bytes = match self.objects.get(&manifest_path()).await {
            Ok(object) => object.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(Manifest::default()),
            Err(error) => return Err(error.into()),
        };
        // An older version of the store may have written something else. An empty manifest is always safe.
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, "the manifest of the pages is unreadable; all pages will be rendered again");
            Manifest::default()
        }))
    }
}

/// FNV-1a over the bytes, in 16 hexadecimal digits.
///
/// Not the object store's own tag: that one differs from store to store (a count of writes in memory, the file's time and
/// size in a folder, with quotes or without) and changes when the same page is written again. Not the standard library's
/// hash: clones of two builds, side by side during an upgrade, must agree on a tag. Somebody could construct two texts with
/// the same hash, and would gain that visitors who had the one are not sent the other.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    format!("{:016x}", fnv1a(bytes))
}

const FOLDER: &str = "games";

fn game_path(id: GameId) -> Path {
    Path::from(format!("{FOLDER}/{id}.html"))
}

/// The game whose page this is.
fn game_of(path: &Path) -> Option<GameId> {
    path.filename()?.strip_suffix(".html")?.parse().ok()
}

fn manifest_path() -> Path {
    Path::from("published.json")
}
