//! The published pages, in an object store.
//!
//! Left out: flushing each page to disk. After a power cut the manifest could exist without a page
//! that it lists. Also left out: publishers in several processes. The lock that keeps a slow
//! publisher from overwriting a withdrawal exists in one process only. Across processes, the write
//! of a page would need to be conditional on the game's version.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ch02_database::{GameId, StoreError};
use chrono::{DateTime, Utc};
use common::hash::fnv1a;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::{Mutex, MutexGuard};

use super::manifest::Manifest;

const FOLDER: &str = "games";

/// The published pages: in a local folder, or in S3 behind a content delivery network.
#[derive(Clone)]
pub struct PageStore {
    objects: Arc<dyn ObjectStore>,
    /// Locked while a game is read and its page written, and while a page is withdrawn, so that the
    /// two cannot overlap. One lock serves all pages: a withdrawal waits for the page that is being
    /// written. Requests for pages do not take the lock.
    manifest: Arc<Mutex<Manifest>>,
}

/// A published page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// The HTML.
    pub html: Bytes,
    /// A strong validator of these bytes, without the quotes of an HTTP header.
    pub etag: String,
    /// The time of publication.
    pub published_at: DateTime<Utc>,
}

/// Why a page could not be published or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The catalogue could not be read.
    #[error("cannot read the game from the catalogue")]
    Catalog(#[from] StoreError),
    /// The object store is unavailable, full or not writable.
    #[error("cannot read or write the page store; is it reachable, and is there space left?")]
    Pages(#[from] object_store::Error),
}

impl PageStore {
    /// The pages in `objects`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        PageStore {
            objects,
            manifest: Arc::default(),
        }
    }

    /// The published page of a game, or `None` if there is none.
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

    /// Removes a game's page. Call it after the commit of the change. When it returns, no request
    /// gets the old page.
    pub async fn withdraw(&self, id: GameId) -> Result<(), PublishError> {
        self.lock().await.withdraw(id).await
    }

    /// Waits for the exclusive right to write and withdraw pages.
    pub(super) async fn lock(&self) -> PageWriter<'_> {
        PageWriter {
            objects: &*self.objects,
            manifest: self.manifest.lock().await,
        }
    }
}

/// The exclusive right to write and withdraw pages.
pub(super) struct PageWriter<'a> {
    objects: &'a dyn ObjectStore,
    manifest: MutexGuard<'a, Manifest>,
}

impl PageWriter<'_> {
    /// Writes a game's page, rendered from this version of the game.
    pub(super) async fn put(
        &mut self,
        id: GameId,
        version: DateTime<Utc>,
        html: String,
    ) -> Result<(), PublishError> {
        // Remove the entry first: after a failed write the content of the page is unknown.
        self.manifest.games.remove(&id);
        self.objects.put(&game_path(id), html.into()).await?;
        self.manifest.games.insert(id, version);
        Ok(())
    }

    /// Removes a game's page. The manifest on disk needs no update: its entry names an old version.
    pub(super) async fn withdraw(&mut self, id: GameId) -> Result<(), PublishError> {
        self.manifest.games.remove(&id);
        match self.objects.delete(&game_path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes every page that, by the saved manifest, was not rendered as `wanted` says. Returns
    /// how many. It lists the object store once and reads no page.
    pub(super) async fn withdraw_stale(
        &mut self,
        wanted: &Manifest,
    ) -> Result<usize, PublishError> {
        let saved = self.saved_manifest().await?;
        let template_is_current = saved.template == wanted.template;
        let (mut current, mut stale) = (BTreeMap::new(), Vec::new());
        let mut listing = self.objects.list(Some(&Path::from(FOLDER)));
        while let Some(object) = listing.try_next().await? {
            let Some(id) = game_id(&object.location) else {
                continue;
            };
            match wanted.games.get(&id) {
                Some(version) if template_is_current && saved.has(id, *version) => {
                    current.insert(id, *version);
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
    pub(super) fn has(&self, id: GameId, version: DateTime<Utc>) -> bool {
        self.manifest.has(id, version)
    }

    /// Writes the manifest. Call it after the pages that it lists are written, never before.
    pub(super) async fn save_manifest(&mut self, template: String) -> Result<(), PublishError> {
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
        // Another version of the store may have written another format. An empty manifest is safe.
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read the manifest of the pages; all pages are rendered again");
            Manifest::default()
        }))
    }
}

/// The FNV-1a hash of the bytes, as 16 hexadecimal digits.
///
/// The object store's own tag does not serve as an `ETag`: its format differs between stores, and
/// it changes when the same page is written again. The standard library's hash differs between
/// builds, but clones of two builds must agree during an upgrade. FNV-1a is not
/// collision-resistant: two crafted pages could share a tag, and browsers that have one would not
/// load the other.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    format!("{:016x}", fnv1a(bytes))
}

fn game_path(id: GameId) -> Path {
    Path::from(format!("{FOLDER}/{id}.html"))
}

/// The id of the game whose page has this path.
fn game_id(path: &Path) -> Option<GameId> {
    path.filename()?.strip_suffix(".html")?.parse().ok()
}

fn manifest_path() -> Path {
    Path::from("published.json")
}
