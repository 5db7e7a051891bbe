//! Servers that all tests share: started once, reused by every test binary and every run, until `cargo workshop down`.
//!
//! A PostgreSQL primary with one replica, a Redis, three Memcached nodes and a RabbitMQ. They are told apart by name, and by a label
//! with a *recipe*, a hash of the image and the script: a server that would be started differently today is replaced.

use std::net::SocketAddr;

use tokio::sync::OnceCell;

use crate::container::{self, Plan};
use crate::docker::{docker, run};
use crate::error::Error;
use crate::image;
use crate::lease;
use crate::service::{Service, replica_script};

/// How many Memcached nodes there are.
pub(crate) const MEMCACHED_NODES: usize = 3;

/// A shared server, without a namespace of one's own: for demonstrations and for whoever looks around by hand.
#[derive(Clone, Debug)]
pub struct Shared {
    service: Service,
    address: SocketAddr,
}

impl Shared {
    /// Where it listens, on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL: of the database `workshop`, of Redis' database 0, of the virtual host `/`.
    pub fn url(&self) -> String {
        self.service.url(self.address)
    }
}

/// The shared server of this kind; the first node of Memcached. Starts it if need be.
pub async fn shared(service: Service) -> Result<Shared, Error> {
    let member = match service {
        Service::Postgres => Member::Primary,
        Service::Redis => Member::Redis,
        Service::Memcached => Member::Memcached(1),
        Service::RabbitMq => Member::RabbitMq,
    };
    let address = run(member.address()).await?;
    Ok(Shared { service, address })
}

/// Starts all shared servers, side by side. Returns each container's name and address.
pub async fn up() -> Result<Vec<(String, SocketAddr)>, Error> {
    run(async {
        let all = Member::all().into_iter().map(|member| async move {
            let address = member.address().await?;
            Ok::<_, Error>((member.name(), address))
        });
        futures_util::future::try_join_all(all).await
    })
    .await
}

/// One of the shared servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Primary,
    Replica,
    Redis,
    /// Counted from 1.
    Memcached(usize),
    RabbitMq,
}

impl Member {
    fn all() -> Vec<Member> {
        let mut all = vec![
            Member::RabbitMq,
            Member::Primary,
            Member::Replica,
            Member::Redis,
        ];
        all.extend((1..=MEMCACHED_NODES).map(Member::Memcached));
        all
    }

    fn service(self) -> Service {
        match self {
            Member::Primary | Member::Replica => Service::Postgres,
            Member::Redis => Service::Redis,
            Member::Memcached(_) => Service::Memcached,
            Member::RabbitMq => Service::RabbitMq,
        }
    }

    /// The container's name.
    pub(crate) fn name(self) -> String {
        let owner = lease::owner();
        match self {
            Member::Replica => format!("workshop-{owner}-postgres-replica"),
            Member::Memcached(number) => format!("workshop-{owner}-memcached-{number}"),
            other => format!("workshop-{owner}-{}", other.service().name()),
        }
    }

    /// Where the server answers. Starts it if it does not run, or runs by another recipe.
    pub(crate) async fn address(self) -> Result<SocketAddr, Error> {
        swept().await?;
        let name = self.name();
        // The usual case, without a lock: it runs already.
        let plan = self.plan().await?;
        if container::running_recipe(&name).await?.as_ref() == Some(&plan.recipe) {
            return container::wait(&name, plan.service).await;
        }
        let _lock = lease::lock(&name).await?;
        if container::running_recipe(&name).await?.as_ref() != Some(&plan.recipe) {
            container::remove(&name).await?;
            return container::start(&plan).await;
        }
        container::wait(&name, plan.service).await
    }

    async fn plan(self) -> Result<Plan, Error> {
        let service = self.service();
        let image = image::get(service).await?;
        let mut made_of = image.clone();
        let script = match self {
            Member::Primary => service.script(&postgres_settings()),
            Member::Replica => {
                let primary = Member::Primary.name();
                Box::pin(Member::Primary.address()).await?;
                let id = docker().await?.inspect_container(&primary, None).await;
                let id = id
                    .map_err(|error| Error::docker(format!("look at {primary}"), &error))?
                    .id;
                // A copy of another primary is of no use.
                made_of.push_str(&id.unwrap_or_default());
                replica_script(&primary, "shared", &postgres_settings())
            }
            _ => service.script(&[]),
        };
        let recipe = format!(
            "{:016x}",
            fnv1a(format!("{made_of}\n{:?}\n{script}", service.more_ports()).as_bytes())
        );
        Ok(Plan {
            name: self.name(),
            service,
            image,
            script,
            port: None,
            lease: None,
            recipe,
        })
    }
}

/// Of the primary and of its replica, which would not start with less than the primary has.
fn postgres_settings() -> Vec<(String, String)> {
    let settings = [
        // Many tests at once, each with pools of its own.
        ("max_connections", "400"),
        // Nobody tests here what a power cut leaves; a server that does is a dedicated one, and syncs.
        ("fsync", "off"),
        // A replica that is away must not fill the disk with what the primary keeps for it.
        ("max_slot_wal_keep_size", "512MB"),
    ];
    settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// Removes what dead processes have left, once in this process.
pub(crate) async fn swept() -> Result<(), Error> {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    SWEPT
        .get_or_try_init(container::remove_left_behind)
        .await
        .copied()
}

/// Tells recipes apart; the same in every build.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
