//! The servers that all tests share. They start once and run until `cargo workshop down`.
//!
//! They are a PostgreSQL primary with one replica, a Redis, three Memcached nodes and a RabbitMQ.
//! Each has a fixed container name, and a label with its *recipe*: a hash of the image and the
//! start script. If the recipe has changed, the server is replaced.

use std::net::SocketAddr;

use common::hash::fnv1a;

use crate::docker::container::{self, ContainerSpec};
use crate::docker::{self, cleanup, image, lease};
use crate::error::Error;
use crate::service::Service;
use crate::service::script::{replica_script, start_script};

/// The number of Memcached nodes.
pub(crate) const MEMCACHED_NODES: usize = 3;

/// A shared server without a namespace of its own, for demonstrations and for use by hand.
#[derive(Clone, Debug)]
pub struct Shared {
    service: Service,
    address: SocketAddr,
}

impl Shared {
    /// Its address on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of PostgreSQL's database `workshop`, Redis' database 0, or RabbitMQ's virtual host
    /// `/`.
    pub fn url(&self) -> String {
        self.service.url(self.address)
    }
}

/// The shared server of this kind (for Memcached the first node). Starts it if necessary.
pub async fn shared(service: Service) -> Result<Shared, Error> {
    let server = match service {
        Service::Postgres => SharedServer::Primary,
        Service::Redis => SharedServer::Redis,
        Service::Memcached => SharedServer::Memcached(1),
        Service::RabbitMq => SharedServer::RabbitMq,
    };
    let address = docker::run(server.address()).await?;
    Ok(Shared { service, address })
}

/// Starts all shared servers at the same time. Returns each container's name and address.
pub async fn up() -> Result<Vec<(String, SocketAddr)>, Error> {
    docker::run(async {
        let all = SharedServer::all().into_iter().map(|server| async move {
            let address = server.address().await?;
            Ok::<_, Error>((server.container_name(), address))
        });
        futures_util::future::try_join_all(all).await
    })
    .await
}

/// One of the shared servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SharedServer {
    Primary,
    Replica,
    Redis,
    /// The number of the node, from 1.
    Memcached(usize),
    RabbitMq,
}

impl SharedServer {
    fn all() -> Vec<SharedServer> {
        let mut all = vec![
            SharedServer::RabbitMq,
            SharedServer::Primary,
            SharedServer::Replica,
            SharedServer::Redis,
        ];
        all.extend((1..=MEMCACHED_NODES).map(SharedServer::Memcached));
        all
    }

    fn service(self) -> Service {
        match self {
            SharedServer::Primary | SharedServer::Replica => Service::Postgres,
            SharedServer::Redis => Service::Redis,
            SharedServer::Memcached(_) => Service::Memcached,
            SharedServer::RabbitMq => Service::RabbitMq,
        }
    }

    pub(crate) fn container_name(self) -> String {
        let owner = lease::owner();
        match self {
            SharedServer::Replica => format!("workshop-{owner}-postgres-replica"),
            SharedServer::Memcached(number) => format!("workshop-{owner}-memcached-{number}"),
            other => format!("workshop-{owner}-{}", other.service().name()),
        }
    }

    /// The server's address. Starts the server if it does not run or has an outdated recipe.
    pub(crate) async fn address(self) -> Result<SocketAddr, Error> {
        cleanup::remove_orphans().await?;
        let name = self.container_name();
        // The usual case needs no lock: the server runs already.
        let spec = self.container_spec().await?;
        if is_current(&spec).await? {
            return container::wait_for_service(&name, spec.service).await;
        }
        let _lock = lease::lock(&name).await?;
        if !is_current(&spec).await? {
            container::remove(&name).await?;
            return container::start(&spec).await;
        }
        container::wait_for_service(&name, spec.service).await
    }

    async fn container_spec(self) -> Result<ContainerSpec, Error> {
        let service = self.service();
        let image = image::get(image::image(service)).await?;
        let mut source = image.clone();
        let script = match self {
            SharedServer::Primary => start_script(service, &postgres_settings()),
            SharedServer::Replica => {
                let primary = SharedServer::Primary.container_name();
                Box::pin(SharedServer::Primary.address()).await?;
                let docker = docker::client().await?;
                let container = docker.inspect_container(&primary, None).await;
                let container = container
                    .map_err(|error| Error::docker(format!("inspect {primary}"), &error))?;
                // A replica is a copy of one primary. A new primary needs a new replica.
                source.push_str(&container.id.unwrap_or_default());
                replica_script((&primary, service.port()), "shared", &postgres_settings())
            }
            _ => start_script(service, &[]),
        };
        let recipe = format!("{source}\n{:?}\n{script}", service.more_ports());
        Ok(ContainerSpec {
            name: self.container_name(),
            service,
            more_ports: service.more_ports().to_vec(),
            image,
            script,
            port: None,
            lease: None,
            recipe: format!("{:016x}", fnv1a(recipe.as_bytes())),
        })
    }
}

async fn is_current(spec: &ContainerSpec) -> Result<bool, Error> {
    let recipe = container::recipe_if_running(&spec.name).await?;
    Ok(recipe.as_ref() == Some(&spec.recipe))
}

/// For the primary and its replica: PostgreSQL requires that a replica has the same or higher
/// limits.
fn postgres_settings() -> Vec<(String, String)> {
    let settings = [
        // Many tests run at the same time, each with its own connection pools.
        ("max_connections", "400"),
        // No test cuts the power of a shared server. Dedicated servers use `fsync`.
        ("fsync", "off"),
        // The primary keeps WAL for a replica that is away. This limits how much.
        ("max_slot_wal_keep_size", "512MB"),
    ];
    settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}
