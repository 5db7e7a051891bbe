//! Contracts: tests that every implementation of an interface must pass.
//!
//! If a store in memory and one in Redis both pass, a handler can use either. The functions panic
//! like assertions, and the message names the likely mistake.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;

use crate::clone::session::{SESSION_TTL, Session, SessionId, SessionStore, UserName};

/// The contract of [`SessionStore`]. `handle` opens another handle to the same store, like another
/// clone does.
///
/// ```
/// use std::sync::Arc;
/// use ch01_clones::{MemorySessions, SessionStore, contract};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::new());
/// contract::session_store(|| Arc::clone(&store)).await;
/// # }
/// ```
pub async fn session_store(handle: impl Fn() -> Arc<dyn SessionStore>) {
    every_clone_finds_a_session(&handle).await;
    unknown_id_has_no_session(&handle).await;
    deleted_session_is_gone_on_every_clone(&handle).await;
    expired_session_is_not_found(&handle).await;
    concurrent_sessions_have_different_ids(&handle).await;
    end_all_ends_sessions_of_one_user(&handle).await;
    end_all_skips_expired_sessions(&handle).await;
    end_all_ends_a_hundred_sessions(&handle).await;
    concurrent_login_can_be_ended_later(&handle).await;
}

async fn every_clone_finds_a_session(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let session = session_of("ada");
    let id = create(&*handle(), &session).await;
    assert_eq!(
        load(&*handle(), &id).await,
        Some(session),
        "another clone does not find the session: does the store keep it in the process?"
    );
}

async fn unknown_id_has_no_session(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    assert_eq!(load(&*handle(), &SessionId::random()).await, None);
}

async fn deleted_session_is_gone_on_every_clone(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let (one, other) = (handle(), handle());
    let gone = create(&*one, &session_of("ada")).await;
    let stays = create(&*one, &session_of("ada")).await;
    // A store that caches loaded sessions would fail below.
    assert!(load(&*other, &gone).await.is_some());

    delete(&*one, &gone).await;

    for clone in [&one, &other] {
        assert_eq!(
            load(&**clone, &gone).await,
            None,
            "a logout must be valid on every clone: does a handle cache loaded sessions?"
        );
        assert!(
            load(&**clone, &stays).await.is_some(),
            "`delete` must not delete other sessions of the user"
        );
    }
    delete(&*other, &gone).await;
    delete(&*other, &SessionId::random()).await;
}

async fn expired_session_is_not_found(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let ends_in = |minutes| Session {
        created_at: Utc::now() - SESSION_TTL + TimeDelta::minutes(minutes),
        ..session_of("ada")
    };
    let young = create(&*handle(), &ends_in(1)).await;
    let expired = create(&*handle(), &ends_in(0)).await;
    let long_ago = create(&*handle(), &ends_in(-60)).await;

    assert!(
        load(&*handle(), &young).await.is_some(),
        "this session is valid for one more minute"
    );
    for id in [expired, long_ago] {
        assert_eq!(
            load(&*handle(), &id).await,
            None,
            "an expired session was loaded: does `load` call `is_expired`?"
        );
    }
}

async fn concurrent_sessions_have_different_ids(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let clones = [handle(), handle()];
    let sessions: Vec<Session> = (0..40).map(|n| session_of(&format!("user-{n}"))).collect();
    let creating = (0..).zip(&sessions).map(|(n, session): (usize, _)| {
        let clone = Arc::clone(&clones[n % clones.len()]);
        async move { create(&*clone, session).await }
    });
    let ids = join_all(creating).await;

    let different: HashSet<&SessionId> = ids.iter().collect();
    assert_eq!(
        different.len(),
        ids.len(),
        "two sessions have the same id, so one user is logged in as another"
    );
    let loading = ids.iter().map(|id| load(&*clones[0], id));
    for (loaded, session) in join_all(loading).await.into_iter().zip(sessions) {
        assert_eq!(
            loaded,
            Some(session),
            "the store returned the session of another id"
        );
    }
}

