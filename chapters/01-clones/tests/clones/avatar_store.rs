//! The avatar store is unavailable, hangs, or contains foreign data.

use std::sync::Arc;
use std::time::Duration;

use ch01_clones::AvatarStore;
use ch01_clones::clone::avatar::{Avatar, AvatarError, MAX_AVATAR_BYTES};
use ch01_clones::clone::session::UserName;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStoreExt, path::Path};

use crate::avatars::{PNG, clone_with_ada, get, put};
use crate::support::{assert_problem, header};

#[tokio::test]
async fn invalid_stored_picture_is_a_503() {
    let objects = Arc::new(InMemory::new());
    let (clone, cookie) = clone_with_ada(Arc::clone(&objects) as _).await;
    let huge = [PNG, &vec![0; MAX_AVATAR_BYTES]].concat();
    for strange in [b"<script>alert(1)</script>".to_vec(), huge] {
        objects
            .put(&Path::from("avatars/ada"), strange.into())
            .await
            .unwrap();
        assert_problem(get(&clone, "ada").await, 503, "avatar store").await;
    }
    assert_eq!(put(&clone, &cookie, PNG).await.status(), 204);
    assert_eq!(
        get(&clone, "ada").await.status(),
        200,
        "a new upload replaces the foreign data"
    );
}

#[tokio::test]
async fn unwritable_folder_is_a_503_without_paths() {
    let folder = tempfile::tempdir().unwrap();
    let (clone, cookie) = clone_with_ada(Arc::new(
        LocalFileSystem::new_with_prefix(folder.path()).unwrap(),
    ))
    .await;
    // A file stands where the store needs a folder.
    std::fs::write(folder.path().join("avatars"), "").unwrap();
    let answer = put(&clone, &cookie, PNG).await;
    assert_eq!(header(&answer, "retry-after"), "1");
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("avatar store") && !text.contains("tmp"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn hanging_object_store_is_a_503() {
    let hour = Duration::from_hours(1);
    let hangs = ThrottleConfig {
        wait_get_per_call: hour,
        wait_put_per_call: hour,
        ..ThrottleConfig::default()
    };
    let avatars = AvatarStore::new(Arc::new(ThrottledStore::new(InMemory::new(), hangs)));
    let ada = UserName::parse("ada").unwrap();
    let picture = Avatar::new(PNG.into()).unwrap();

    let kept = avatars.put(&ada, &picture).await;
    assert!(matches!(kept, Err(AvatarError::TimedOut(_))), "{kept:?}");
    let found = avatars.get(&ada).await;
    assert!(matches!(found, Err(AvatarError::TimedOut(_))), "{found:?}");
}
