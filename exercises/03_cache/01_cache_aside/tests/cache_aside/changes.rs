//! Rules 3 and 4: changes of a price.

use std::pin::pin;

use super::support::{FREE_GAME, GAME, NEW, NEWEST, OLD, Store};

// Rule 3.
#[tokio::test]
async fn all_clones_see_a_new_price() {
    let store = Store::open().await;
    store.other.price(GAME).await.unwrap();

    store.one.set_price(GAME, NEW).await.unwrap();

    for clone in [&store.one, &store.other] {
        let price = clone.price(GAME).await.unwrap();
        assert_eq!(
            price,
            Some(NEW),
            "`set_price` has returned, but a clone still returns the old price: is the key deleted \
             from the cache?"
        );
    }
}

// Rule 3.
#[tokio::test]
async fn change_keeps_the_prices_of_other_games() {
    let store = Store::open().await;
    store.one.price(FREE_GAME).await.unwrap();
    let before = store.queries();
    store.one.set_price(GAME, NEW).await.unwrap();
    store.one.price(FREE_GAME).await.unwrap();
    assert_eq!(
        store.queries(),
        before,
        "the price of one game changed, and now the price of another game needs a query: what does \
         `set_price` delete?"
    );
}

// Rule 3.
#[tokio::test]
async fn change_waits_for_the_delete() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    store.one.price(GAME).await.unwrap();
    // The proxy holds the first command, so Redis has done nothing yet.
    let mut pause = proxy.pause_before(1);
    let mut change = pin!(clone.set_price(GAME, NEW));
    tokio::select! {
        biased;
        _ = &mut change => panic!(
            "`set_price` returned before Redis had deleted the old price, and a reader can still \
             see it: does `set_price` wait for the reply of Redis?"
        ),
        () = pause.reached() => pause.resume(),
    }
    change.await.unwrap();
    assert_eq!(store.one.price(GAME).await.unwrap(), Some(NEW));
}

// Rule 3.
#[tokio::test]
async fn reader_during_a_change_caches_no_old_price() {
    let store = Store::open().await;
    let clone = store.other.clone();
    let reader = async move { assert_eq!(clone.price(GAME).await.unwrap(), Some(OLD)) };
    *store.database.before_commit.lock().unwrap() = Some(Box::pin(reader));

    store.one.set_price(GAME, NEW).await.unwrap();

    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(NEW),
        "a reader came before the database had the new price, and cached the old price: is the key \
         deleted too early?"
    );
}

// Rule 4. Another change comes right after the commit, or after a query of `set_price`.
#[tokio::test]
async fn concurrent_changes_leave_the_last_price() {
    for is_after_query in [false, true] {
        let store = Store::open().await;
        store.one.price(GAME).await.unwrap();
        let clone = store.other.clone();
        let newer_change = async move { clone.set_price(GAME, NEWEST).await.unwrap() };
        let interruption = if is_after_query {
            &store.database.after_query
        } else {
            &store.database.after_commit
        };
        *interruption.lock().unwrap() = Some(Box::pin(newer_change));

        store.one.set_price(GAME, NEW).await.unwrap();
        // A change without a query is not interrupted there.
        interruption.lock().unwrap().take();

        let price = store.one.price(GAME).await.unwrap();
        let in_database = store.database.prices.lock().unwrap().get(&GAME).copied();
        assert_eq!(
            price, in_database,
            "the database has the newest price, but the cache has the price of the slower writer: \
             does `set_price` store a price?"
        );
    }
}
