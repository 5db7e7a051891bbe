//! Clones that die, hang, or are all away at once, while requests come.
//!
//! Nothing here depends on speed: a clone is killed when it is known to hold a request, and a test waits for what it expects.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ch01_clones::balancer::{HealthPolicy, HealthState as Health, ProbePolicy, RetryPolicy};
use ch01_clones::web::limits::Limits;
use http::{HeaderMap, StatusCode};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::balancing::nobody_listens;
use crate::process::{self, CloneProcess};
use crate::retries::breaks_off;
use crate::support::{
    Front, Running, balance_over, client, clone_with, free_port, header, serve_on, soon, until,
};

/// What all clones have done, by the order's name: the audit.
#[derive(Default)]
struct Orders {
    /// How often each was carried out.
    executed: BTreeMap<String, usize>,
    /// Answers by `Idempotency-Key`.
    answered: BTreeMap<String, String>,
}

/// A clone that takes orders, and can be made to hold what it has until it dies.
#[derive(Clone)]
struct Shop {
    orders: Arc<Mutex<Orders>>,
    honours_keys: bool,
    is_doomed: Arc<AtomicBool>,
    holds: mpsc::UnboundedSender<&'static str>,
}

impl Shop {
    fn router(self) -> Router {
        Router::new()
            .route("/", get(Shop::look).post(Shop::order))
            .with_state(self)
    }

    async fn look(State(shop): State<Shop>) -> &'static str {
        shop.hold_if_doomed("GET").await;
        "games"
    }

    async fn order(State(shop): State<Shop>, headers: HeaderMap, order: String) -> String {
        let key = headers
            .get("idempotency-key")
            .map(|key| key.to_str().unwrap().to_owned());
        let kind = if key.is_some() {
            "POST with a key"
        } else {
            "POST"
        };
        {
            let mut orders = shop.orders.lock().unwrap();
            let known = key
                .as_ref()
                .and_then(|key| orders.answered.get(key).cloned());
            if !shop.honours_keys || known.is_none() {
                *orders.executed.entry(order.clone()).or_default() += 1;
                orders.answered.extend(key.map(|key| (key, order.clone())));
            }
        }
        // Done, and not told: the worst moment to die.
        shop.hold_if_doomed(kind).await;
        order
    }

    async fn hold_if_doomed(&self, what: &'static str) {
        if self.is_doomed.load(Ordering::SeqCst) {
            let _ = self.holds.send(what);
            std::future::pending::<()>().await;
        }
    }
}

/// What visitors have seen: how many requests failed, by kind.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    failed: [AtomicUsize; 3],
}

