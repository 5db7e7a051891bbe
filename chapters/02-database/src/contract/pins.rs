//! The contract of [`PinStore`].

use crate::replication::pins::PinStore;
use crate::replication::{ConsistencyToken, Lsn};

/// How often two calls run at once.
const ROUNDS: u64 = 50;

/// What every store of pins must do. `pins` is empty.
pub async fn check_pins(pins: &dyn PinStore) {
    pin_is_found_and_released(pins).await;
    later_token_wins(pins).await;
    pin_stays_until_all_replicas_have_it(pins).await;
    release_deletes_no_newer_pin(pins).await;
}

async fn pin_is_found_and_released(pins: &dyn PinStore) {
    assert_eq!(pins.get("ada").await.unwrap(), None);
    pins.pin("ada", token(5)).await.unwrap();
    assert_eq!(pins.get("ada").await.unwrap(), Some(token(5)));
    assert_eq!(
        pins.get("bob").await.unwrap(),
        None,
        "the pin of one subject holds for another"
    );
    assert!(pins.release("ada", token(5)).await.unwrap());
    assert_eq!(
        pins.get("ada").await.unwrap(),
        None,
        "the pin is still there"
    );
    assert!(
        !pins.release("ada", token(5)).await.unwrap(),
        "there was no pin to release"
    );
}

/// Two writes of one user run at once, and the later one stores its token first.
async fn later_token_wins(pins: &dyn PinStore) {
    let later_epoch = ConsistencyToken::new(2, Lsn::from_bytes(1));
    for (first, second) in [(token(9), token(10)), (token(255), later_epoch)] {
        pins.pin("order", second).await.unwrap();
        pins.pin("order", first).await.unwrap();
        assert_eq!(
            pins.get("order").await.unwrap(),
            Some(second),
            "an older token has replaced a later one: does `pin` keep the larger?"
        );
    }
    // The later one begins, so its store comes first if the calls have several steps.
    for round in 1..=ROUNDS {
        let (low, high) = (token(1_000 + 2 * round), token(1_001 + 2 * round));
        let (one, other) = tokio::join!(biased; pins.pin("race", high), pins.pin("race", low));
        one.and(other).unwrap();
        assert_eq!(
            pins.get("race").await.unwrap(),
            Some(high),
            "two writes at once: is the comparison one step with the write?"
        );
    }
}

async fn pin_stays_until_all_replicas_have_it(pins: &dyn PinStore) {
    let pinned = token(100);
    pins.pin("eve", pinned).await.unwrap();
    for positions in [[token(99), token(99)], [token(99), token(100)]] {
        let released = pins.release_if_replayed("eve", pinned, &positions).await;
        assert!(
            !released.unwrap() && pins.get("eve").await.unwrap() == Some(pinned),
            "the pin is gone, but a replica is still behind it: {positions:?}"
        );
    }
    let positions = [token(101), token(100)];
    let released = pins.release_if_replayed("eve", pinned, &positions).await;
    assert!(released.unwrap(), "all replicas have the token");
    assert_eq!(pins.get("eve").await.unwrap(), None);
}

/// A request of the same user writes between the check of the replicas and the release.
async fn release_deletes_no_newer_pin(pins: &dyn PinStore) {
    pins.pin("newer", token(1)).await.unwrap();
    pins.pin("newer", token(2)).await.unwrap();
    pins.release("newer", token(1)).await.unwrap();
    assert_eq!(
        pins.get("newer").await.unwrap(),
        Some(token(2)),
        "the release of an old token has deleted a newer pin"
    );

    for round in 1..=ROUNDS {
        let (checked, newer) = (token(1_000 + 2 * round), token(1_001 + 2 * round));
        pins.pin("released", checked).await.unwrap();
        let (released, pinned) = tokio::join!(
            biased;
            pins.release("released", checked),
            pins.pin("released", newer)
        );
        pinned.unwrap();
        released.unwrap();
        assert_eq!(
            pins.get("released").await.unwrap(),
            Some(newer),
            "a release has deleted a pin that came after its comparison: is it one step?"
        );
    }
}

fn token(bytes: u64) -> ConsistencyToken {
    ConsistencyToken::new(1, Lsn::from_bytes(bytes))
}
