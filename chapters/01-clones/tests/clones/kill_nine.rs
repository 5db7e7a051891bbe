//! Twenty times `kill -9` under 500 requests per second: the failed requests, and the executed
//! orders.
//!
//! The clones are processes: this test binary, started again to run only [`stand_in`]. A clone
//! writes each executed order into the audit file, which survives the clone. No assertion depends
//! on whether the machine keeps up with the rate.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ch01_clones::balancer::HealthPolicy;
use ch01_clones::web::server;
use ch01_clones::{Balancer, Upstream};
use http::{HeaderMap, Method};
use loadgen::{Report, Request, Target, open_loop};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::serving::Serving;
use crate::support::{TestBalancer, balance_over, free_port, until};

/// The variable with the path of the audit file.
const AUDIT: &str = "CLONES_AUDIT";
/// The variable that makes the stand-in naive.
const IGNORES_KEYS: &str = "CLONES_IGNORE_KEYS";

/// The number of kills.
const ROUNDS: usize = 20;

/// The duration of each request: long enough that a killed clone holds requests of each kind.
const WORK_PER_REQUEST: Duration = Duration::from_millis(40);

/// Requests per second of each kind (500 in total), and the maximum number of connections.
const GETS: (u32, usize) = (300, 30);
const ORDERS_WITH_A_KEY: (u32, usize) = (100, 12);
const ORDERS: (u32, usize) = (100, 12);

/// The audit file of a clone.
#[derive(Clone)]
struct Shop {
    audit: PathBuf,
    honours_keys: bool,
}

impl Shop {
    async fn look() -> &'static str {
        tokio::time::sleep(WORK_PER_REQUEST).await;
        "games"
    }

    async fn order(State(shop): State<Shop>, headers: HeaderMap, order: String) -> String {
        let has_key = shop.honours_keys && headers.contains_key("idempotency-key");
        let line = order.clone();
        let writing = tokio::task::spawn_blocking(move || shop.carry_out(&line, has_key));
        writing.await.unwrap().unwrap();
        // The order is executed, but the client does not know: the worst moment to die.
        tokio::time::sleep(WORK_PER_REQUEST).await;
        order
    }

    /// Executes the order; with a key, only if no clone has executed it before. Check and write are
    /// one step, as in a database transaction: the lock excludes other clones, and if this process
    /// dies, the line is complete or missing.
    fn carry_out(&self, order: &str, has_key: bool) -> io::Result<()> {
        let mut audit = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&self.audit)?;
        audit.lock()?;
        if has_key {
            let mut all = String::new();
            audit.read_to_string(&mut all)?;
            if all.lines().any(|line| line == order) {
                return Ok(());
            }
        }
        audit.write_all(format!("{order}\n").as_bytes())
    }
}

/// The clone that the test below kills. It tests nothing, and does nothing without the variable.
#[tokio::test]
async fn stand_in() {
    let Some(audit) = std::env::var_os(AUDIT) else {
        return;
    };
    let shop = Shop {
        audit: audit.into(),
        honours_keys: std::env::var_os(IGNORES_KEYS).is_none(),
    };
    let router = Router::new()
        .route("/", get(Shop::look).post(Shop::order))
        .with_state(shop);
    let listener = free_port().await;
    println!("listening on http://{}", listener.local_addr().unwrap());
    let (mut parent, mut nothing) = (tokio::io::stdin(), Vec::new());
    tokio::select! {
        () = server::run(listener, router, std::future::pending()) => {}
        // The operating system closes this pipe when the test ends, also after a panic.
        _ = parent.read_to_end(&mut nothing) => {}
    }
}

async fn start_clone(audit: &Path, honours_keys: bool) -> Serving {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill_nine::stand_in", "--nocapture"]);
    command.env(AUDIT, audit);
    if !honours_keys {
        command.env(IGNORES_KEYS, "yes");
    }
    Serving::start(&mut command).await
}

/// The results of the requests, by kind.
#[derive(Default)]
struct Seen {
    gets: Report,
    orders_with_a_key: Report,
    orders: Report,
}

/// Sends all three kinds of requests in runs of a second until it is stopped. When this returns,
/// every request has its response.
async fn send_until(enough: Arc<AtomicBool>, target: Target) -> Seen {
    let mut seen = Seen::default();
    for run in 0.. {
        let second = Duration::from_secs(1);
        let order = move |n: u64, kind: &str| {
            let mut request = Request::new(Method::POST, "/");
            request.body = format!("{kind}-{run}-{n}").into();
            request
        };
        let look = |_| Request::get("/");
        let with_a_key = move |n| order(n, "key").header("Idempotency-Key", &format!("{run}-{n}"));
        let without = move |n| order(n, "plain");
        let (gets, orders_with_a_key, orders) = tokio::join!(
            open_loop(&target, GETS.0, GETS.1, second, look),
            open_loop(
                &target,
                ORDERS_WITH_A_KEY.0,
                ORDERS_WITH_A_KEY.1,
                second,
                with_a_key
            ),
            open_loop(&target, ORDERS.0, ORDERS.1, second, without),
        );
        seen.gets.merge(&gets);
        seen.orders_with_a_key.merge(&orders_with_a_key);
        seen.orders.merge(&orders);
        if enough.load(Ordering::SeqCst) {
            break;
        }
    }
    seen
}

