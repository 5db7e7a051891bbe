//! Clones die while they hold orders: no order fails that may be retried, and none runs twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ch01_clones::balancer::HealthPolicy;
use ch01_clones::web::limits::Limits;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{
    TestServer, balance_over, client, free_port, serve_on, until, within_deadline,
};

/// What all clones have done with each order.
#[derive(Default)]
struct Orders {
    /// How often each order was carried out.
    executed: BTreeMap<String, usize>,
    /// Responses by `Idempotency-Key`.
    answered: BTreeMap<String, String>,
}

/// A clone that takes orders, and holds its requests if it is about to be killed.
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
        // The order is carried out, but the client does not know: the worst moment to die.
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

/// The results of all requests, by kind.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    failed: [AtomicUsize; 3],
}

/// Two users for each kind of request: GET, POST, POST with a key.
const USERS: usize = 6;

/// Binds the address of a dead clone. Another test's connection may use the port for a moment.
async fn bind_again(addr: std::net::SocketAddr) -> tokio::net::TcpListener {
    within_deadline("the port of the dead clone to become free", async {
        loop {
            match tokio::net::TcpListener::bind(addr).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
            }
        }
    })
    .await
}

/// Kills one of three clones in each round, while users send requests. Returns the failed requests
/// (GET, POST, POST with a key), the POSTs that died with a clone, and all orders.
async fn kill_in_turn(rounds: usize, honours_keys: bool) -> ([usize; 3], usize, Orders) {
    let (holds, mut held) = mpsc::unbounded_channel();
    let orders = Arc::new(Mutex::new(Orders::default()));
    let mut clones: Vec<(TestServer, Arc<AtomicBool>)> = Vec::new();
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
    // No ejection and no slow start, so that all three clones work in each round.
    let policy = HealthPolicy {
        base_ejection: Duration::ZERO,
        slow_start: Duration::ZERO,
        ..HealthPolicy::default()
    };
    let front = balance_over(|balancer| balancer.with_health(policy), &addrs).await;

    let (seen, enough) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let mut users = JoinSet::new();
    for user in 0..USERS {
        let (seen, enough, url, client) = (
            Arc::clone(&seen),
            Arc::clone(&enough),
            front.url("/"),
            client(),
        );
        users.spawn(async move {
            for number in 0.. {
                if enough.load(Ordering::SeqCst) {
                    return;
                }
                let order = format!("{user}-{number}");
                let request = match user % 3 {
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
                seen.failed[user % 3].fetch_add(usize::from(!is_ok), Ordering::SeqCst);
                seen.answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut died = 0;
    for round in 0..rounds {
        let goal = seen.answered.load(Ordering::SeqCst) + 60;
        until("the users' requests to get responses", async || {
            seen.answered.load(Ordering::SeqCst) >= goal
        })
        .await;
        let (victim, addr) = (round % 3, addrs[round % 3]);
        clones[victim].1.store(true, Ordering::SeqCst);
        // Every user ends up at the doomed clone and waits there. So when it dies, a handler has
        // recorded every request in flight, and the count is exact.
        for _ in 0..USERS {
            let kind = within_deadline("the doomed clone to hold every user", held.recv()).await;
            died += usize::from(kind == Some("POST"));
        }
        let (running, _) = clones.remove(victim);
        running.die().await;
        clones.insert(victim, start(bind_again(addr).await));
    }
    enough.store(true, Ordering::SeqCst);
    users.join_all().await;
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
        "clones that ignore the key must carry out retried orders twice"
    );

    let ([gets, posts, posts_with_a_key], died, orders) = kill_in_turn(20, true).await;
    assert_eq!(gets, 0, "a GET failed: is it retried at another clone?");
    assert_eq!(
        posts_with_a_key, 0,
        "an order with a key failed: is its body kept and replayed?"
    );
    assert_eq!(died, 20 * USERS / 3, "each dead clone must hold both POSTs");
    assert_eq!(
        posts, died,
        "exactly the POSTs that a dead clone held must fail: fewer means that one was sent twice, \
         more that a live clone failed one"
    );
    assert_eq!(
        twice(&orders),
        0,
        "a customer paid twice: which POST was retried?"
    );
}
