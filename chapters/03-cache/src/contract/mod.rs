//! What every [`Cache`] has to keep, as code: each implementation's tests call [`holds`] and
//! [`a_value_too_large_drops_the_old_one`].
//!
//! A contract on paper is read once; this one is run against every store, so that a reader of
//! [`ProductCache`](crate::ProductCache) never has to ask which cache is behind it. It panics at
//! the first promise that is not kept and says which one.
//!
//! A cache may forget at any time, and yet most of this expects that it does not: the tests give
//! each cache far more room than the contract uses. Left out: what happens while a server is away;
//! the tests of each store show it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::cache::Cache;

/// Long enough that nothing expires while the contract is checked.
const LONG: Duration = Duration::from_mins(5);

/// How long to wait for something that must happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// How two keys end that have one FNV-1a hash and begin with 250 times `x`, so that a store that
/// hashes long keys shows what it does about it. A computer finds such a pair in a few minutes.
const ONE_HASH: [&str; 2] = ["UYWWsHiwllJ", "huupk3l_HLD"];

/// The whole contract. `one` and `other` are two handles of the same cache, as two clones of the
/// store would have them; `unit` is the shortest time to live that the cache can count.
pub async fn check_cache(one: Arc<dyn Cache>, other: Arc<dyn Cache>, unit: Duration) {
    what_was_never_set_is_not_there(&*one).await;
    bytes_come_back_as_they_were(&*one).await;
    the_last_set_counts(&*one).await;
    what_is_deleted_is_gone(&*one).await;
    two_handles_see_the_same(&*one, &*other).await;
    every_key_is_a_key_of_its_own(&*one).await;
    an_entry_ends_with_its_time_to_live(&*one, unit).await;
    a_time_to_live_of_zero_keeps_nothing(&*one).await;
    the_longest_time_to_live_is_no_error(&*one).await;
    writers_do_not_get_in_each_others_way(&one, &other).await;
}

async fn what_was_never_set_is_not_there(cache: &dyn Cache) {
    assert_eq!(
        get(cache, "never set").await,
        None,
        "a value came from nowhere"
    );
}

async fn bytes_come_back_as_they_were(cache: &dyn Cache) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let values = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        // What ends a value in Memcached's protocol, and in Redis's.
        Bytes::from_static(b"1\r\nEND\r\n$-1\r\n"),
        Bytes::from(every_byte.repeat(4)),
        Bytes::from(every_byte.repeat(1_024)),
    ];
    for (number, value) in values.into_iter().enumerate() {
        let key = format!("bytes-{number}");
        set(cache, &key, value.clone(), LONG).await;
        let found = get(cache, &key).await;
        let same = found.as_ref() == Some(&value);
        let (sent, came) = (value.len(), found.map(|found| found.len()));
        assert!(
            same,
            "{sent} bytes went in, and something else came out ({came:?} bytes)"
        );
    }
}

async fn the_last_set_counts(cache: &dyn Cache) {
    for value in ["the first", "2nd", "the third and longest"] {
        set(cache, "set thrice", value, LONG).await;
        assert_eq!(
            get(cache, "set thrice").await.as_deref(),
            Some(value.as_bytes())
        );
    }
}

async fn what_is_deleted_is_gone(cache: &dyn Cache) {
    set(cache, "deleted", "x", LONG).await;
    for time in ["first", "second"] {
        let deleted = cache.delete("deleted").await;
        assert!(
            deleted.is_ok(),
            "the {time} delete failed: that there is nothing is no error"
        );
        assert_eq!(
            get(cache, "deleted").await,
            None,
            "it is still there after the {time} delete"
        );
    }
}

async fn two_handles_see_the_same(one: &dyn Cache, other: &dyn Cache) {
    set(one, "shared", "1", LONG).await;
    assert_eq!(
        get(other, "shared").await.as_deref(),
        Some(&b"1"[..]),
        "what one handle set, the other does not see: has each a map of its own, or another idea of which node holds the key?"
    );
    set(other, "shared", "2", LONG).await;
    assert_eq!(
        get(one, "shared").await.as_deref(),
        Some(&b"2"[..]),
        "an old value"
    );
    other
        .delete("shared")
        .await
        .expect("the cache can be reached");
    assert_eq!(
        get(one, "shared").await,
        None,
        "one handle deleted it, the other still has it"
    );
}

