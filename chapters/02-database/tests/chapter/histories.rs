//! Histories of writes during a fail-over, judged twice: by the crate `adya` and by the checker
//! below. Both must accept the right writer, and both must reject two wrong ones.
//!
//! Each transaction appends a number to a list and reads the list. The history has an event for
//! each start and each end, as in Jepsen's list-append workload.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use adya::{History as AdyaHistory, Opts, Valid, Workload};
use ch02_database::failover::{CommitMode, Coordinator, PrimaryDirectory, WriteOutcome, Writer};
use ch02_database::postgres::connect;
use futures_util::future::join_all;
use parking_lot::Mutex;
use sqlx::{Executor, PgPool};
use testbed::{Fault, PostgresCluster};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::failover::{migrated, servers, urls};
use crate::support::{poll_until, within_limit};

/// The number of clients of each history.
const CLIENTS: usize = 4;

/// The number of lists of each history.
const LISTS: i64 = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Start,
    Ok,
    Failed,
    Unknown,
}

/// The start or the end of a transaction that appends `number` to `list`.
#[derive(Clone, Debug)]
struct Event {
    kind: Kind,
    process: usize,
    list: i64,
    number: i64,
    /// What an `Ok` transaction has read.
    items: Vec<i64>,
}

/// The events in the order in which they happened.
#[derive(Default)]
struct History {
    events: Mutex<Vec<Event>>,
    next_number: AtomicI64,
    next_process: AtomicI64,
    is_stopped: AtomicBool,
    /// Each transaction holds the read lock. The test holds the write lock while none may run.
    pause: RwLock<()>,
}

impl History {
    fn record(&self, kind: Kind, start: &Event, items: Vec<i64>) {
        let event = Event {
            kind,
            items,
            ..start.clone()
        };
        self.events.lock().push(event);
    }

    /// One transaction. Returns its outcome.
    async fn append(self: &Arc<Self>, writer: &Writer, process: usize, early: bool) -> Kind {
        let _running = self.pause.read().await;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let list = number % LISTS;
        let start = Event {
            kind: Kind::Start,
            process,
            list,
            number,
            items: Vec::new(),
        };
        self.record(Kind::Start, &start, Vec::new());
        let (history, event) = (Arc::clone(self), start.clone());
        let outcome = writer
            .write(move |db| {
                Box::pin(async move {
                    let append =
                        "UPDATE lists SET items = items || $2 WHERE list = $1 RETURNING items";
                    let items = sqlx::query_scalar(append).bind(list).bind(number);
                    let items: Vec<i64> = items.fetch_one(db).await?;
                    if early {
                        history.record(Kind::Ok, &event, items.clone());
                    }
                    Ok(items)
                })
            })
            .await;
        let (kind, items) = match outcome {
            WriteOutcome::Committed(items) => (Kind::Ok, items),
            WriteOutcome::Failed(_) => (Kind::Failed, Vec::new()),
            WriteOutcome::Unknown(_) => (Kind::Unknown, Vec::new()),
        };
        let is_recorded = |event: &Event| event.number == number && event.kind == Kind::Ok;
        if !self.events.lock().iter().any(is_recorded) {
            self.record(kind, &start, items);
        }
        kind
    }

    /// `early` is the wrong client that confirms before the commit.
    fn start_clients(self: &Arc<Self>, writer: &Writer, early: bool) -> Vec<JoinHandle<()>> {
        let client = |_| {
            let (history, writer) = (Arc::clone(self), writer.clone());
            tokio::spawn(async move {
                while !history.is_stopped.load(Ordering::Relaxed) {
                    // A process ends with an unknown outcome, and a new one takes its place.
                    let process = history.next_process.fetch_add(1, Ordering::Relaxed) as usize;
                    while !history.is_stopped.load(Ordering::Relaxed)
                        && history.append(&writer, process, early).await != Kind::Unknown
                    {
                        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    }
                }
            })
        };
        (0..CLIENTS).map(client).collect()
    }

    fn count(&self, kind: Kind) -> usize {
        self.events
            .lock()
            .iter()
            .filter(|event| event.kind == kind)
            .count()
    }

