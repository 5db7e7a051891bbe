//! The contract: what every [`Cache`] must do. The tests of each implementation call
//! [`check_cache`], and [`check_oversized_value`] if the cache limits the size of a value.
//!
//! Each function panics at the first broken promise, and the message names the likely mistake. A
//! cache may forget at any time, but the contract expects that it does not. So the tests give each
//! cache much more memory than the contract uses. The tests of each
//! implementation show what happens while a server is down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::cache::Cache;

/// Longer than the contract runs, so that nothing expires.
const LONG_TTL: Duration = Duration::from_mins(5);

/// How long to poll for an expiry.
const DEADLINE: Duration = Duration::from_secs(20);

/// The ends of two keys with the same FNV-1a hash, after 250 times `x`. They show what a cache does
/// that hashes long keys. A computer finds such a pair in a few minutes.
const SAME_HASH: [&str; 2] = ["UYWWsHiwllJ", "huupk3l_HLD"];

/// Checks the whole contract. `one` and `other` are two handles of the same cache, as two clones of
/// the store have them. `unit` is the shortest time to live that the cache can count.
///
/// # Panics
/// At the first broken promise.
pub async fn check_cache(one: Arc<dyn Cache>, other: Arc<dyn Cache>, unit: Duration) {
    unknown_key_has_no_value(&*one).await;
    bytes_are_stored_unchanged(&*one).await;
    last_set_wins(&*one).await;
    deleted_value_is_gone(&*one).await;
    two_handles_share_values(&*one, &*other).await;
    keys_do_not_collide(&*one).await;
    entry_expires_after_its_ttl(&*one, unit).await;
    zero_ttl_stores_nothing(&*one).await;
    longest_ttl_is_accepted(&*one).await;
    concurrent_writers_do_not_mix_values(&one, &other).await;
}

async fn unknown_key_has_no_value(cache: &dyn Cache) {
    assert_eq!(
        get(cache, "never set").await,
        None,
        "a key that was never set has a value"
    );
}

async fn bytes_are_stored_unchanged(cache: &dyn Cache) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let values = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        // The bytes that end a value in the protocols of Memcached and Redis.
        Bytes::from_static(b"1\r\nEND\r\n$-1\r\n"),
        Bytes::from(every_byte.repeat(4)),
        Bytes::from(every_byte.repeat(1_024)),
    ];
    for (number, value) in values.into_iter().enumerate() {
        let key = format!("bytes-{number}");
        set(cache, &key, value.clone(), LONG_TTL).await;
        let found = get(cache, &key).await;
        let is_same = found.as_ref() == Some(&value);
        let (sent, received) = (value.len(), found.map(|found| found.len()));
        assert!(
            is_same,
            "stored {sent} bytes, but got {received:?} bytes or other content"
        );
    }
}

async fn last_set_wins(cache: &dyn Cache) {
    for value in ["the first", "2nd", "the third and longest"] {
        set(cache, "set thrice", value, LONG_TTL).await;
        assert_eq!(
            get(cache, "set thrice").await.as_deref(),
            Some(value.as_bytes())
        );
    }
}

async fn deleted_value_is_gone(cache: &dyn Cache) {
    set(cache, "deleted", "x", LONG_TTL).await;
    for time in ["first", "second"] {
        let deleted = cache.delete("deleted").await;
        assert!(
            deleted.is_ok(),
            "the {time} delete failed: deleting a missing value must not be an error"
        );
        assert_eq!(
            get(cache, "deleted").await,
            None,
            "the value is still there after the {time} delete"
        );
    }
}

async fn two_handles_share_values(one: &dyn Cache, other: &dyn Cache) {
    set(one, "shared", "1", LONG_TTL).await;
    assert_eq!(
        get(other, "shared").await.as_deref(),
        Some(&b"1"[..]),
        "one handle set a value, the other does not see it: has each handle its own map, or do they \
         use different nodes for the key?"
    );
    set(other, "shared", "2", LONG_TTL).await;
    assert_eq!(
        get(one, "shared").await.as_deref(),
        Some(&b"2"[..]),
        "the other handle still returns the old value"
    );
    other
        .delete("shared")
        .await
        .expect("the cache must be reachable");
    assert_eq!(
        get(one, "shared").await,
        None,
        "one handle deleted the value, the other still returns it"
    );
}

