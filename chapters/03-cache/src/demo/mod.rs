//! The guided demonstration: where a cache has to stand so that three clones have one truth, and
//! what happens when it falls over.
//!
//! PostgreSQL, Redis and Memcached are real, in containers. The clones are three [`ProductCache`]s
//! in this process which share nothing but these servers. What is counted are queries, because they
//! do not depend on how fast this machine is.

mod counting_catalog;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ch02_database::Catalog;
use ch02_database::PgCatalog;
use ch02_database::catalog::GameChange;
use ch02_database::postgres;
use ch02_database::seed::{SeedRequest, seed_store};
use ch03_cache::cache::COMMAND_TIMEOUT;
use ch03_cache::{Cache, CacheStatus, MemcachedCache, MemoryCache, ProductCache, RedisCache};
use testbed::{Server, Service};

use self::counting_catalog::CountingCatalog;

const GAMES: u32 = 100;
const READS: u32 = 1_000;

/// How long to wait for caches that are well: a busy machine must not spoil the counts.
const PATIENT: Duration = Duration::from_secs(5);

/// How long to believe that Redis is coming back.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs all five parts.
pub async fn run() -> anyhow::Result<()> {
    println!("Three clones of a store with {GAMES} games in PostgreSQL. A page costs two queries.");
    println!("Looking for the workshop's servers, or starting them in containers ...\n");
    let database = testbed::postgres().await?;
    let redis = testbed::redis().await?;
    let memcached = testbed::memcached().await?;
    let store = Store::fill(&database.url()).await?;

    let uncached = store
        .read(&store.clones(a_map), Reading::WithoutCache)
        .await?;
    println!("1. No cache.               {uncached}\n");

    let clones = store.clones(a_map);
    let reads = store.read(&clones, Reading::Cached).await?;
    println!("2. A map in each clone.    {reads}: each clone fills a map of its own");
    store.change_the_price(&clones, 1_999).await?;

    let shared: Arc<dyn Cache> = Arc::new(RedisCache::with_timeout(&redis.url(), "", PATIENT)?);
    let clones = store.clones(|| shared.clone());
    let reads = store.read(&clones, Reading::Cached).await?;
    println!("3. One Redis for all.      {reads}: what one clone has read, all have");
    store.change_the_price(&clones, 2_999).await?;

    let nodes = Arc::new(
        MemcachedCache::with_timeout(memcached.nodes(), memcached.prefix(), PATIENT).await?,
    );
    let clones = store.clones(|| nodes.clone());
    let reads = store.read(&clones, Reading::Cached).await?;
    println!("4. Three Memcached nodes.  {reads}: every clone asks the same node for a game");
    let mut held = [0; 3];
    for id in 1..=GAMES {
        held[nodes.node_of(&format!("product:{id}"))] += 1;
    }
    println!(
        "   The nodes hold {}, {} and {} of the {GAMES} games.",
        held[0], held[1], held[2]
    );
    store.change_the_price(&clones, 3_999).await?;

    println!(
        "5. Redis goes away.        A cache must not cost more than the database that it spares."
    );
    println!(
        "   without any cache       {uncached}, {} ms",
        uncached.took.as_millis()
    );
    lose_redis(&store).await?;

    let (node, prefix) = (
        memcached.nodes()[nodes.node_of("product:7")],
        memcached.prefix(),
    );
    println!("\nTry it by hand:");
    println!("   Look at game 7 in Memcached, where it stays for five minutes:");
    println!(
        "      printf 'get {prefix}product:7\\r\\nquit\\r\\n' | nc {} {}",
        node.ip(),
        node.port()
    );
    println!(
        "   Take `clones[0].invalidate(7)` out of src/demo.rs. Which clones show the past then, in 2, 3 and 4?"
    );
    println!(
        "   Take `self.outage.admits()?` out of `get` in src/redis_cache.rs. What does a Redis that hangs cost then? Have some minutes."
    );
    Ok(())
}

fn a_map() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(16 << 20))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    WithoutCache,
    Cached,
}

/// What [`READS`] reads cost.
struct Reads {
    queries: usize,
    took: Duration,
    /// How many took as long as a clone waits for Redis.
    waited: usize,
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{READS} reads, {:>5} queries", self.queries)
    }
}

/// The database that all clones share, and the count of what it is asked.
struct Store {
    catalog: Arc<CountingCatalog<PgCatalog>>,
}