async fn every_key_is_a_key_of_its_own(cache: &dyn Cache) {
    let long = "x".repeat(250);
    let almost_the_same = [
        format!("{}1", "y".repeat(999)),
        format!("{}2", "y".repeat(999)),
    ];
    let twins = ONE_HASH.map(|end| format!("{long}{end}"));
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
        // What the empty key is called where keys are hashed.
        "#cbf29ce484222325".to_owned(),
        "a b".repeat(70),
        long.clone(),
        format!("{long}x"),
        almost_the_same[0].clone(),
        almost_the_same[1].clone(),
        twins[0].clone(),
    ];
    for key in &keys {
        set(cache, key, format!("value of {key}"), LONG).await;
    }
    for key in &keys {
        let found = get(cache, key).await;
        let expected = format!("value of {key}");
        assert_eq!(
            found.as_deref(),
            Some(expected.as_bytes()),
            "under the key {key:?}"
        );
    }
    let found = get(cache, &twins[1]).await;
    assert_eq!(
        found, None,
        "another key with the same hash has given its value"
    );
    cache
        .delete(&almost_the_same[0])
        .await
        .expect("the cache can be reached");
    assert_eq!(get(cache, &almost_the_same[0]).await, None);
    let other = get(cache, &almost_the_same[1]).await;
    assert!(other.is_some(), "a delete took another key along");
}

async fn an_entry_ends_with_its_time_to_live(cache: &dyn Cache, unit: Duration) {
    set(cache, "short", "x", unit).await;
    set(cache, "shortest", "x", Duration::from_nanos(1)).await;
    set(cache, "shortened", "x", LONG).await;
    set(cache, "shortened", "x", unit).await;
    set(cache, "lengthened", "x", unit).await;
    set(cache, "lengthened", "x", LONG).await;
    let begin = Instant::now();
    for key in ["short", "shortest", "shortened"] {
        while get(cache, key).await.is_some() {
            assert!(
                begin.elapsed() < DEADLINE,
                "{key:?} should have ended after {unit:?}: is it kept for ever?"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let kept = get(cache, "lengthened").await;
    assert!(
        kept.is_some(),
        "a new value must begin a new time to live, and this one ended with the old one's"
    );
}

async fn a_time_to_live_of_zero_keeps_nothing(cache: &dyn Cache) {
    set(cache, "zero", "old", LONG).await;
    set(cache, "zero", "new", Duration::ZERO).await;
    let found = get(cache, "zero").await;
    assert_eq!(found, None, "kept for ever, or did the old value stay?");
}

async fn the_longest_time_to_live_is_no_error(cache: &dyn Cache) {
    // Memcached reads more than 30 days as a date, which in this case is long past.
    let days_31 = Duration::from_hours(31 * 24);
    for (key, ttl) in [("31 days", days_31), ("for ever", Duration::MAX)] {
        set(cache, key, "x", ttl).await;
        assert!(
            get(cache, key).await.is_some(),
            "a time to live of {ttl:?} keeps nothing"
        );
    }
}

/// Eight writers on each handle: each has a key of its own, and all have one in common.
async fn writers_do_not_get_in_each_others_way(one: &Arc<dyn Cache>, other: &Arc<dyn Cache>) {
    let mut writers = JoinSet::new();
    for number in 0..16_u8 {
        let cache = Arc::clone(if number % 2 == 0 { one } else { other });
        writers.spawn(async move {
            let (mine, value) = (format!("writer-{number}"), Bytes::from(vec![number; 4_096]));
            for _ in 0..16 {
                set(&*cache, &mine, value.clone(), LONG).await;
                set(&*cache, "all writers", value.clone(), LONG).await;
                let found = get(&*cache, &mine).await;
                assert!(
                    found == Some(value.clone()),
                    "writer {number} got another one's value"
                );
                let common = get(&*cache, "all writers")
                    .await
                    .expect("nobody deletes it");
                let whole = common.len() == 4_096 && common.iter().all(|byte| *byte == common[0]);
                assert!(whole, "a mixture of what two writers wrote");
            }
        });
    }
    writers.join_all().await;
}

/// For caches that keep no values over some size: one that is not kept must not leave the old value
/// behind. To say so with an error is allowed, and so is to keep it for a moment.
pub async fn check_oversized_value(cache: &dyn Cache, too_large: usize) {
    set(cache, "grown", "old", LONG).await;
    let new = Bytes::from(vec![b'x'; too_large]);
    let answer = cache.set("grown", new.clone(), LONG).await;
    let found = get(cache, "grown").await;
    assert!(
        found.is_none_or(|found| found == new),
        "the new value was not kept ({answer:?}), and the cache goes on serving the old one"
    );
}

async fn get(cache: &dyn Cache, key: &str) -> Option<Bytes> {
    cache.get(key).await.expect("the cache can be reached")
}

async fn set(cache: &dyn Cache, key: &str, value: impl Into<Bytes>, ttl: Duration) {
    let answer = cache.set(key, value.into(), ttl).await;
    answer.unwrap_or_else(|error| panic!("setting {key:?} for {ttl:?} failed: {error:?}"));
}
