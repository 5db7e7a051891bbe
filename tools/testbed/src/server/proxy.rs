//! A reverse proxy in a container, in front of servers of a test.
//!
//! It shares the network of this machine, so it reaches servers that listen on 127.0.0.1, and its
//! configuration makes it listen there. Linux only: elsewhere Docker runs in a virtual machine with
//! a network of its own. The container is removed like that of a [`Server`](crate::Server).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use testcontainers::bollard::models::{ContainerCreateBody, HostConfig};
use testcontainers::bollard::query_parameters::CreateContainerOptionsBuilder;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::docker::labels::{LEASE, OWNER};
use crate::docker::{self, cleanup, container, image, lease};
use crate::error::Error;
use crate::service::ProxyKind;

/// The pause between two attempts to connect to a proxy that starts.
const CONNECT_INTERVAL: Duration = Duration::from_millis(20);

/// A running proxy. Dropping it removes the container.
#[derive(Debug)]
pub struct Proxy {
    name: String,
}

impl Proxy {
    /// Starts a proxy with this configuration file, and waits until it listens on `address`. Gets
    /// the image if necessary.
    pub async fn start(
        kind: ProxyKind,
        configuration: &str,
        address: SocketAddr,
    ) -> Result<Proxy, Error> {
        let configuration = configuration.to_owned();
        docker::run(async move {
            let proxy = create_and_start(kind, configuration).await?;
            while TcpStream::connect(address).await.is_err() {
                container::check_is_running(&proxy.name).await?;
                sleep(CONNECT_INTERVAL).await;
            }
            Ok(proxy)
        })
        .await
    }
}

async fn create_and_start(kind: ProxyKind, configuration: String) -> Result<Proxy, Error> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    cleanup::remove_orphans().await?;
    let (lease, docker) = (lease::lease().await?, docker::client().await?);
    let (owner, number) = (lease::owner(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let name = format!("workshop-{owner}-{}-x{number}-proxy", lease.id);
    let labels = [(OWNER, owner), (LEASE, lease.id.clone())];
    let body = ContainerCreateBody {
        image: Some(image::get(image::proxy_image(kind)).await?),
        // The user `nobody`: a proxy on a high port needs no rights.
        user: Some("65534:65534".to_owned()),
        working_dir: Some("/tmp".to_owned()),
        entrypoint: Some(["sh", "-c", script(kind)].map(ToOwned::to_owned).into()),
        cmd: Some(Vec::new()),
        env: Some(vec![
            format!("CONFIGURATION={configuration}"),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ]),
        labels: Some(
            labels
                .map(|(label, value)| (label.to_owned(), value))
                .into(),
        ),
        host_config: Some(HostConfig {
            network_mode: Some("host".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let created = docker.create_container(Some(options), body).await;
    created.map_err(|error| Error::docker(format!("create {name}"), &error))?;
    // From here on, dropping the value removes the container.
    let proxy = Proxy { name };
    let started = docker.start_container(&proxy.name, None).await;
    started.map_err(|error| Error::docker(format!("start {}", proxy.name), &error))?;
    Ok(proxy)
}

/// The shell script that starts the proxy in the foreground.
fn script(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::HaProxy => {
            r#"printf %s "$CONFIGURATION" >configuration && exec haproxy -db -f configuration"#
        }
        ProxyKind::Nginx => {
            r#"printf %s "$CONFIGURATION" >configuration && exec nginx -p /tmp -e stderr -c configuration"#
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        container::remove_on_drop(&self.name);
    }
}
