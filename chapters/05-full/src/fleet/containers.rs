//! The containers of a store: a PostgreSQL primary with replicas, a PostgreSQL server for each shard, Redis, Memcached, RabbitMQ.

use futures_util::future::try_join_all;
use testbed::{PostgresCluster, Server, Service};

use crate::servers::Addresses;

/// How many Memcached nodes there are: enough to see that keys are spread.
const MEMCACHED_NODES: usize = 3;

/// All containers of one store. Removed when dropped.
pub(super) struct Containers {
    cluster: PostgresCluster,
    shards: Vec<Server>,
    redis: Server,
    memcached: Vec<Server>,
    rabbitmq: Server,
}

impl Containers {
    /// Starts them side by side, and waits until every one answers.
    pub(super) async fn start(replicas: u16, shards: u16) -> Result<Containers, testbed::Error> {
        let cluster = PostgresCluster::builder().replicas(usize::from(replicas));
        let shards = (0..shards).map(|number| {
            let server = Server::builder(Service::Postgres).role(&format!("shard-{number}"));
            server.start()
        });
        // Sessions must outlive a crash of Redis, so it writes every command down, and to the disk once a second.
        let redis = Server::builder(Service::Redis).setting("appendonly", "yes");
        let memcached = (1..=MEMCACHED_NODES).map(|number| {
            Server::builder(Service::Memcached)
                .role(&format!("memcached-{number}"))
                .start()
        });
        // The slowest one first in line.
        let (rabbitmq, cluster, shards, redis, memcached) = tokio::try_join!(
            Server::start(Service::RabbitMq),
            cluster.start(),
            try_join_all(shards),
            redis.start(),
            try_join_all(memcached),
        )?;
        Ok(Containers {
            cluster,
            shards,
            redis,
            memcached,
            rabbitmq,
        })
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            database: self.cluster.url(),
            replicas: self.cluster.replica_urls(),
            shards: self.shards.iter().map(Server::url).collect(),
            redis: self.redis.url(),
            memcached: self.memcached.iter().map(Server::url).collect(),
            cache_prefix: "store:".to_owned(),
            amqp: self.rabbitmq.url(),
        }
    }

    /// What the names of all containers begin with.
    pub(super) fn prefix(&self) -> &str {
        // `workshop-OWNER-PROCESS-NUMBER-ROLE`
        let name = self.redis.name();
        let end = name
            .match_indices('-')
            .nth(2)
            .map_or(name.len(), |(at, _)| at);
        &name[..end]
    }

    /// Removes them side by side.
    pub(super) async fn remove(self) {
        let Containers {
            cluster,
            shards,
            redis,
            memcached,
            rabbitmq,
        } = self;
        let servers = shards.into_iter().chain(memcached).chain([redis, rabbitmq]);
        // A server's `drop` blocks its thread until the container is gone.
        let mut removals: Vec<_> = servers
            .map(|server| tokio::task::spawn_blocking(|| drop(server)))
            .collect();
        removals.push(tokio::task::spawn_blocking(|| drop(cluster)));
        for removal in removals {
            let _ = removal.await;
        }
    }
}
