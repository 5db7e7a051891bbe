//! The guided demonstration: which cache gives three clones the same values, and what happens when
//! the cache fails.
//!
//! PostgreSQL, Redis and Memcached are real servers in containers. The clones are three
//! [`ProductCache`]s in this process that share only these servers. The demonstration counts
//! queries, because a count does not depend on the speed of the machine.

mod counting_catalog;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ch02_database::PgCatalog;
use ch02_database::catalog::GameChange;
use ch02_database::postgres;
use ch02_database::replication::RouterSettings;
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency};
use ch03_cache::cache::COMMAND_TIMEOUT;
use ch03_cache::{Cache, CacheStatus, MemcachedCache, MemoryCache, ProductCache, RedisCache};
use testbed::{Server, Service};

use self::counting_catalog::CountingCatalog;

const GAMES: u32 = 100;
const READS: u32 = 1_000;

/// The time-out for healthy caches. It is long, so that a busy machine does not change the counts.
const LONG_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for a restarted Redis.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs all five parts.
pub async fn run() -> anyhow::Result<()> {
    println!(
        "Three clones of a store with {GAMES} games in PostgreSQL. A product costs two queries."
    );
    println!("Starting the workshop's servers in containers, if they do not run yet ...\n");
    let database = testbed::postgres().await?;
    let redis = testbed::redis().await?;
    let memcached = testbed::memcached().await?;
    let store = Store::fill(&database.url()).await?;

    let uncached = store
        .read(&store.clones(map_in_process), ReadMode::WithoutCache)
        .await?;
    println!("1. No cache.               {uncached}\n");

    let clones = store.clones(map_in_process);
    let reads = store.read(&clones, ReadMode::Cached).await?;
    println!("2. A map in each clone.    {reads}: each clone fills its own map");
    store.change_price(&clones, 1_999).await?;

    let shared: Arc<dyn Cache> =
        Arc::new(RedisCache::with_timeout(&redis.url(), "", LONG_TIMEOUT)?);
    let clones = store.clones(|| shared.clone());
    let reads = store.read(&clones, ReadMode::Cached).await?;
    println!("3. One Redis for all.      {reads}: one clone reads a game, all clones have it");
    store.change_price(&clones, 2_999).await?;

    let nodes = Arc::new(
        MemcachedCache::with_timeout(memcached.nodes(), memcached.prefix(), LONG_TIMEOUT).await?,
    );
    let clones = store.clones(|| nodes.clone());
    let reads = store.read(&clones, ReadMode::Cached).await?;
    println!("4. Three Memcached nodes.  {reads}: all clones use the same node for a game");
    let mut games_per_node = [0; 3];
    for id in 1..=GAMES {
        games_per_node[nodes.node_of(&format!("product:{id}"))] += 1;
    }
    println!(
        "   The nodes hold {}, {} and {} of the {GAMES} games.",
        games_per_node[0], games_per_node[1], games_per_node[2]
    );
    store.change_price(&clones, 3_999).await?;

    println!(
        "5. Redis fails.            A cache must not cost more than the queries that it saves."
    );
    println!(
        "   without any cache       {uncached}, {} ms",
        uncached.elapsed.as_millis()
    );
    fail_redis(&store).await?;

    let (node, prefix) = (
        memcached.nodes()[nodes.node_of("product:7")],
        memcached.prefix(),
    );
    println!("\nTry it yourself:");
    println!("   Read game 7 from Memcached, where it stays for five minutes:");
    println!(
        "      printf 'get {prefix}product:7\\r\\nquit\\r\\n' | nc {} {}",
        node.ip(),
        node.port()
    );
    println!(
        "   Remove `clones[0].invalidate(…)` from src/demo/mod.rs. Which clones are stale then?"
    );
    println!(
        "   Remove `self.circuit_breaker.allow()?` from `get` in src/cache/redis.rs.\n      \
         What does a hanging Redis cost then? (The demonstration takes minutes.)"
    );
    Ok(())
}

fn map_in_process() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(16 << 20))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadMode {
    WithoutCache,
    Cached,
}

/// The cost of [`READS`] reads.
struct ReadCost {
    queries: usize,
    elapsed: Duration,
    /// How many reads waited for the whole time-out of Redis.
    waited: usize,
}

impl fmt::Display for ReadCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{READS} reads, {:>5} queries", self.queries)
    }
}

/// The database that all clones share, with its query count.
struct Store {
    catalog: Arc<CountingCatalog<PgCatalog>>,
}