async fn keys_do_not_collide(cache: &dyn Cache) {
    let long = "x".repeat(250);
    let similar = [
        format!("{}1", "y".repeat(999)),
        format!("{}2", "y".repeat(999)),
    ];
    let same_hash = SAME_HASH.map(|end| format!("{long}{end}"));
    let keys = [
        String::new(),
        " ".to_owned(),
        "two words".to_owned(),
        "two  words".to_owned(),
        "line\r\nbreak".to_owned(),
        "nul\0".to_owned(),
        "product:7".to_owned(),
        "PRODUCT:7".to_owned(),
        "Größe".to_owned(),
        "棋".to_owned(),
        // The name of the empty key in a cache that hashes keys.
        "#cbf29ce484222325".to_owned(),
        "a b".repeat(70),
        long.clone(),
        format!("{long}x"),
        similar[0].clone(),
        similar[1].clone(),
        same_hash[0].clone(),
    ];
    for key in &keys {
        set(cache, key, format!("value of {key}"), LONG_TTL).await;
    }
    for key in &keys {
        let found = get(cache, key).await;
        let expected = format!("value of {key}");
        assert_eq!(
            found.as_deref(),
            Some(expected.as_bytes()),
            "the key {key:?} has the value of another key"
        );
    }
    let found = get(cache, &same_hash[1]).await;
    assert_eq!(
        found, None,
        "a key returned the value of another key with the same hash"
    );
    cache
        .delete(&similar[0])
        .await
        .expect("the cache must be reachable");
    assert_eq!(get(cache, &similar[0]).await, None);
    let other = get(cache, &similar[1]).await;
    assert!(other.is_some(), "a delete has deleted another key too");
}

async fn entry_expires_after_its_ttl(cache: &dyn Cache, unit: Duration) {
    set(cache, "short", "x", unit).await;
    set(cache, "shortest", "x", Duration::from_nanos(1)).await;
    set(cache, "shortened", "x", LONG_TTL).await;
    set(cache, "shortened", "x", unit).await;
    set(cache, "lengthened", "x", unit).await;
    set(cache, "lengthened", "x", LONG_TTL).await;
    let start = Instant::now();
    for key in ["short", "shortest", "shortened"] {
        while get(cache, key).await.is_some() {
            assert!(
                start.elapsed() < DEADLINE,
                "{key:?} must expire after {unit:?}: is it stored for ever?"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let kept = get(cache, "lengthened").await;
    assert!(
        kept.is_some(),
        "a new value must start a new time to live, but it expired with the old one"
    );
}

async fn zero_ttl_stores_nothing(cache: &dyn Cache) {
    set(cache, "zero", "old", LONG_TTL).await;
    set(cache, "zero", "new", Duration::ZERO).await;
    let found = get(cache, "zero").await;
    assert_eq!(
        found, None,
        "a TTL of zero must store nothing and delete the old value"
    );
}

async fn longest_ttl_is_accepted(cache: &dyn Cache) {
    // Memcached interprets more than 30 days as a date, here one in 1970.
    let days_31 = Duration::from_hours(31 * 24);
    for (key, ttl) in [("31 days", days_31), ("for ever", Duration::MAX)] {
        set(cache, key, "x", ttl).await;
        assert!(
            get(cache, key).await.is_some(),
            "a value with a TTL of {ttl:?} is missing"
        );
    }
}

/// Eight writers on each handle. Each writer has its own key, and all share one key.
async fn concurrent_writers_do_not_mix_values(one: &Arc<dyn Cache>, other: &Arc<dyn Cache>) {
    let mut writers = JoinSet::new();
    for number in 0..16_u8 {
        let cache = Arc::clone(if number % 2 == 0 { one } else { other });
        writers.spawn(async move {
            let (own_key, value) = (format!("writer-{number}"), Bytes::from(vec![number; 4_096]));
            for _ in 0..16 {
                set(&*cache, &own_key, value.clone(), LONG_TTL).await;
                set(&*cache, "all writers", value.clone(), LONG_TTL).await;
                let found = get(&*cache, &own_key).await;
                assert!(
                    found == Some(value.clone()),
                    "writer {number} got the value of another writer"
                );
                let shared = get(&*cache, "all writers")
                    .await
                    .expect("no writer deletes the shared key");
                let is_whole =
                    shared.len() == 4_096 && shared.iter().all(|byte| *byte == shared[0]);
                assert!(is_whole, "the value mixes the bytes of two writers");
            }
        });
    }
    writers.join_all().await;
}

/// For caches that limit the size of a value: a value that is too large must not leave the old
/// value behind. The cache may return an error, and it may keep the new value for a moment.
///
/// # Panics
/// If the cache returns the old value.
pub async fn check_oversized_value(cache: &dyn Cache, too_large: usize) {
    set(cache, "grown", "old", LONG_TTL).await;
    let new = Bytes::from(vec![b'x'; too_large]);
    let reply = cache.set("grown", new.clone(), LONG_TTL).await;
    let found = get(cache, "grown").await;
    assert!(
        found.is_none_or(|found| found == new),
        "the cache did not store the new value ({reply:?}) and still returns the old one"
    );
}

async fn get(cache: &dyn Cache, key: &str) -> Option<Bytes> {
    cache.get(key).await.expect("the cache must be reachable")
}

async fn set(cache: &dyn Cache, key: &str, value: impl Into<Bytes>, ttl: Duration) {
    let reply = cache.set(key, value.into(), ttl).await;
    reply.unwrap_or_else(|error| panic!("setting {key:?} for {ttl:?} failed: {error:?}"));
}
