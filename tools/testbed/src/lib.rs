//! Real servers for the tests of every chapter and for `--services docker`: PostgreSQL, Redis,
//! Memcached and RabbitMQ in containers.
//!
//! *Shared* servers are started once and reused by all tests: [`postgres()`], [`redis()`],
//! [`memcached()`] and [`rabbitmq()`] each return a database, a key prefix or a virtual host that
//! no other test uses, within milliseconds. *Dedicated* servers ([`Server`], [`PostgresCluster`],
//! [`PatroniCluster`]) belong to one test, which may kill, pause or disconnect them. A [`Program`]
//! is one of our own programs in a container with limited processor time. A [`Proxy`] is a real
//! HAProxy or nginx in front of a test's servers. [`FaultProxy`] breaks the network in front of a
//! server, and [`PausingProxy`] stops a client between two commands. Missing images are pulled or
//! built ([`images`]). All ports are published on 127.0.0.1 only.
//!
//! ```no_run
//! # async fn example() -> Result<(), testbed::Error> {
//! let redis = testbed::redis().await?;
//! println!("an empty Redis database: {}", redis.url());
//! # Ok(())
//! # }
//! ```
//!
//! Left out: servers on other machines, TLS, Docker contexts other than `DOCKER_HOST` and the
//! default socket, and program images on systems other than Linux.

mod docker;
mod error;
mod fault;
mod namespace;
mod pausing_proxy;
mod server;
mod service;

pub use docker::cleanup::remove_all;
pub use error::Error;
pub use fault::{Fault, FaultProxy, Transferred};
pub use namespace::memcached::{Memcached, memcached};
pub use namespace::postgres::{Postgres, postgres};
pub use namespace::rabbitmq::{RabbitMq, rabbitmq};
pub use namespace::redis::{Redis, redis};
pub use pausing_proxy::{Pause, PausingProxy};
pub use server::dedicated::{Server, ServerBuilder};
pub use server::patroni_cluster::PatroniCluster;
pub use server::postgres_cluster::{PostgresCluster, PostgresClusterBuilder};
pub use server::program::{Program, ProgramBuilder, build_program_image};
pub use server::proxy::Proxy;
pub use server::shared::{Shared, shared, up};
pub use service::{ProxyKind, Service};

/// Gets the images of all servers, and copies them to machines without a registry.
pub mod images {
    pub use crate::docker::image::{get_all, load, save};
}
