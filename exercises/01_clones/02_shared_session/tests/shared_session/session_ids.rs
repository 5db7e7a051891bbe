//! Rule 2: the id of a session.

use std::collections::BTreeSet;
use std::pin::pin;

use super::support::{MANY_COMMANDS, Store, runs_into, user_of};

// Rule 2.
#[tokio::test]
async fn session_ids_cannot_be_guessed() {
    let store = Store::open().await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        for clone in [&store.one, &store.other] {
            ids.push(clone.log_in("ada", None).await.unwrap());
        }
    }

    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(
        different.len(),
        ids.len(),
        "{} logins at two clones created only {} different ids: do both clones draw the same random \
         numbers?",
        ids.len(),
        different.len()
    );
    // A column has the characters that all ids have at one position. A column of 200 random
    // hexadecimal digits contains all 16 of them, which is 4 bits. A column that repeats another
    // one adds nothing, because an attacker who knows one knows both.
    let longest = ids.iter().map(|id| id.chars().count()).max().unwrap();
    let columns: BTreeSet<Vec<Option<char>>> = (0..longest)
        .map(|position| ids.iter().map(|id| id.chars().nth(position)).collect())
        .collect();
    let bits: f64 = columns
        .iter()
        .map(|column| {
            let different: BTreeSet<_> = column.iter().collect();
            f64::from(u32::try_from(different.len()).unwrap()).log2()
        })
        .sum();
    // The measured number varies by less than 2 bits.
    assert!(
        bits > 124.0,
        "an id should have 128 random bits, but in 200 ids such as {:?} and {:?} only {bits:.0} bits \
         vary: is every part of the id random, and long enough?",
        ids[0],
        ids[2]
    );
}

// Rule 2.
#[tokio::test]
async fn login_replaces_the_old_session_id() {
    let store = Store::open().await;
    let of_ada = store.one.log_in("ada", None).await.unwrap();
    let of_bob = store.one.log_in("bob", None).await.unwrap();
    for cookie_id in [&of_ada, &of_bob, "made-up-by-an-attacker"] {
        let after = store.other.log_in("ada", Some(cookie_id)).await.unwrap();
        assert_ne!(
            after, cookie_id,
            "the login kept the id of the cookie, and an attacker may know that id: does every login \
             create a new id?"
        );
        assert_eq!(
            user_of(&store.one, cookie_id).await,
            None,
            "after the login, the id from before it is still valid: is its session deleted, whoever \
             the user was?"
        );
        assert_eq!(
            user_of(&store.one, &after).await.as_deref(),
            Some("ada"),
            "the id that `log_in` returned should belong to ada"
        );
    }
}

// Rule 2. One command of the login fails, and the next one works again.
#[tokio::test]
async fn failed_command_keeps_no_old_session() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    for command in 1..=MANY_COMMANDS {
        let old = store.one.log_in("ada", None).await.unwrap();
        let mut pause = proxy.pause_before(command);
        let mut login = pin!(clone.log_in("ada", Some(&old)));
        if !runs_into(&mut login, &mut pause).await {
            return;
        }
        // This closes the connection, and the command is lost.
        drop(pause);
        if login.await.is_ok() {
            assert_eq!(
                user_of(&store.other, &old).await,
                None,
                "`log_in` returned Ok, but the old session is still valid, because command {command} \
                 failed: does `log_in` ignore that error?"
            );
        }
        // The clone needs a new connection for the next login.
        while clone.load("an-unknown-id").await.is_err() {}
    }
}