impl Store {
    async fn fill(url: &str) -> anyhow::Result<Self> {
        let pool = postgres::connect(url)?;
        let shards = [pool.clone()];
        let games = Some(GAMES);
        postgres::migrate(&pool, &shards).await?;
        let request = SeedRequest {
            games,
            ..SeedRequest::default()
        };
        seed_store(&pool, &shards, request, |_, _| ()).await?;
        let catalog = PgCatalog::open(pool, Vec::new(), RouterSettings::default()).await;
        let catalog = Arc::new(CountingCatalog::new(catalog));
        Ok(Store { catalog })
    }

    /// Three clones. `cache` is called once for each clone and may return the same cache.
    fn clones(&self, cache: impl Fn() -> Arc<dyn Cache>) -> [ProductCache; 3] {
        [(); 3].map(|()| ProductCache::new(cache(), self.catalog.clone()))
    }

    /// Reads one game after the other, each from the next clone.
    async fn read(&self, clones: &[ProductCache; 3], mode: ReadMode) -> anyhow::Result<ReadCost> {
        self.catalog.take_queries();
        let (start, mut waited) = (Instant::now(), 0);
        for n in 0..READS {
            let (clone, id) = (&clones[n as usize % 3], i64::from(n % GAMES + 1));
            let read_start = Instant::now();
            let lookup = match mode {
                ReadMode::WithoutCache => clone.bypass(id, Consistency::Eventual).await?,
                ReadMode::Cached => clone.get(id, Consistency::Eventual).await?,
            };
            waited += usize::from(read_start.elapsed() >= COMMAND_TIMEOUT);
            ensure!(lookup.product.is_some(), "game {id} is missing");
        }
        Ok(ReadCost {
            queries: self.catalog.take_queries(),
            elapsed: start.elapsed(),
            waited,
        })
    }

    /// Changes the price of game 7 through the first clone, then prints what all clones return.
    async fn change_price(&self, clones: &[ProductCache; 3], cents: i64) -> anyhow::Result<()> {
        let new_price = GameChange {
            price_cents: Some(cents),
            ..GameChange::default()
        };
        let written = self.catalog.change(7, &new_price).await?;
        clones[0].invalidate(7, written.token).await?;
        let mut stale = 0;
        print!("   Clone 1 sets game 7 to {cents} cents and invalidates it.\n   The clones return");
        for clone in clones {
            let shown = clone
                .get(7, Consistency::Eventual)
                .await?
                .product
                .context("game 7 is missing")?
                .game
                .price_cents;
            stale += u32::from(shown != cents);
            print!(" {shown}");
        }
        println!(": {stale} of 3 are stale.\n");
        Ok(())
    }
}

/// Kills and then pauses a Redis server while the clones read.
async fn fail_redis(store: &Store) -> anyhow::Result<()> {
    let server = Server::start(Service::Redis).await?;
    let cache: Arc<dyn Cache> = Arc::new(RedisCache::new(&server.url(), "")?);
    let clones = store.clones(|| cache.clone());
    wait_for_hit(&clones[0]).await?;

    server.kill().await?;
    let reads = store.read(&clones, ReadMode::Cached).await?;
    println!(
        "   killed (SIGKILL)        {reads}, {} ms, and every read succeeded",
        reads.elapsed.as_millis()
    );
    let Err(error) = clones[0].invalidate(7, None).await else {
        bail!("expected the invalidation to fail, because Redis is dead");
    };
    println!("      An invalidation fails with \"{error}\".");
    server.start_again().await?;
    let elapsed = wait_for_hit(&clones[0]).await?;
    println!(
        "      Redis is started again: hits {} ms later, without a restart of the clones.",
        elapsed.as_millis()
    );

    server.pause().await?;
    let reads = store.read(&clones, ReadMode::Cached).await?;
    println!(
        "   hangs (docker pause)    {reads}, {} ms, and every read succeeded",
        reads.elapsed.as_millis()
    );
    println!(
        "      {} of {READS} reads waited {COMMAND_TIMEOUT:?} for Redis; the circuit breaker saved the others from waiting.",
        reads.waited
    );
    server.unpause().await?;
    wait_for_hit(&clones[0]).await?;
    Ok(())
}

/// Waits for a hit and returns how long that took.
async fn wait_for_hit(clone: &ProductCache) -> anyhow::Result<Duration> {
    let start = Instant::now();
    while clone.get(7, Consistency::Eventual).await?.status != CacheStatus::Hit {
        ensure!(
            start.elapsed() < DEADLINE,
            "no hit within {DEADLINE:?}, although Redis is up"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(start.elapsed())
}
