//! A file of the data directory is lost, empty or foreign: the store does not start, and says why.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ch02_database::model::NewOrder;
use ch02_database::seed::SeedRequest;
use ch05_full::services::embedded::EmbeddedStorage;
use ch05_full::services::{DataDir, Services};

const SMALL: SeedRequest = SeedRequest {
    games: Some(60),
    seed: None,
    shards: None,
};

async fn open(path: &Path) -> Result<EmbeddedStorage, String> {
    let dir = DataDir::Folder(path.to_owned());
    let opened = EmbeddedStorage::open(&dir, SMALL, |_, _| ()).await;
    opened.map_err(|error| error.to_string())
}

/// Creates a store with one order of each of these customers.
async fn create_store(path: &Path) {
    let storage = Arc::new(open(path).await.unwrap());
    let (services, _) = Services::embedded(&storage).await.unwrap();
    for customer in ["ada", "bob", "cleo", "dan", "eve", "fay"] {
        let order = NewOrder {
            customer: customer.to_owned(),
            game_id: 7,
            quantity: 1,
            unit_price_cents: 1_000,
            idempotency_key: "key".to_owned(),
            payment_reference: None,
        };
        services.orders.place(&order).await.unwrap();
    }
    storage.close().await;
}

/// Asserts that the store does not start, names the file, and changes nothing.
async fn assert_refused(path: &Path, file: &str) {
    let before = names(path);
    let error = open(path).await.err().unwrap_or_else(|| {
        panic!("the store started without the content of {file}: absence is not newness")
    });
    assert!(
        error.contains(file),
        "the message must name {file}: {error}"
    );
    assert!(error.contains("from a backup"), "{error}");
    assert_eq!(names(path), before, "a refused start must create no file");
}

fn names(path: &Path) -> Vec<(String, u64)> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        // Reading a database may create its write-ahead log.
        .filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name != "lock" && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .map(|entry| {
            let length = entry.metadata().unwrap().len();
            (entry.file_name().into_string().unwrap(), length)
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn lost_or_empty_file_is_not_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let (path, backup) = (temp.path().join("store"), temp.path().join("backup"));
    create_store(&path).await;
    for file in ["store.db", "shard-0.db", "shard-3.db"] {
        let at = path.join(file);
        fs::rename(&at, &backup).unwrap();
        assert_refused(&path, file).await;
        fs::write(&at, "").unwrap();
        assert_refused(&path, file).await;
        fs::rename(&backup, &at).unwrap();
    }
    open(&path).await.unwrap().close().await;
}

#[tokio::test]
async fn lost_folder_of_pictures_is_not_replaced() {
    let temp = tempfile::tempdir().unwrap();
    create_store(temp.path()).await;
    fs::remove_dir_all(temp.path().join("uploads")).unwrap();
    assert_refused(temp.path(), "uploads").await;
}

#[tokio::test]
async fn file_of_another_store_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (path, other) = (temp.path().join("store"), temp.path().join("other"));
    create_store(&path).await;
    create_store(&other).await;
    let kept = temp.path().join("kept");
    for (file, replacement) in [
        ("store.db", other.join("store.db")),
        ("shard-1.db", other.join("shard-1.db")),
        ("shard-1.db", path.join("shard-2.db")),
    ] {
        let at = path.join(file);
        fs::rename(&at, &kept).unwrap();
        fs::copy(&replacement, &at).unwrap();
        assert_refused(&path, file).await;
        fs::rename(&kept, &at).unwrap();
    }
    open(&path).await.unwrap().close().await;
}

/// A former version of the program wrote no manifest.
fn forget_manifest(path: &Path) {
    // Absent on the former version, so its absence is no error here.
    let _ = fs::remove_file(path.join("store.json"));
}

#[tokio::test]
async fn complete_store_without_manifest_is_adopted() {
    let temp = tempfile::tempdir().unwrap();
    create_store(temp.path()).await;
    forget_manifest(temp.path());
    open(temp.path()).await.unwrap().close().await;

    fs::remove_file(temp.path().join("shard-0.db")).unwrap();
    assert_refused(temp.path(), "shard-0.db").await;
}

#[tokio::test]
async fn incomplete_store_without_manifest_is_refused() {
    for file in ["store.db", "shard-2.db"] {
        let temp = tempfile::tempdir().unwrap();
        create_store(temp.path()).await;
        forget_manifest(temp.path());
        fs::remove_file(temp.path().join(file)).unwrap();
        let error = open(temp.path()).await.err();
        let error = error.unwrap_or_else(|| panic!("the store started without {file}"));
        assert!(error.contains(file), "{error}");
    }
}