/// How often each order was executed.
fn carried_out(audit: &Path) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for order in std::fs::read_to_string(audit).unwrap().lines() {
        *times.entry(order.to_owned()).or_default() += 1;
    }
    times
}

fn twice(times: &BTreeMap<String, usize>) -> usize {
    times.values().filter(|times| **times > 1).count()
}

fn sent_again(balancer: &Balancer) -> u64 {
    balancer.status().iter().map(|clone| clone.retries).sum()
}

/// The results of the requests, the executions of each order, and the number of retries.
struct Outcome {
    seen: Seen,
    times: BTreeMap<String, usize>,
    sent_again: u64,
}

/// Kills the clones in turn, each as soon as all three serve requests, and starts a new process in
/// its place. Ends early when an order was executed twice.
async fn kill_in_turn(rounds: usize, honours_keys: bool) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit");
    File::create(&audit).unwrap();
    let mut clones = Vec::new();
    for number in 1..=3 {
        clones.push((
            format!("clone-{number}"),
            start_clone(&audit, honours_keys).await,
        ));
    }
    let addresses: Vec<_> = clones.iter().map(|(_, clone)| clone.address).collect();
    // No slow start, so that all three clones serve in each round.
    let policy = HealthPolicy {
        slow_start: Duration::ZERO,
        ..HealthPolicy::default()
    };
    let front: TestBalancer =
        balance_over(|balancer| balancer.with_health(policy), &addresses).await;
    let enough = Arc::new(AtomicBool::new(false));
    let target = Target::parse(&format!("http://{}", front.addr)).unwrap();
    let sending = tokio::spawn(send_until(Arc::clone(&enough), target));

    let mut of_those_gone = 0;
    for round in 0..rounds {
        until("all three clones to be at work", async || {
            front
                .balancer
                .status()
                .iter()
                .all(|clone| clone.requests >= 50)
        })
        .await;
        let (name, mut victim) = clones.remove(0);
        victim.kill().await;
        let (number, new) = (round + 4, start_clone(&audit, honours_keys).await);
        let gone = front
            .balancer
            .status()
            .into_iter()
            .find(|clone| clone.name == name);
        of_those_gone += gone.unwrap().retries;
        front.balancer.remove(&name).unwrap();
        let added = Upstream::new(format!("clone-{number}"), new.address);
        front.balancer.add(added).unwrap();
        clones.push((format!("clone-{number}"), new));
        if twice(&carried_out(&audit)) > 0 {
            break;
        }
    }
    enough.store(true, Ordering::SeqCst);
    let seen = sending.await.unwrap();
    Outcome {
        seen,
        times: carried_out(&audit),
        sent_again: of_those_gone + sent_again(&front.balancer),
    }
}

#[tokio::test]
async fn killed_clones_fail_no_get_repeat_no_order() {
    let naive = kill_in_turn(ROUNDS, false).await;
    assert!(
        twice(&naive.times) > 0,
        "clones that ignore the key must execute a retried order twice: was nothing retried?"
    );

    let Outcome {
        seen,
        times,
        sent_again,
    } = kill_in_turn(ROUNDS, true).await;
    println!(
        "{ROUNDS} clones killed; GET {:?}, POST with a key {:?}, POST {:?}; {sent_again} sent again",
        seen.gets.by_status, seen.orders_with_a_key.by_status, seen.orders.by_status
    );

    assert_eq!(
        twice(&times),
        0,
        "a customer paid twice: which POST was retried?"
    );
    for (kind, report) in [
        ("GET", &seen.gets),
        ("POST with a key", &seen.orders_with_a_key),
    ] {
        let all = BTreeMap::from([(200, report.requests)]);
        assert_eq!(
            (report.errors, &report.by_status),
            (0, &all),
            "a {kind} failed: is it retried on another clone? {:?}",
            report.first_error
        );
    }
    let done = |kind: &str| times.keys().filter(|order| order.starts_with(kind)).count() as u64;
    assert_eq!(
        done("key"),
        seen.orders_with_a_key.requests,
        "an order was acknowledged but never executed"
    );
    let failed = seen.orders.failures();
    assert_eq!(
        seen.orders.by_status.get(&502).copied().unwrap_or_default(),
        failed,
        "a POST without a key must fail with 502 when its clone dies: {:?}",
        seen.orders.by_status
    );
    assert!(
        done("plain") >= seen.orders.requests - failed,
        "an order without a key was acknowledged but never executed"
    );
    let held = (ROUNDS * ORDERS.1) as u64;
    assert!(
        (1..=held).contains(&failed),
        "{failed} POSTs without a key failed: those that a dead clone held have to, or they were sent twice, and no others may"
    );
    assert!(
        sent_again >= 20,
        "{sent_again} sent again: the kills met hardly anything"
    );
}
