//! What every implementation of a seam has to keep, as code: each implementation's tests call it.
//!
//! A seam is as good as the promises that hold on both sides of it. If a store in memory and one in Redis both pass here, a
//! handler cannot tell them apart. The functions panic where a promise is broken, as assertions do, and say what the likely
//! mistake is.
//!
//! Left out: what a store does while its server is away, which only an implementation with a server can show.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;

use crate::clone::session::{SESSION_TTL, Session, SessionId, SessionStore, UserName};

/// The promises of [`SessionStore`]. `handle` gives one more handle to the same store, as another clone would have one:
/// it connects anew, where a store has something to connect to.
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
    a_session_is_found_by_every_clone(&handle).await;
    an_unknown_id_is_none(&handle).await;
    a_deleted_session_is_gone_for_every_clone_and_may_be_deleted_again(&handle).await;
    an_expired_session_is_not_found(&handle).await;
    sessions_created_at_the_same_time_are_kept_apart(&handle).await;
    all_sessions_of_a_user_end_on_every_clone_and_nobody_elses(&handle).await;
    sessions_that_are_over_do_not_keep_the_others_from_ending(&handle).await;
    a_hundred_sessions_end_at_once(&handle).await;
    a_session_created_while_all_end_does_so_or_lives_until_the_next_time(&handle).await;
}

async fn a_session_is_found_by_every_clone(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let session = session_of("ada");
    let id = create(&*handle(), &session).await;
    assert_eq!(
        load(&*handle(), &id).await,
        Some(session),
        "one clone created a session and another does not find it: does the store keep something in the process?"
    );
}

async fn an_unknown_id_is_none(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    assert_eq!(load(&*handle(), &SessionId::random()).await, None);
}

async fn a_deleted_session_is_gone_for_every_clone_and_may_be_deleted_again(
    handle: &impl Fn() -> Arc<dyn SessionStore>,
) {
    let (one, other) = (handle(), handle());
    let gone = create(&*one, &session_of("ada")).await;
    let stays = create(&*one, &session_of("ada")).await;
    // The one that looks first might remember what it saw.
    assert!(load(&*other, &gone).await.is_some());

    delete(&*one, &gone).await;

    for clone in [&one, &other] {
        assert_eq!(
            load(&**clone, &gone).await,
            None,
            "a logout on one clone has to count on all: does a handle remember what it has loaded?"
        );
        assert!(
            load(&**clone, &stays).await.is_some(),
            "only the session with this id is deleted, not its user's others"
        );
    }
    delete(&*other, &gone).await;
    delete(&*other, &SessionId::random()).await;
}

async fn an_expired_session_is_not_found(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let ends_in = |minutes| Session {
        created_at: Utc::now() - SESSION_TTL + TimeDelta::minutes(minutes),
        ..session_of("ada")
    };
    let young = create(&*handle(), &ends_in(1)).await;
    let expired = create(&*handle(), &ends_in(0)).await;
    let long_ago = create(&*handle(), &ends_in(-60)).await;

    assert!(
        load(&*handle(), &young).await.is_some(),
        "a session lives until `created_at` + SESSION_TTL, and this one has a minute left"
    );
    for id in [expired, long_ago] {
        assert_eq!(
            load(&*handle(), &id).await,
            None,
            "a session that is over still logs somebody in: does `load` ask `is_expired`?"
        );
    }
}

async fn sessions_created_at_the_same_time_are_kept_apart(
    handle: &impl Fn() -> Arc<dyn SessionStore>,
) {
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
        "two sessions have one id, so one user is logged in as another"
    );
    let loading = ids.iter().map(|id| load(&*clones[0], id));
    for (loaded, session) in join_all(loading).await.into_iter().zip(sessions) {
        assert_eq!(
            loaded,
            Some(session),
            "an id leads to another session than the one it was given for"
        );
    }
}

async fn all_sessions_of_a_user_end_on_every_clone_and_nobody_elses(
    handle: &impl Fn() -> Arc<dyn SessionStore>,
) {
    let (one, other) = (handle(), handle());
    let phone = create(&*one, &session_of("a_a")).await;
    let laptop = create(&*other, &session_of("a_a")).await;
    // Names that a pattern or a prefix would take for `a_a`.
    let mut others = Vec::new();
    for user in ["aba", "a_a-1", "a_", "b"] {
        others.push(create(&*one, &session_of(user)).await);
    }
    // The one that looks first might remember what it saw.
    assert!(load(&*other, &phone).await.is_some());

    end_all(&*one, "a_a").await;

    let later = create(&*other, &session_of("a_a")).await;
    for clone in [&one, &other] {
        for id in [&phone, &laptop] {
            assert_eq!(
                load(&**clone, id).await,
                None,
                "the finder of a lost phone is still logged in: is each session found by its user, whoever created it?"
            );
        }
        for id in others.iter().chain([&later]) {
            assert!(
                load(&**clone, id).await.is_some(),
                "only the sessions that this very user had are ended: not another user's, and not one that begins afterwards"
            );
        }
    }
    end_all(&*other, "a_a").await;
    end_all(&*other, "a_a").await;
    assert_eq!(
        load(&*one, &later).await,
        None,
        "the second time it ends nothing"
    );
    end_all(&*one, "nobody").await;
}

async fn sessions_that_are_over_do_not_keep_the_others_from_ending(
    handle: &impl Fn() -> Arc<dyn SessionStore>,
) {
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
            "a session lives on: does one that is over stop the others from being ended?"
        );
    }
}

async fn a_hundred_sessions_end_at_once(handle: &impl Fn() -> Arc<dyn SessionStore>) {
    let (one, other) = (handle(), handle());
    let session = session_of("ada");
    let ids = join_all((0..100).map(|_| create(&*one, &session))).await;

    end_all(&*other, "ada").await;

    let left = join_all(ids.iter().map(|id| load(&*one, id))).await;
    let left = left.iter().flatten().count();
    assert_eq!(
        left, 0,
        "{left} of 100 sessions are left: are all of them ended, or one page?"
    );
}

async fn a_session_created_while_all_end_does_so_or_lives_until_the_next_time(
    handle: &impl Fn() -> Arc<dyn SessionStore>,
) {
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
                    "the clones do not agree whether it lives"
                );
            }
        }

        end_all(&*clones[0], "ada").await;

        for id in &during {
            assert_eq!(
                load(&*clones[1], id).await,
                None,
                "a session that was created while all others ended can never be ended again: are creating it and noting whose it \
                 is one step?"
            );
        }
    }
}

fn session_of(user: &str) -> Session {
    Session::new(&user_name(user))
}

fn user_name(user: &str) -> UserName {
    UserName::parse(user).expect("the names here keep to the rule")
}

async fn create(store: &dyn SessionStore, session: &Session) -> SessionId {
    store
        .create(session)
        .await
        .expect("a store that is there creates sessions")
}

async fn load(store: &dyn SessionStore, id: &SessionId) -> Option<Session> {
    store.load(id).await.expect("a store that is there answers")
}

async fn delete(store: &dyn SessionStore, id: &SessionId) {
    store
        .delete(id)
        .await
        .expect("that there is no such session is no error");
}

async fn end_all(store: &dyn SessionStore, user: &str) {
    store
        .end_all(&user_name(user))
        .await
        .expect("that a user has no session is no error");
}
