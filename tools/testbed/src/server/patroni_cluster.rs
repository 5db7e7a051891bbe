//! PostgreSQL under Patroni: three servers that elect their primary themselves.
//!
//! Each container runs PostgreSQL, Patroni and a member of etcd, which stores who leads. Killing a
//! container leaves two members, which are a majority. Replication is synchronous: a commit waits
//! for the standby that Patroni has named, and only that standby may become the next primary.
//! <https://patroni.readthedocs.io/en/latest/replication_modes.html>

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use crate::docker::image::patroni_image;
use crate::docker::{self, client, container};
use crate::error::Error;
use crate::server::dedicated::{Server, next_name};
use crate::service::Service;
use crate::service::probe::Probe;

const NODES: usize = 3;

/// The port of Patroni's REST interface.
const REST: u16 = 8008;

/// How long the servers may take to have a primary and a synchronous standby.
const START_TIMEOUT: Duration = Duration::from_mins(2);

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Three servers, one of which is the primary.
#[derive(Debug)]
pub struct PatroniCluster {
    nodes: Vec<Server>,
}

impl PatroniCluster {
    /// Starts the servers. Returns when there is a primary with a synchronous standby.
    pub async fn start() -> Result<PatroniCluster, Error> {
        let mut names = Vec::with_capacity(NODES);
        for number in 1..=NODES {
            let role = format!("patroni-{number}");
            names.push(docker::run(async move { next_name(&role).await }).await?);
        }
        let nodes = names.iter().map(|name| {
            Server::builder(Service::Postgres)
                .name(name)
                .image(patroni_image())
                .more_port(REST)
                .script(script(name, &names))
                .start()
        });
        let cluster = PatroniCluster {
            nodes: try_join_all(nodes).await?,
        };
        cluster.wait_for_standby().await?;
        Ok(cluster)
    }

    /// All servers, in a fixed order.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The index of the server that says it is the primary, if there is one.
    pub async fn primary(&self) -> Option<usize> {
        self.all_with("/primary").await.first().copied()
    }

    /// Returns when there is a primary, and a standby that may succeed it.
    pub async fn wait_for_standby(&self) -> Result<(), Error> {
        self.wait_for_standbys(1).await
    }

    /// Returns when every server runs: a primary, and standbys of which one may succeed it.
    pub async fn wait_for_all(&self) -> Result<(), Error> {
        self.wait_for_standbys(NODES - 1).await
    }

    async fn wait_for_standbys(&self, wanted: usize) -> Result<(), Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // Patroni answers this with 200 on the standby whose name it has stored in etcd.
            let standbys = self.all_with("/synchronous").await;
            let is_ready = !standbys.is_empty() && self.primary().await.is_some();
            if is_ready && self.all_with("/replica").await.len() >= wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::StartTimeout {
                    server: self.nodes[0].name().to_owned(),
                    seconds: START_TIMEOUT.as_secs(),
                    log: self.nodes[0].logs().await?,
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The indices of the servers whose Patroni answers 200 at this path.
    async fn all_with(&self, path: &'static str) -> Vec<usize> {
        let mut found = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let name = node.name().to_owned();
            let asked = docker::run(async move {
                let docker = client().await?;
                let address = container::published_port(&docker, &name, REST).await?;
                Ok(match address {
                    Some(address) => Probe::Http(REST, path).succeeds(address).await,
                    None => false,
                })
            });
            if matches!(asked.await, Ok::<_, Error>(true)) {
                found.push(index);
            }
        }
        found
    }
}

/// The start script of one node. After a restart the files are there, and Patroni joins the cluster
/// with `pg_rewind` or a new copy.
fn script(name: &str, names: &[String]) -> String {
    let list = |format: &dyn Fn(&String) -> String| {
        let formatted: Vec<String> = names.iter().map(format).collect();
        formatted.join(",")
    };
    SCRIPT
        .replace("CLIENTS", &list(&|name| format!("{name}:2379")))
        .replace("PEERS", &list(&|name| format!("{name}=http://{name}:2380")))
        .replace("NAME", name)
}

/// A promotion begins a new timeline, whose number is that of the old one plus one. So the timeline
/// is the epoch for the writers of chapter 2 (its function `start_epoch`).
const SCRIPT: &str = r#"
export HOME=/tmp
cat > /tmp/create_database <<'END'
#!/bin/sh
exec psql --dbname="$1" --command='CREATE DATABASE workshop'
END
cat > /tmp/start_epoch <<'END'
#!/bin/sh
[ "$2" = primary ] || exit 0
# The promotion may not have ended yet.
for attempt in $(seq 300); do
  psql --host=/tmp --username=workshop --dbname=workshop --command="
    SET synchronous_commit = local;
    SELECT start_epoch(('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint)" \
    >/dev/null 2>&1 && exit 0
  sleep 0.1
done
END
chmod +x /tmp/create_database /tmp/start_epoch
cat > /tmp/patroni.yml <<'END'
scope: workshop
name: NAME
restapi:
  listen: 0.0.0.0:8008
  connect_address: NAME:8008
etcd3:
  hosts: [CLIENTS]
bootstrap:
  dcs:
    # The primary must renew its lease within `ttl` seconds. 20 is the least that Patroni accepts.
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    # Without a standby, commits wait. The default is to go on without one.
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters:
        max_connections: 100
        wal_keep_size: 256MB
  initdb:
    - encoding: UTF8
    - locale: C.UTF-8
    - auth: trust
    # pg_rewind needs them.
    - data-checksums
  post_init: /tmp/create_database
postgresql:
  listen: 0.0.0.0:5432
  connect_address: NAME:5432
  data_dir: /tmp/data
  pgpass: /tmp/pgpass
  authentication:
    superuser: {username: workshop}
    replication: {username: workshop}
    rewind: {username: workshop}
  pg_hba:
    - local all all trust
    - host all all all trust
    - host replication all all trust
  basebackup:
    - checkpoint: fast
    - no-sync
  parameters:
    unix_socket_directories: /tmp
  callbacks:
    on_role_change: /tmp/start_epoch
END
etcd --name=NAME --data-dir=/tmp/etcd --heartbeat-interval=500 --election-timeout=2500 \
  --listen-client-urls=http://0.0.0.0:2379 --advertise-client-urls=http://NAME:2379 \
  --listen-peer-urls=http://0.0.0.0:2380 --initial-advertise-peer-urls=http://NAME:2380 \
  --initial-cluster=PEERS >/tmp/etcd.log 2>&1 &
exec patroni /tmp/patroni.yml"#;