impl Store {
    async fn fill(url: &str) -> anyhow::Result<Self> {
        let pool = postgres::connect(url)?;
        let shards = [pool.clone()];
        let games = Some(GAMES);
        postgres::migrate(&pool, &shards).await?;
        let sizes = SeedRequest {
            games,
            ..SeedRequest::default()
        };
        seed_store(&pool, &shards, sizes, |_, _| ()).await?;
        // No replicas, so there is nobody that a write could wait for.
        let catalog = PgCatalog::open(pool, Vec::new(), None).await;
        let catalog = Arc::new(CountingCatalog::new(catalog));
        Ok(Store { catalog })
    }

    /// Three clones. `cache` is asked once for each: it may give all of them the same one.
    fn clones(&self, cache: impl Fn() -> Arc<dyn Cache>) -> [ProductCache; 3] {
        [(); 3].map(|()| ProductCache::new(cache(), self.catalog.clone()))
    }

    /// Reads the games in turn, from the clones in turn.
    async fn read(&self, clones: &[ProductCache; 3], reading: Reading) -> anyhow::Result<Reads> {
        self.catalog.take_queries();
        let (begin, mut waited) = (Instant::now(), 0);
        for n in 0..READS {
            let (clone, id) = (&clones[n as usize % 3], i64::from(n % GAMES + 1));
            let asked = Instant::now();
            let lookup = match reading {
                Reading::WithoutCache => clone.bypass(id).await?,
                Reading::Cached => clone.get(id).await?,
            };
            waited += usize::from(asked.elapsed() >= COMMAND_TIMEOUT);
            ensure!(lookup.product.is_some(), "game {id} is missing");
        }
        Ok(Reads {
            queries: self.catalog.take_queries(),
            took: begin.elapsed(),
            waited,
        })
    }

    /// Changes the price of game 7 through the first clone, as a request to it would, and prints
    /// what all clones show then.
    async fn change_the_price(&self, clones: &[ProductCache; 3], cents: i64) -> anyhow::Result<()> {
        let new_price = GameChange {
            price_cents: Some(cents),
            ..GameChange::default()
        };
        self.catalog.change(7, &new_price).await?;
        clones[0].invalidate(7).await?;
        let mut stale = 0;
        print!(
            "   Clone 1 sets the price of game 7 to {cents} cents and invalidates it. The clones show"
        );
        for clone in clones {
            let shown = clone
                .get(7)
                .await?
                .product
                .context("game 7 is missing")?
                .game
                .price_cents;
            stale += u32::from(shown != cents);
            print!(" {shown}");
        }
        println!(": {stale} of 3 are wrong.\n");
        Ok(())
    }
}

/// Kills a Redis and freezes it, and reads meanwhile.
async fn lose_redis(store: &Store) -> anyhow::Result<()> {
    let mortal = Server::start(Service::Redis).await?;
    let cache: Arc<dyn Cache> = Arc::new(RedisCache::new(&mortal.url(), "")?);
    let clones = store.clones(|| cache.clone());
    until_hits(&clones[0]).await?;

    mortal.kill().await?;
    let reads = store.read(&clones, Reading::Cached).await?;
    println!(
        "   killed (SIGKILL)        {reads}, {} ms, and every page came",
        reads.took.as_millis()
    );
    let Err(error) = clones[0].invalidate(7).await else {
        bail!("an invalidation went through, although Redis is dead");
    };
    println!("      Who invalidates meanwhile is told \"{error}\".");
    mortal.start_again().await?;
    let took = until_hits(&clones[0]).await?;
    println!(
        "      Started again: hits {} ms later. No clone was started again.",
        took.as_millis()
    );

    mortal.pause().await?;
    let reads = store.read(&clones, Reading::Cached).await?;
    println!(
        "   hangs (docker pause)    {reads}, {} ms, and every page came",
        reads.took.as_millis()
    );
    println!(
        "      {} of {READS} reads waited {COMMAND_TIMEOUT:?} for Redis; the others were spared.",
        reads.waited
    );
    mortal.unpause().await?;
    until_hits(&clones[0]).await?;
    Ok(())
}

/// Waits until pages come from the cache again, and says how long that took.
async fn until_hits(clone: &ProductCache) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    while clone.get(7).await?.status != CacheStatus::Hit {
        ensure!(
            begin.elapsed() < DEADLINE,
            "Redis is there, and nobody has noticed for {DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(begin.elapsed())
}