    async fn wait_for(&self, kind: Kind, more: usize) {
        let before = self.count(kind);
        poll_until("the clients have got their answers", async || {
            (self.count(kind) >= before + more).then_some(())
        })
        .await;
    }
}

// ANCHOR: checker
/// What is wrong with a history. Each list is only appended to, so all reads of it must be
/// beginnings of the longest one, and a confirmed number must be in every later read.
fn violations(events: &[Event]) -> Vec<String> {
    let mut found = Vec::new();
    let mut longest: HashMap<i64, &[i64]> = HashMap::new();
    for event in events {
        let list = longest.entry(event.list).or_default();
        if event.items.len() > list.len() {
            *list = &event.items;
        }
    }
    // When each transaction started, and the numbers that were confirmed before that.
    let mut confirmed: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut confirmed_at_start: HashMap<(usize, i64), usize> = HashMap::new();
    for event in events {
        let (list, confirmed) = (
            longest[&event.list],
            confirmed.entry(event.list).or_default(),
        );
        match event.kind {
            Kind::Start => {
                confirmed_at_start.insert((event.process, event.number), confirmed.len());
            }
            Kind::Ok => {
                if !list.starts_with(&event.items) {
                    found.push(format!("two versions of list {}", event.list));
                }
                let earlier = confirmed_at_start[&(event.process, event.number)];
                for number in &confirmed[..earlier] {
                    if !event.items.contains(number) {
                        found.push(format!("{number} was confirmed and is lost"));
                    }
                }
                confirmed.push(event.number);
            }
            Kind::Failed if list.contains(&event.number) => {
                found.push(format!("{} failed and is there", event.number));
            }
            Kind::Failed | Kind::Unknown => {}
        }
    }
    found
}
// ANCHOR_END: checker

fn adya_verdict(events: &[Event]) -> (Valid, Vec<String>) {
    let mut lines = String::new();
    for Event {
        kind,
        process,
        list,
        number,
        items,
    } in events
    {
        let (kind, items) = match kind {
            Kind::Start => ("invoke", "null".to_owned()),
            Kind::Ok => ("ok", format!("{items:?}")),
            Kind::Failed => ("fail", "null".to_owned()),
            Kind::Unknown => ("info", "null".to_owned()),
        };
        writeln!(
            lines,
            "{{\"type\":\"{kind}\",\"process\":{process},\"value\":\
             [[\"append\",{list},{number}],[\"r\",{list},{items}]]}}"
        )
        .unwrap();
    }
    let history = AdyaHistory::from_json(&lines).unwrap();
    let report = adya::check(&history, Workload::ListAppend, &Opts::default());
    (report.valid, report.anomaly_types)
}

/// Both checkers must give this verdict.
fn assert_verdict(name: &str, history: &History, is_right: bool) {
    let events = history.events.lock();
    let (valid, anomalies) = adya_verdict(&events);
    let own = violations(&events);
    let expected = if is_right { Valid::True } else { Valid::False };
    assert_eq!(valid, expected, "adya on {name}: {anomalies:?}");
    assert_eq!(own.is_empty(), is_right, "own checker on {name}: {own:?}");
}

async fn create_lists(primary: &PgPool, schema: &str) {
    let sql = format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.lists (list bigint PRIMARY KEY, \
         items bigint[] NOT NULL DEFAULT '{{}}'); \
         INSERT INTO {schema}.lists SELECT generate_series(0, {}); \
         CREATE ROLE {schema} SUPERUSER LOGIN",
        LISTS - 1
    );
    primary.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

/// The URLs with another user. Each user finds its own table `lists` in the schema of its name.
/// The user also needs the tables of the schema `public`, which is next in its search path.
fn as_user(urls: &[String], user: &str) -> Vec<String> {
    let with_user = |url: &String| url.replace("workshop@", &format!("{user}@"));
    urls.iter().map(with_user).collect()
}

