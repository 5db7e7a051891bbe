//! A thousand users are logged in, and one of three clones gets `kill -9`. Which sessions are lost?
//!
//! The tests compare sessions in each clone's memory, the same with a sticky balancer, and sessions
//! in a real Redis.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ch01_clones::balancer::strategy::StrategyName;
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::process::CloneProcess;
use crate::processes::three_behind;
use crate::support::{client, header, until};

const USERS: usize = 1_000;

/// Concurrent connections.
const CONNECTIONS: usize = 8;

/// A user who is logged in.
#[derive(Clone)]
struct LoggedInUser {
    number: usize,
    /// All cookies of the login response, in the form in which a browser sends them.
    cookies: String,
    /// The clone that took the login.
    clone: String,
}

/// Logs in all users.
async fn log_in_all(url: &str) -> Vec<LoggedInUser> {
    let mut queues = JoinSet::new();
    for first in 0..CONNECTIONS {
        let (url, client) = (url.to_owned(), client());
        queues.spawn(async move {
            let mut users = Vec::new();
            for number in (first..USERS).step_by(CONNECTIONS) {
                let login = json!({ "user": format!("user-{number}") });
                let response = client.post(&url).json(&login).send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                let set = response.headers().get_all("set-cookie").iter();
                let pairs: Vec<&str> = set
                    .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
                    .collect();
                users.push(LoggedInUser {
                    number,
                    cookies: pairs.join("; "),
                    clone: header(&response, "x-served-by").to_owned(),
                });
            }
            users
        });
    }
    let mut all: Vec<LoggedInUser> = queues.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|user| user.number);
    all
}

/// Sends one request for each user. Returns the statuses and the clones that responded.
async fn request_for_all(url: String, users: &[LoggedInUser]) -> Vec<(StatusCode, String)> {
    let mut queues = JoinSet::new();
    for queue in users.chunks(USERS.div_ceil(CONNECTIONS)) {
        let (url, client, queue) = (url.clone(), client(), queue.to_vec());
        queues.spawn(async move {
            let mut responses = Vec::new();
            for LoggedInUser {
                number, cookies, ..
            } in queue
            {
                let response = client
                    .get(&url)
                    .header("cookie", cookies)
                    .send()
                    .await
                    .unwrap();
                responses.push((
                    number,
                    (
                        response.status(),
                        header(&response, "x-served-by").to_owned(),
                    ),
                ));
            }
            responses
        });
    }
    let mut all: Vec<_> = queues.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, response)| response).collect()
}

fn users_of<'a>(clone: &'a str, users: &'a [LoggedInUser]) -> BTreeSet<usize> {
    let users_of_clone = users.iter().filter(|user| user.clone == clone);
    users_of_clone.map(|user| user.number).collect()
}

/// With round robin, each of three clones takes about a third of the logins.
fn assert_about_a_third(lost: &BTreeSet<usize>) {
    assert!(
        (300..=367).contains(&lost.len()),
        "{} of {USERS} logins, although a third is expected: does the balancer use round robin?",
        lost.len()
    );
}

/// What the kill of a clone did to the users.
struct KillResult {
    /// The users whose login the dead clone took.
    users_of_dead_clone: BTreeSet<usize>,
    /// The users whose session no clone knows any more.
    lost_sessions: BTreeSet<usize>,
    /// Requests of logged-in users, during and after the kill, without a 200 response.
    failed_requests: usize,
}

/// Logs in all users, and kills one of three clones while four users send requests.
async fn kill_one_of_three(sessions: &str) -> KillResult {
    let (front, mut clones) = three_behind(StrategyName::RoundRobin, sessions).await;
    let users = log_in_all(&front.url("/login")).await;
    let (response_count, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let is_stopped = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for user in users.iter().take(4) {
        let (url, client, cookies) = (front.url("/me"), client(), user.cookies.clone());
        let (response_count, failed, is_stopped) = (
            Arc::clone(&response_count),
            Arc::clone(&failed),
            Arc::clone(&is_stopped),
        );
        tasks.spawn(async move {
            while !is_stopped.load(Ordering::SeqCst) {
                let response = client
                    .get(&url)
                    .header("cookie", &cookies)
                    .send()
                    .await
                    .unwrap();
                failed.fetch_add(
                    usize::from(response.status() != StatusCode::OK),
                    Ordering::SeqCst,
                );
                response_count.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let more = async |requests: usize| {
        let goal = response_count.load(Ordering::SeqCst) + requests;
        until("the users' requests to get responses", async || {
            response_count.load(Ordering::SeqCst) >= goal
        })
        .await;
    };

    more(50).await;
    clones.remove(1).kill().await.unwrap();
    more(50).await;
    is_stopped.store(true, Ordering::SeqCst);
    tasks.join_all().await;

    KillResult {
        users_of_dead_clone: users_of("clone-2", &users),
        lost_sessions: unknown_to_all(&clones, &users).await,
        failed_requests: failed.load(Ordering::SeqCst),
    }
}

async fn unknown_to_all(clones: &[CloneProcess], users: &[LoggedInUser]) -> BTreeSet<usize> {
    let mut unknown: BTreeSet<usize> = (0..USERS).collect();
    for clone in clones {
        let responses = request_for_all(format!("http://{}/me", clone.address), users).await;
        unknown.retain(|number| responses[*number].0 == StatusCode::UNAUTHORIZED);
    }
    unknown
}

#[tokio::test]
async fn killed_clone_loses_no_session() {
    let naive = kill_one_of_three("local").await;
    assert_eq!(
        naive.lost_sessions, naive.users_of_dead_clone,
        "with local sessions, exactly the logins of the dead clone must be lost"
    );
    assert_about_a_third(&naive.lost_sessions);
    assert!(
        naive.failed_requests > 0,
        "with local sessions, some requests must fail; do the clones share a store?"
    );

    let redis = testbed::redis().await.unwrap();
    let fixed = kill_one_of_three(&redis.url()).await;
    assert_about_a_third(&fixed.users_of_dead_clone);
    assert_eq!(
        fixed.lost_sessions.len(),
        0,
        "a session died with a clone: is it in the clone's memory?"
    );
    assert_eq!(
        fixed.failed_requests, 0,
        "a client noticed the kill: does the balancer retry a broken GET on another clone?"
    );
}

#[tokio::test]
async fn sticky_sessions_die_with_their_clone() {
    let (front, mut clones) = three_behind(StrategyName::Sticky, "sticky").await;
    let users = log_in_all(&front.url("/login")).await;
    for (user, (status, clone)) in users
        .iter()
        .zip(request_for_all(front.url("/me"), &users).await)
    {
        assert_eq!(
            (status, &clone),
            (StatusCode::OK, &user.clone),
            "before a clone dies, each user must return to the clone of the login"
        );
    }

    clones.remove(1).kill().await.unwrap();

    let mut lost = BTreeSet::new();
    for (user, (status, clone)) in users
        .iter()
        .zip(request_for_all(front.url("/me"), &users).await)
    {
        if status == StatusCode::UNAUTHORIZED {
            lost.insert(user.number);
        } else {
            assert_eq!((status, &clone), (StatusCode::OK, &user.clone));
        }
    }
    assert_eq!(
        lost,
        users_of("clone-2", &users),
        "exactly the users of the dead clone must lose their session"
    );
    assert_about_a_third(&lost);
    assert_eq!(
        unknown_to_all(&clones, &users).await,
        lost,
        "another clone knows a lost session"
    );
}
