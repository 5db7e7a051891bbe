//! Real servers for the tests of every chapter and for `--services docker`: PostgreSQL, Redis, Memcached and RabbitMQ in containers.
//!
//! Two kinds. *Shared* servers are started once and reused by everybody: [`postgres()`], [`redis()`], [`memcached()`] and [`rabbitmq()`]
//! each give a database, a key prefix or a virtual host that nobody else uses, within milliseconds. A [`Server`] and a [`PostgresCluster`] are
//! *dedicated*: to be killed, paused and cut off, and removed in the end. A [`Program`] is one of ours in a container, with a part of a processor. Images are found, pulled or built by
//! themselves ([`images`]). All ports are published on 127.0.0.1 only.
//!
//! ```no_run
//! # async fn example() -> Result<(), testbed::Error> {
//! let redis = testbed::redis().await?;
//! println!("an empty Redis database: {}", redis.url());
//! # Ok(())
//! # }
//! ```
//!
//! Left out: servers on other machines, TLS, and Docker contexts other than the one that `DOCKER_HOST` or the default socket give.

mod cluster;
mod container;
mod docker;
mod error;
mod fault;
mod image;
mod lease;
mod memcached;
mod namespace;
mod postgres;
mod program;
mod program_image;
mod rabbitmq;
mod ready;
mod redis;
mod server;
mod service;
mod shared;

pub use cluster::{PostgresCluster, PostgresClusterBuilder};
pub use container::remove_all;
pub use error::Error;
pub use fault::{Fault, FaultProxy, Transferred};
pub use memcached::{Memcached, memcached};
pub use postgres::{Postgres, postgres};
pub use program::{Program, ProgramBuilder, super_clone};
pub use rabbitmq::{RabbitMq, rabbitmq};
pub use redis::{Redis, redis};
pub use server::{Server, ServerBuilder};
pub use service::Service;
pub use shared::{Shared, shared, up};

/// Getting images, and carrying them to where no registry can be reached.
pub mod images {
    pub use crate::image::{get_all, load, save};
}