#[tokio::test]
async fn both_checkers_accept_only_the_right_writer() {
    let cluster = PostgresCluster::builder().replicas(2).wal_links();
    let cluster = cluster.synchronous_standbys(1).start().await.unwrap();
    let primary = migrated(&cluster).await;
    let names = ["fixed", "early", "unfenced"];
    let histories = names.map(|_| Arc::new(History::default()));
    let mut directories = Vec::new();
    for name in names {
        create_lists(&primary, name).await;
        directories.push(
            PrimaryDirectory::open(as_user(&urls(&cluster), name))
                .await
                .unwrap(),
        );
    }
    let writers: Vec<Writer> = directories
        .iter()
        .map(|directory| Writer::new(Arc::clone(directory), CommitMode::On))
        .collect();
    let mut clients = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        clients.extend(history.start_clients(&writers[index], index == 1));
    }
    for history in &histories {
        history.wait_for(Kind::Ok, 20).await;
    }

    // A standby must not have what a transaction has written when the primary fails. So every
    // transaction ends before the links are cut. Afterwards each list is locked by one transaction,
    // which waits for a standby.
    let pauses = join_all(histories.iter().map(|history| history.pause.write())).await;
    for replica in 0..2 {
        cluster.wal_link(replica).inject(Fault::Blackhole);
    }
    drop(pauses);
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    poll_until("writes are in flight on all lists", async || {
        let count: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&primary)
            .await
            .unwrap();
        (count >= 3 * LISTS).then_some(())
    })
    .await;
    cluster.primary().pause().await.unwrap();
    let coordinator = Coordinator::new(servers(&cluster), 1);
    let promotion = within_limit(coordinator.fail_over(0)).await.unwrap();
    cluster.primary().unpause().await.unwrap();
    within_limit(coordinator.fence(0, promotion.epoch))
        .await
        .unwrap();

    // A clone that does not check the epoch, and an operator who makes the old primary writable.
    let former = connect(&cluster.url()).unwrap();
    poll_until("the old primary is writable", async || {
        let mut connection = former.acquire().await.ok()?;
        connection
            .execute("SET default_transaction_read_only = off")
            .await
            .ok()?;
        connection
            .execute("ALTER SYSTEM RESET default_transaction_read_only")
            .await
            .ok()?;
        connection.execute("SELECT pg_reload_conf()").await.ok()
    })
    .await;
    let stale_url = as_user(&[cluster.url()], "unfenced");
    let pool = connect(&stale_url[0]).unwrap();
    let stale = StaleClone(pool);
    poll_until("the unfenced clone writes to the old primary", async || {
        stale.append(&histories[2]).await.then_some(())
    })
    .await;

    for history in &histories {
        history.wait_for(Kind::Ok, 20).await;
        history.is_stopped.store(true, Ordering::Relaxed);
    }
    within_limit(join_all(clients)).await;
    assert!(
        histories[0].count(Kind::Unknown) > 0,
        "no write was in flight at the fail-over"
    );
    for (index, name) in names.into_iter().enumerate() {
        assert_verdict(name, &histories[index], index == 0);
    }
}

/// A clone with a connection to the old primary, without a check of the epoch.
struct StaleClone(PgPool);

impl StaleClone {
    /// Appends without the epoch. Returns whether the old primary confirmed it.
    async fn append(&self, history: &History) -> bool {
        let number = history.next_number.fetch_add(1, Ordering::Relaxed);
        let list = number % LISTS;
        let process = history.next_process.fetch_add(1, Ordering::Relaxed) as usize;
        let start = Event {
            kind: Kind::Start,
            process,
            list,
            number,
            items: Vec::new(),
        };
        history.record(Kind::Start, &start, Vec::new());
        let appended = ch02_database::postgres::transact(&self.0, move |db| {
            Box::pin(async move {
                db.execute("SET LOCAL synchronous_commit = local").await?;
                let append = "UPDATE lists SET items = items || $2 WHERE list = $1 RETURNING items";
                let append = sqlx::query_scalar(append).bind(list).bind(number);
                append.fetch_one(db).await
            })
        });
        let (kind, items) = match appended.await {
            Ok(items) => (Kind::Ok, items),
            Err(_) => (Kind::Unknown, Vec::new()),
        };
        history.record(kind, &start, items);
        kind == Kind::Ok
    }
}
