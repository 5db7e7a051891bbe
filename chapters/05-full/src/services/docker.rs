//! The servers of a store in containers: PostgreSQL, Redis, Memcached and RabbitMQ.
//!
//! [`Containers::start`] starts them with the testbed. [`Containers::addresses`] gives their
//! addresses, which [`ExternalServers`](super::external::ExternalServers) connects to.

use futures_util::future::try_join_all;
use testbed::{PostgresCluster, Server, Service};

use super::external::{Addresses, OrderAddresses};

/// How many Memcached nodes a store has: enough to see that keys are distributed.
const MEMCACHED_NODES: usize = 3;

/// All containers of one store. Dropping the value removes them.
pub struct Containers {
    cluster: PostgresCluster,
    shards: Vec<Server>,
    redis: Server,
    memcached: Vec<Server>,
    rabbitmq: Server,
}

impl Containers {
    /// Starts the containers concurrently and waits until each server answers.
    pub async fn start(replicas: u16, shards: u16) -> Result<Containers, testbed::Error> {
        let cluster = PostgresCluster::builder().replicas(usize::from(replicas));
        let shards = (0..shards).map(|number| {
            let server = Server::builder(Service::Postgres).role(&format!("shard-{number}"));
            server.start()
        });
        // Sessions must survive a crash of Redis. With `appendonly`, Redis logs every command and
        // writes the log to disk once a second.
        let redis = Server::builder(Service::Redis).setting("appendonly", "yes");
        let memcached = (1..=MEMCACHED_NODES).map(|number| {
            Server::builder(Service::Memcached)
                .role(&format!("memcached-{number}"))
                .start()
        });
        // RabbitMQ is the slowest to start, so it comes first.
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

    /// The addresses of the servers.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            database: self.cluster.url(),
            replicas: self.cluster.replica_urls(),
            orders: OrderAddresses::Shards(self.shards.iter().map(Server::url).collect()),
            redis: self.redis.url(),
            memcached: self.memcached.iter().map(Server::url).collect(),
            cache_prefix: "store:".to_owned(),
            amqp: self.rabbitmq.url(),
        }
    }

    /// The common prefix of all container names.
    pub fn name_prefix(&self) -> &str {
        // A name is `workshop-OWNER-PROCESS-NUMBER-ROLE`.
        let name = self.redis.name();
        let end = name
            .match_indices('-')
            .nth(2)
            .map_or(name.len(), |(index, _)| index);
        &name[..end]
    }

    /// Removes the containers concurrently.
    pub async fn remove(self) {
        let Containers {
            cluster,
            shards,
            redis,
            memcached,
            rabbitmq,
        } = self;
        let servers = shards.into_iter().chain(memcached).chain([redis, rabbitmq]);
        // Dropping a server blocks the thread until its container is removed.
        let mut removals: Vec<_> = servers
            .map(|server| tokio::task::spawn_blocking(|| drop(server)))
            .collect();
        removals.push(tokio::task::spawn_blocking(|| drop(cluster)));
        for removal in removals {
            let _ = removal.await;
        }
    }
}
