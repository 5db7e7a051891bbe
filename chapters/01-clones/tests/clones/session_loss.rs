//! A thousand visitors are logged in, and one of three clones is killed as the kernel kills: who
//! has to log in again?
//!
//! The same is asked of sessions in each clone's own memory, of the same with a balancer that sends
//! visitors back to their clone, and of sessions in a real Redis.

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

const VISITORS: usize = 1_000;

/// So many at a time, each with a connection that stays open.
const AT_A_TIME: usize = 8;

/// Who is logged in.
#[derive(Clone)]
struct Visitor {
    number: usize,
    /// All cookies that came with the login, as a browser sends them back.
    cookies: String,
    /// The clone that took the login.
    clone: String,
}

/// Logs all of them in.
async fn log_in_all(url: &str) -> Vec<Visitor> {
    let mut queues = JoinSet::new();
    for first in 0..AT_A_TIME {
        let (url, client) = (url.to_owned(), client());
        queues.spawn(async move {
            let mut visitors = Vec::new();
            for number in (first..VISITORS).step_by(AT_A_TIME) {
                let user = json!({ "user": format!("user-{number}") });
                let answer = client.post(&url).json(&user).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                let set = answer.headers().get_all("set-cookie").iter();
                let pairs: Vec<&str> = set
                    .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
                    .collect();
                visitors.push(Visitor {
                    number,
                    cookies: pairs.join("; "),
                    clone: header(&answer, "x-served-by").to_owned(),
                });
            }
            visitors
        });
    }
    let mut all: Vec<Visitor> = queues.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|visitor| visitor.number);
    all
}

/// Asks once for each visitor who they are: the answer's status, and the clone that gave it.
async fn ask_all(url: String, visitors: &[Visitor]) -> Vec<(StatusCode, String)> {
    let mut queues = JoinSet::new();
    for queue in visitors.chunks(VISITORS.div_ceil(AT_A_TIME)) {
        let (url, client, queue) = (url.clone(), client(), queue.to_vec());
        queues.spawn(async move {
            let mut answers = Vec::new();
            for Visitor {
                number, cookies, ..
            } in queue
            {
                let answer = client
                    .get(&url)
                    .header("cookie", cookies)
                    .send()
                    .await
                    .unwrap();
                answers.push((
                    number,
                    (answer.status(), header(&answer, "x-served-by").to_owned()),
                ));
            }
            answers
        });
    }
    let mut all: Vec<_> = queues.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, answer)| answer).collect()
}

fn those_of<'a>(clone: &'a str, visitors: &'a [Visitor]) -> BTreeSet<usize> {
    let theirs = visitors.iter().filter(|visitor| visitor.clone == clone);
    theirs.map(|visitor| visitor.number).collect()
}

/// About a third: what one of three clones has of visitors who come to all three in turn.
fn assert_about_a_third(lost: &BTreeSet<usize>) {
    assert!(
        (300..=367).contains(&lost.len()),
        "{} of {VISITORS}: do the clones take turns with the logins?",
        lost.len()
    );
}

struct Loss {
    /// The logins that were taken by the clone that died.
    of_the_dead: BTreeSet<usize>,
    /// Logins that no clone knows any more.
    sessions: BTreeSet<usize>,
    /// Requests of visitors who are logged in, during and after the loss, that were answered with
    /// anything else than 200.
    requests: usize,
}

/// Logs everybody in, and kills one of three clones while some of them ask and ask.
async fn kill_one_of_three(sessions: &str) -> Loss {
    let (front, mut clones) = three_behind(StrategyName::RoundRobin, sessions).await;
    let visitors = log_in_all(&front.url("/login")).await;
    let (answered, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let enough = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for visitor in visitors.iter().take(4) {
        let (url, client, cookies) = (front.url("/me"), client(), visitor.cookies.clone());
        let (answered, failed, enough) = (
            Arc::clone(&answered),
            Arc::clone(&failed),
            Arc::clone(&enough),
        );
        asking.spawn(async move {
            while !enough.load(Ordering::SeqCst) {
                let answer = client
                    .get(&url)
                    .header("cookie", &cookies)
                    .send()
                    .await
                    .unwrap();
                failed.fetch_add(
                    usize::from(answer.status() != StatusCode::OK),
                    Ordering::SeqCst,
                );
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let more = async |requests: usize| {
        let goal = answered.load(Ordering::SeqCst) + requests;
        until("the visitors' requests to be answered", async || {
            answered.load(Ordering::SeqCst) >= goal
        })
        .await;
    };

    more(50).await;
    clones.remove(1).kill().await.unwrap();
    more(50).await;
    enough.store(true, Ordering::SeqCst);
    asking.join_all().await;

    Loss {
        of_the_dead: those_of("clone-2", &visitors),
        sessions: unknown_to_all(&clones, &visitors).await,
        requests: failed.load(Ordering::SeqCst),
    }
}

async fn unknown_to_all(clones: &[CloneProcess], visitors: &[Visitor]) -> BTreeSet<usize> {
    let mut unknown: BTreeSet<usize> = (0..VISITORS).collect();
    for clone in clones {
        let answers = ask_all(format!("http://{}/me", clone.address), visitors).await;
        unknown.retain(|number| answers[*number].0 == StatusCode::UNAUTHORIZED);
    }
    unknown
}

#[tokio::test]
async fn killed_clone_loses_no_session() {
    let naive = kill_one_of_three("local").await;
    assert_eq!(
        naive.sessions, naive.of_the_dead,
        "what is lost is what lay in the memory of the clone that died, no more and no less"
    );
    assert_about_a_third(&naive.sessions);
    assert!(
        naive.requests > 0,
        "visitors were known wherever they came, with sessions in one clone's memory?"
    );

    let redis = testbed::redis().await.unwrap();
    let fixed = kill_one_of_three(&redis.url()).await;
    assert_about_a_third(&fixed.of_the_dead);
    assert_eq!(
        fixed.sessions.len(),
        0,
        "a login went down with a clone: is it in the clone's memory?"
    );
    assert_eq!(
        fixed.requests, 0,
        "the loss of a clone was seen from outside: does the balancer send a GET that broke to another one?"
    );
}

#[tokio::test]
async fn sticky_sessions_die_with_their_clone() {
    let (front, mut clones) = three_behind(StrategyName::Sticky, "sticky").await;
    let visitors = log_in_all(&front.url("/login")).await;
    for (visitor, (status, clone)) in visitors
        .iter()
        .zip(ask_all(front.url("/me"), &visitors).await)
    {
        assert_eq!(
            (status, &clone),
            (StatusCode::OK, &visitor.clone),
            "until a clone dies, sticky looks right: each visitor comes back to the clone that has the login"
        );
    }

    clones.remove(1).kill().await.unwrap();

    let mut lost = BTreeSet::new();
    for (visitor, (status, clone)) in visitors
        .iter()
        .zip(ask_all(front.url("/me"), &visitors).await)
    {
        if status == StatusCode::UNAUTHORIZED {
            lost.insert(visitor.number);
        } else {
            assert_eq!((status, &clone), (StatusCode::OK, &visitor.clone));
        }
    }
    assert_eq!(
        lost,
        those_of("clone-2", &visitors),
        "exactly the visitors of the clone that died have to log in again"
    );
    assert_about_a_third(&lost);
    assert_eq!(
        unknown_to_all(&clones, &visitors).await,
        lost,
        "somebody else knows them"
    );
}
