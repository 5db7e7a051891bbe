//! The published pages, in an object store.
//!
//! An object store can hang. So every read and write has a time limit, and a write locks its own
//! page only: a hanging write delays no change of another game.
//!
//! Left out: flushing each page to disk. After a power cut the manifest could exist without a page
//! that it lists. Also left out: a write that is carried out after
//! its time limit, and publishers in several processes. The lock that keeps a slow
//! publisher from overwriting a withdrawal exists in one process only. Across processes, the write
//! of a page would need to be conditional on the game's version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ch02_database::{GameId, StoreError};
use chrono::{DateTime, Utc};
use common::hash::fnv1a;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio::time::timeout;

use super::manifest::Manifest;

const FOLDER: &str = "games";

/// The time limit of reading a page. Then the clone renders it for this request.
pub const READ_TIMEOUT: Duration = Duration::from_millis(400);

/// The time limit of writing or deleting one object. A change of the same game waits for a page
/// that is being written, so it waits for at most twice this time.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many locks the pages share. Two games rarely have the same one.
const LOCKS: usize = 256;

/// The published pages: in a local folder, or in S3 behind a content delivery network.
#[derive(Clone)]
pub struct PageStore {
    objects: Arc<dyn ObjectStore>,
    /// Never locked while the object store works.
    manifest: Arc<Mutex<Manifest>>,
    /// A game's lock is held while the game is read and its page written, and while the page is
    /// withdrawn, so that the two cannot overlap. Requests for pages take no lock.
    locks: Arc<[AsyncMutex<()>]>,
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
    /// The object store hangs.
    #[error("the page store did not answer within {0:?}")]
    Timeout(Duration),
}

impl PageStore {
    /// The pages in `objects`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        PageStore {
            objects,
            manifest: Arc::default(),
            locks: (0..LOCKS).map(|_| AsyncMutex::default()).collect(),
        }
    }

    /// The published page of a game, or `None` if there is none.
    pub async fn game(&self, id: GameId) -> Result<Option<StoredPage>, PublishError> {
        let page = timeout(READ_TIMEOUT, self.read(id)).await;
        page.unwrap_or(Err(PublishError::Timeout(READ_TIMEOUT)))
    }

    async fn read(&self, id: GameId) -> Result<Option<StoredPage>, PublishError> {
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
        self.lock(id).await.withdraw().await
    }

    /// Waits for the exclusive right to write and withdraw the page of this game.
    pub(super) async fn lock(&self, id: GameId) -> PageWriter<'_> {
        let index = id.rem_euclid(LOCKS as GameId) as usize;
        PageWriter {
            pages: self,
            id,
            _guard: self.locks[index].lock().await,
        }
    }

    /// Removes every page that, by the saved manifest, was not rendered as `wanted` says. Returns
    /// how many. It lists the object store once and reads no page. No page may be written
    /// meanwhile.
    pub(super) async fn withdraw_stale(&self, wanted: &Manifest) -> Result<usize, PublishError> {
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
        self.manifest.lock().games = current;
        let deleted = self.objects.delete_stream(stream::iter(stale).boxed());
        deleted.try_for_each(async |_| Ok(())).await?;
        Ok(count)
    }

    /// Whether there is a page that was rendered from this version of the game.
    pub(super) fn has(&self, id: GameId, version: DateTime<Utc>) -> bool {
        self.manifest.lock().has(id, version)
    }

    /// Writes the manifest. It lists only pages that are written.
    pub(super) async fn save_manifest(&self, template: String) -> Result<(), PublishError> {
        let manifest = Manifest {
            template,
            games: self.manifest.lock().games.clone(),
        };
        let json = serde_json::to_vec(&manifest).expect("a manifest's keys are numbers");
        limited(self.objects.put(&manifest_path(), json.into())).await?;
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

/// The exclusive right to write and withdraw the page of one game.
pub(super) struct PageWriter<'a> {
    pages: &'a PageStore,
    id: GameId,
    _guard: MutexGuard<'a, ()>,
}

impl PageWriter<'_> {
    /// Writes the page, rendered from this version of the game.
    pub(super) async fn put(
        &self,
        version: DateTime<Utc>,
        html: String,
    ) -> Result<(), PublishError> {
        // Remove the entry first: after a failed write the content of the page is unknown.
        self.pages.manifest.lock().games.remove(&self.id);
        limited(self.pages.objects.put(&game_path(self.id), html.into())).await?;
        self.pages.manifest.lock().games.insert(self.id, version);
        Ok(())
    }

    /// Removes the page. The manifest on disk needs no update: its entry names an old version.
    pub(super) async fn withdraw(&self) -> Result<(), PublishError> {
        self.pages.manifest.lock().games.remove(&self.id);
        match limited(self.pages.objects.delete(&game_path(self.id))).await {
            Err(PublishError::Pages(object_store::Error::NotFound { .. })) => Ok(()),
            result => result,
        }
    }
}

/// Gives up after [`WRITE_TIMEOUT`].
async fn limited<T>(
    call: impl Future<Output = object_store::Result<T>>,
) -> Result<T, PublishError> {
    match timeout(WRITE_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(PublishError::Timeout(WRITE_TIMEOUT)),
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