/// Kills one of three clones, again and again, while visitors look and order. Gives what failed (GET, POST, POST with a key), the
/// POSTs that died with a clone, and how often the orders were carried out.
async fn kill_in_turn(rounds: usize, honours_keys: bool) -> ([usize; 3], usize, Orders) {
    let (holds, mut held) = mpsc::unbounded_channel();
    let orders = Arc::new(Mutex::new(Orders::default()));
    let mut clones: Vec<(Running, Arc<AtomicBool>)> = Vec::new();
    let start = |listener| {
        let is_doomed = Arc::new(AtomicBool::new(false));
        let shop = Shop {
            orders: Arc::clone(&orders),
            honours_keys,
            is_doomed: Arc::clone(&is_doomed),
            holds: holds.clone(),
        };
        (
            serve_on(listener, Limits::default(), shop.router()),
            is_doomed,
        )
    };
    for _ in 0..3 {
        clones.push(start(free_port().await));
    }
    let addrs: Vec<_> = clones.iter().map(|(clone, _)| clone.addr).collect();
    // At once in again, so that each round finds all three at work.
    let policy = HealthPolicy {
        base_ejection: Duration::ZERO,
        slow_start: Duration::ZERO,
        ..HealthPolicy::default()
    };
    let front = balance_over(|balancer| balancer.with_health(policy), &addrs).await;

    let (seen, enough) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let mut visitors = JoinSet::new();
    // Two for each kind of request, so that a clone which holds what it gets will hold one of each.
    for visitor in 0..6_usize {
        let (seen, enough, url, client) = (
            Arc::clone(&seen),
            Arc::clone(&enough),
            front.url("/"),
            client(),
        );
        visitors.spawn(async move {
            for number in 0.. {
                if enough.load(Ordering::SeqCst) {
                    return;
                }
                let order = format!("{visitor}-{number}");
                let request = match visitor % 3 {
                    0 => client.get(&url),
                    1 => client.post(&url).body(order),
                    _ => client
                        .post(&url)
                        .header("Idempotency-Key", &order)
                        .body(order),
                };
                let is_ok = request
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status() == StatusCode::OK);
                seen.failed[visitor % 3].fetch_add(usize::from(!is_ok), Ordering::SeqCst);
                seen.answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut died = 0;
    for round in 0..rounds {
        let goal = seen.answered.load(Ordering::SeqCst) + 60;
        until("the visitors' requests to be answered", async || {
            seen.answered.load(Ordering::SeqCst) >= goal
        })
        .await;
        let (victim, addr) = (round % 3, addrs[round % 3]);
        clones[victim].1.store(true, Ordering::SeqCst);
        let mut kinds = Vec::new();
        while !["GET", "POST", "POST with a key"]
            .iter()
            .all(|kind| kinds.contains(kind))
        {
            kinds.push(
                soon("the clone to hold one request of each kind", held.recv())
                    .await
                    .unwrap(),
            );
        }
        let (running, _) = clones.remove(victim);
        running.die().await;
        while let Ok(kind) = held.try_recv() {
            kinds.push(kind);
        }
        died += kinds.iter().filter(|kind| **kind == "POST").count();
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        clones.insert(victim, start(listener));
    }
    enough.store(true, Ordering::SeqCst);
    visitors.join_all().await;
    let failed = [0, 1, 2].map(|kind| seen.failed[kind].load(Ordering::SeqCst));
    let orders = std::mem::take(&mut *orders.lock().unwrap());
    (failed, died, orders)
}

#[tokio::test]
async fn killed_clones_duplicate_no_order() {
    let twice = |orders: &Orders| orders.executed.values().filter(|times| **times > 1).count();
    let (_, _, naive) = kill_in_turn(5, false).await;
    assert!(
        twice(&naive) >= 5,
        "clones that ignore the key have to do what is sent again twice, or nothing was sent again"
    );

    let ([gets, posts, posts_with_a_key], died, orders) = kill_in_turn(20, true).await;
    assert_eq!(gets, 0, "a GET failed: does it go to another clone?");
    assert_eq!(
        posts_with_a_key, 0,
        "an order with a key failed: is its body kept, and sent again?"
    );
    assert!(
        posts <= died,
        "{posts} POSTs failed, but only {died} were with a clone that died"
    );
    assert!(
        posts >= 20,
        "a POST that a dead clone held has to fail, or it was sent twice"
    );
    assert_eq!(
        twice(&orders),
        0,
        "a customer paid twice: which POST is sent again?"
    );
}

/// Sends a signal to a clone.
pub async fn signal(clone: &CloneProcess, signal: &str) {
    let id = clone.id().expect("it runs").to_string();
    assert!(
        Command::new("kill")
            .args([signal, &id])
            .status()
            .await
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn requests_leave_a_hanging_clone() {
    let mut clones = Vec::new();
    for name in ["clone-1", "clone-2", "clone-3"] {
        clones.push(process::start(name, "local", None).await);
    }
    let addrs: Vec<_> = clones.iter().map(|clone| clone.address).collect();
    let policy = HealthPolicy {
        slow_start: Duration::ZERO,
        ..HealthPolicy::default()
    };
    let front = balance_over(|balancer| balancer.with_health(policy), &addrs).await;
    let probes = ProbePolicy {
        timeout: Duration::from_secs(2),
        ..ProbePolicy::default()
    };

    // It still takes connections, the kernel does that; it only never answers.
    signal(&clones[1], "-STOP").await;
    let mut visitors = JoinSet::new();
    for _ in 0..9 {
        let asking = client().get(front.url("/whoami")).send();
        visitors.spawn(async move { asking.await.unwrap() });
    }
    for _ in 0..6 {
        let answer = soon("the clones that are well to answer", visitors.join_next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
    until("three to wait for the one that hangs", async || {
        front.balancer.status()[1].in_flight == 3
    })
    .await;

    front.balancer.probe_all(&probes).await;
    assert_eq!(
        front.balancer.status()[1].state,
        Health::Up,
        "once may be chance"
    );
    front.balancer.probe_all(&probes).await;
    assert_eq!(
        front.balancer.status()[1].state,
        Health::Down,
        "{:?}",
        front.balancer.status()
    );

    for answer in soon(
        "those who waited to be answered elsewhere",
        visitors.join_all(),
    )
    .await
    {
        assert_eq!(answer.status(), 200);
        assert_ne!(header(&answer, "x-served-by"), "clone-2");
    }
    assert_eq!(front.balancer.status()[1].in_flight, 0);

    signal(&clones[1], "-CONT").await;
    front.balancer.probe_all(&probes).await;
    front.balancer.probe_all(&probes).await;
    assert_eq!(
        front.balancer.status()[1].state,
        Health::Up,
        "it answers again"
    );
}

#[tokio::test]
async fn unready_clone_gets_no_requests() {
    let unready = || async { StatusCode::SERVICE_UNAVAILABLE };
    let router = |name| clone_with(name, Arc::new(ch01_clones::MemorySessions::new()));
    let starting = Router::new()
        .route("/not-yet", get(unready))
        .fallback_service(router("clone-1"));
    let ready = Router::new()
        .route("/not-yet", get("ready"))
        .fallback_service(router("clone-2"));
    let starting = serve_on(free_port().await, Limits::default(), starting);
    let ready = serve_on(free_port().await, Limits::default(), ready);
    let front = balance_over(|balancer| balancer, &[starting.addr, ready.addr]).await;
    let probes = ProbePolicy {
        path: "/not-yet".to_owned(),
        timeout: Duration::from_secs(5),
        ..ProbePolicy::default()
    };

    front.balancer.probe_all(&probes).await;
    front.balancer.probe_all(&probes).await;

    for _ in 0..6 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            header(&answer, "x-served-by"),
            "clone-2",
            "a clone that says no is not asked"
        );
    }
}

#[tokio::test]
async fn returning_clones_serve_at_once() {
    let sockets = [nobody_listens(), nobody_listens(), nobody_listens()];
    let addrs: Vec<_> = sockets
        .iter()
        .map(|socket| socket.local_addr().unwrap())
        .collect();
    let hour = Duration::from_hours(1);
    // Whoever is out stays out for an hour: only failing open finds the clones again.
    let policy = HealthPolicy {
        base_ejection: hour,
        max_ejection: hour,
        ..HealthPolicy::default()
    };
    let front = balance_over(|balancer| balancer.with_health(policy), &addrs).await;
    for _ in 0..9 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "retry-after")),
            (503, "1")
        );
    }

    let [first, second, third] = sockets;
    drop((second, third));
    let router = clone_with("clone-1", Arc::new(ch01_clones::MemorySessions::new()));
    let _back = serve_on(first.listen(128).unwrap(), Limits::default(), router);

    for _ in 0..9 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "one clone is back, and was not found");
    }
}

