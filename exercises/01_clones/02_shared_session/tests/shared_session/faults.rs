//! Rules 4 and 5: Redis fails, or another clone is faster.

use std::pin::pin;
use std::time::{Duration, Instant};

use testbed::{Fault, FaultProxy};

use super::RedisSessions;
use super::support::{MANY_COMMANDS, Store, runs_into, user_of};

// Rule 4.
#[tokio::test]
async fn redis_outage_is_an_error_not_a_logout() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    // A third clone connects through a proxy that can cut its connection to Redis.
    let proxy = FaultProxy::before(store.database.address()).await.unwrap();
    let clone = RedisSessions::new(&store.database.url_through(proxy.address())).unwrap();
    assert_eq!(
        user_of(&clone, &id).await.as_deref(),
        Some("ada"),
        "the third clone should find the session while Redis is up"
    );

    proxy.inject(Fault::Refuse);
    let loaded = clone.load(&id).await;
    assert!(
        loaded.is_err(),
        "Redis is down, so `load` should return an error, but it returns {loaded:?}: what happens to \
         the error of Redis?"
    );
    for cookie_id in [None, Some("an-unknown-id")] {
        let login = clone.log_in("bob", cookie_id).await;
        assert!(
            login.is_err(),
            "Redis is down, but `log_in` returns {login:?}: which clone can find that session?"
        );
    }
    let logout = clone.log_out(&id).await;
    assert!(
        logout.is_err(),
        "Redis is down, but `log_out` returns Ok: is the session deleted?"
    );

    proxy.heal();
    let deadline = Instant::now() + Duration::from_secs(20);
    let user = loop {
        match clone.load(&id).await {
            Ok(user) => break user,
            Err(error) => assert!(
                Instant::now() < deadline,
                "Redis has been up again for 20 s, but `load` still fails: {error}"
            ),
        }
    };
    assert_eq!(user.as_deref(), Some("ada"), "ada never logged out");
}

// Rule 5. Another clone logs out before each command of a `load`.
#[tokio::test]
async fn logout_during_a_load_is_final() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    for command in 1..=MANY_COMMANDS {
        let id = store.one.log_in("ada", None).await.unwrap();
        let mut pause = proxy.pause_before(command);
        let mut load = pin!(clone.load(&id));
        if !runs_into(&mut load, &mut pause).await {
            return;
        }
        store.other.log_out(&id).await.unwrap();
        pause.resume();
        load.await.unwrap();
        assert_eq!(
            user_of(&store.one, &id).await,
            None,
            "ada logged out before command {command} of a `load` at another clone, and after that \
             `load` she is logged in again: does `load` write the session back?"
        );
    }
}