async fn end_all_ends_sessions_of_one_user(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let (one, other) = (handle(), handle());
    let phone = create(&*one, &session_of("a_a")).await;
    let laptop = create(&*other, &session_of("a_a")).await;
    // Names that match `a_a` as a pattern or as a prefix.
    let mut others = Vec::new();
    for user in ["aba", "a_a-1", "a_", "b"] {
        others.push(create(&*one, &session_of(user)).await);
    }
    // A store that caches loaded sessions would fail below.
    assert!(load(&*other, &phone).await.is_some());

    end_all(&*one, "a_a").await;

    let later = create(&*other, &session_of("a_a")).await;
    for clone in [&one, &other] {
        for id in [&phone, &laptop] {
            assert_eq!(
                load(&**clone, id).await,
                None,
                "a session of the user is still valid: does the index contain the sessions of every clone?"
            );
        }
        for id in others.iter().chain([&later]) {
            assert!(
                load(&**clone, id).await.is_some(),
                "`end_all` ended the session of another user, or a later one"
            );
        }
    }
    end_all(&*other, "a_a").await;
    end_all(&*other, "a_a").await;
    assert_eq!(
        load(&*one, &later).await,
        None,
        "a second `end_all` must work, too"
    );
    end_all(&*one, "unknown").await;
}

async fn end_all_skips_expired_sessions(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let (one, other) = (handle(), handle());
    let expired = Session {
        created_at: Utc::now() - SESSION_TTL - TimeDelta::minutes(1),
        ..session_of("ada")
    };
    let over = create(&*one, &expired).await;
    let live = create(&*other, &session_of("ada")).await;
    let logged_out = create(&*one, &session_of("ada")).await;
    delete(&*one, &logged_out).await;
    create(&*one, &expired).await;

    end_all(&*other, "ada").await;

    for id in [over, live, logged_out] {
        assert_eq!(
            load(&*one, &id).await,
            None,
            "a session is still valid: does an expired session stop `end_all`?"
        );
    }
}

async fn end_all_ends_a_hundred_sessions(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let (one, other) = (handle(), handle());
    let session = session_of("ada");
    let ids = join_all((0..100).map(|_| create(&*one, &session))).await;

    end_all(&*other, "ada").await;

    let left = join_all(ids.iter().map(|id| load(&*one, id))).await;
    let left = left.iter().flatten().count();
    assert_eq!(
        left, 0,
        "{left} of 100 sessions are left: does `end_all` read only one page?"
    );
}

async fn concurrent_login_can_be_ended_later(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let clones = [handle(), handle(), handle()];
    let session = session_of("ada");
    for _ in 0..20 {
        let before = create(&*clones[0], &session).await;
        let logging_in = join_all((0..6).map(|n| create(&*clones[n % 3], &session)));
        let ((), during, ()) = futures_util::join!(
            end_all(&*clones[1], "ada"),
            logging_in,
            end_all(&*clones[2], "ada")
        );
        assert_eq!(load(&*clones[0], &before).await, None);
        for id in &during {
            let first = load(&*clones[0], id).await;
            for clone in &clones {
                assert_eq!(
                    load(&**clone, id).await,
                    first,
                    "the clones disagree whether the session is valid"
                );
            }
        }

        end_all(&*clones[0], "ada").await;

        for id in &during {
            assert_eq!(
                load(&*clones[1], id).await,
                None,
                "`end_all` cannot find the session: does `create` store session and index in one step?"
            );
        }
    }
}

fn session_of(user: &str) -> Session {
    Session::new(&user_name(user))
}

fn user_name(user: &str) -> UserName {
    UserName::parse(user).expect("the names in this file are valid")
}

async fn create(store: &dyn SessionStore, session: &Session) -> SessionId {
    store
        .create(session)
        .await
        .expect("an available store creates sessions")
}

async fn load(store: &dyn SessionStore, id: &SessionId) -> Option<Session> {
    store
        .load(id)
        .await
        .expect("an available store loads sessions")
}

async fn delete(store: &dyn SessionStore, id: &SessionId) {
    store
        .delete(id)
        .await
        .expect("deleting an unknown session is no error");
}

async fn end_all(store: &dyn SessionStore, user: &str) {
    store
        .end_all(&user_name(user))
        .await
        .expect("a user without sessions is no error");
}