/// How many requests reach clones that all break off, for each of 300 that visitors send.
async fn amplification(policy: RetryPolicy) -> f64 {
    let mut clones = Vec::new();
    for _ in 0..3 {
        clones.push(breaks_off().await);
    }
    let addrs: Vec<_> = clones.iter().map(|(addr, _)| *addr).collect();
    let front: Front = balance_over(|balancer| balancer.with_retries(policy), &addrs).await;
    let client = client();
    for _ in 0..300 {
        assert_eq!(
            client.get(front.url("/")).send().await.unwrap().status(),
            502
        );
    }
    let taken: usize = clones
        .iter()
        .map(|(_, taken)| taken.load(Ordering::SeqCst))
        .sum();
    taken as f64 / 300.0
}

#[tokio::test]
async fn retry_budget_limits_load_on_sick_clones() {
    let naive = RetryPolicy {
        max_attempts: 3,
        budget: f64::INFINITY,
        min_retries: 0,
    };
    let naive = amplification(naive).await;
    assert!(
        (naive - 3.0).abs() < 1e-9,
        "three tries for each request make {naive} times the load"
    );

    let fixed = amplification(RetryPolicy {
        max_attempts: 3,
        ..RetryPolicy::default()
    })
    .await;
    assert!(
        fixed <= 1.2,
        "{fixed} times the load: is there a budget for all requests together?"
    );
}
