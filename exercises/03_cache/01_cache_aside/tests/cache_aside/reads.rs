//! Rules 1, 2 and 6: what is read and cached, and for how long.

use std::pin::pin;
use std::sync::atomic::Ordering;

use super::TTL;
use super::support::{FREE_GAME, GAME, MANY_COMMANDS, NEW, NO_GAME, OLD, Store};

// Rules 1 and 2.
#[tokio::test]
async fn cached_price_needs_no_query() {
    let store = Store::open().await;
    for (game, cents) in [(GAME, OLD), (FREE_GAME, 0)] {
        let before = store.queries();
        for clone in [&store.one, &store.one, &store.other] {
            let price = clone.price(game).await.unwrap();
            assert_eq!(
                price,
                Some(cents),
                "game {game} costs {cents}, but `price` returned {price:?}: does each game have a key \
                 of its own?"
            );
        }
        let queries = store.queries() - before;
        assert_eq!(
            queries, 1,
            "three reads of a price of {cents} should make 1 query, but made {queries}: is the price \
             stored in Redis?"
        );
    }
}

// Rule 2.
#[tokio::test]
async fn cache_entries_expire() {
    let store = Store::open().await;
    store.one.price(GAME).await.unwrap();
    let keys = store.keys().await;
    assert!(
        !keys.is_empty(),
        "after a miss there should be a key in Redis, but there is none: does it expire at once?"
    );
    let most = TTL.as_secs().cast_signed();
    for key in &keys {
        let seconds = store.seconds_left(key).await;
        assert_ne!(
            seconds, -1,
            "{key:?} never expires, so a wrong price would stay in the cache forever: what deletes it?"
        );
        assert!(
            (1..=most).contains(&seconds),
            "{key:?} expires in {seconds} s, but should expire in {most} s at most: in which unit is \
             the time to live?"
        );
        let shorten = redis::cmd("EXPIRE").arg(key).arg(most / 2).to_owned();
        store.redis::<()>(&shorten).await;
    }
    store.other.price(GAME).await.unwrap();
    for key in &keys {
        let seconds = store.seconds_left(key).await;
        assert!(
            seconds <= most / 2,
            "a hit renewed the time to live of {key:?}, so a wrong price that is read often stays in \
             the cache forever: does a hit change the key?"
        );
    }
}

// Rule 2. The clone crashes before each of its commands.
#[tokio::test]
async fn crash_leaves_no_price_for_ever() {
    for command in 1..=MANY_COMMANDS {
        let store = Store::open().await;
        let (clone, proxy) = store.clone_behind_proxy().await;
        let mut pause = proxy.pause_before(command);
        let mut read = pin!(clone.price(GAME));
        tokio::select! {
            biased;
            _ = &mut read => return,
            () = pause.reached() => {}
        }
        drop((pause, proxy));
        // The result does not matter, because the clone has crashed.
        let _ = read.await;
        for key in store.keys().await {
            assert_ne!(
                store.seconds_left(&key).await,
                -1,
                "the clone crashed before command {command} of a read, and now {key:?} never \
                 expires: does one command set the price and its time to live?"
            );
        }
    }
}

// Rule 6.
#[tokio::test]
async fn missing_games_are_not_cached() {
    let store = Store::open().await;
    for _ in 0..2 {
        let price = store.one.price(NO_GAME).await.unwrap();
        assert_eq!(price, None, "there is no game {NO_GAME}");
    }
    let keys = store.keys().await;
    assert!(
        keys.is_empty(),
        "there is no game {NO_GAME}, but now Redis has {keys:?}: what happens if a client tries all \
         numbers?"
    );
}

// Rule 6.
#[tokio::test]
async fn database_errors_are_returned() {
    let store = Store::open().await;
    store.database.is_down.store(true, Ordering::SeqCst);
    assert!(
        store.one.price(GAME).await.is_err(),
        "the database is down and the cache is empty, but `price` returned no error: where \
         does the database's error go?"
    );
    assert!(
        store.one.set_price(GAME, NEW).await.is_err(),
        "the database is down, but `set_price` returned no error: where does it go?"
    );
    store.database.is_down.store(false, Ordering::SeqCst);
    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(OLD),
        "the database works again and has the price {OLD}: was something cached while it was down?"
    );
}
