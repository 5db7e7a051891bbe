//! A server for one test, which may kill, pause and disconnect it.
//!
//! Dropping the [`Server`] removes its container, also when the test panics. If the whole process
//! is killed, the next process that uses the testbed removes the container
//! ([`crate::docker::lease`]).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use testcontainers::bollard::query_parameters::{
    KillContainerOptionsBuilder, WaitContainerOptions,
};
use tokio::time::timeout;

use crate::docker::container::{self, ContainerSpec};
use crate::docker::image::Image;
use crate::docker::network::network;
use crate::docker::{self, cleanup, cpu_quota, image, lease};
use crate::error::Error;
use crate::service::Service;
use crate::service::script::start_script;

/// How long a server may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How many ports are tried if another process takes the chosen one.
const PORT_ATTEMPTS: usize = 5;

/// A server in a container of its own.
#[derive(Debug)]
pub struct Server {
    name: String,
    service: Service,
    address: SocketAddr,
}

/// Settings for a [`Server`].
#[derive(Debug)]
pub struct ServerBuilder {
    service: Service,
    role: String,
    script: Option<String>,
    settings: Vec<(String, String)>,
    name: Option<String>,
    image: Option<Image>,
    more_ports: Vec<u16>,
}

impl ServerBuilder {
    /// Adds one of the server's own settings: `("synchronous_commit", "off")` for PostgreSQL,
    /// `("maxmemory", "16mb")` for Redis, `("m", "16")` for Memcached's flag `-m`, or a line of
    /// rabbitmq.conf for RabbitMQ.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The last part of the container's name. The service's name by default.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        role.clone_into(&mut self.role);
        self
    }

    /// Another start script, for replicas.
    pub(crate) fn script(mut self, script: String) -> Self {
        self.script = Some(script);
        self
    }

    /// A name from [`next_name`], for servers that must know each other's names.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Another image that contains the service.
    pub(crate) fn image(mut self, image: Image) -> Self {
        self.image = Some(image);
        self
    }

    /// Publishes one more port of the container.
    pub(crate) fn more_port(mut self, port: u16) -> Self {
        self.more_ports.push(port);
        self
    }

    /// Starts the server and waits until it answers.
    pub async fn start(self) -> Result<Server, Error> {
        docker::run(self.start_on_runtime()).await
    }

    async fn start_on_runtime(self) -> Result<Server, Error> {
        cleanup::remove_orphans().await?;
        let lease = lease::lease().await?;
        let service = self.service;
        let name = match self.name {
            Some(name) => name,
            None => next_name(&self.role).await?,
        };
        let script = self
            .script
            .unwrap_or_else(|| start_script(service, &self.settings));
        let mut spec = ContainerSpec {
            name: name.clone(),
            service,
            more_ports: [service.more_ports(), &self.more_ports].concat(),
            image: image::get(self.image.unwrap_or_else(|| image::image(service))).await?,
            script,
            port: None,
            lease: Some(lease.id.clone()),
            recipe: "dedicated".to_owned(),
        };
        let mut attempt = 1;
        loop {
            // A port that we choose stays the same after a restart. Docker would choose a new one.
            spec.port = Some(container::free_port());
            match container::start(&spec).await {
                Ok(address) => {
                    return Ok(Server {
                        name,
                        service,
                        address,
                    });
                }
                Err(Error::Docker { reason, .. })
                    if attempt < PORT_ATTEMPTS && is_port_taken(&reason) =>
                {
                    attempt += 1;
                }
                Err(error) => {
                    container::remove(&name).await?;
                    return Err(error);
                }
            }
        }
    }
}

/// The name of the next container with this role.
pub(crate) async fn next_name(role: &str) -> Result<String, Error> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (owner, lease) = (lease::owner(), lease::lease().await?);
    Ok(format!("workshop-{owner}-{}-{number}-{role}", lease.id))
}

fn is_port_taken(reason: &str) -> bool {
    reason.contains("port is already allocated") || reason.contains("address already in use")
}

impl Server {
    /// Starts a server of this kind with the testbed's default settings.
    pub async fn start(service: Service) -> Result<Server, Error> {
        Server::builder(service).start().await
    }

    /// A builder for a server with other settings.
    pub fn builder(service: Service) -> ServerBuilder {
        ServerBuilder {
            service,
            role: service.name().to_owned(),
            script: None,
            settings: Vec::new(),
            name: None,
            image: None,
            more_ports: Vec::new(),
        }
    }

    /// The container's name. Other containers reach the server under this name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on 127.0.0.1. It stays the same when the server is killed and started again.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        self.service.url(self.address)
    }

    /// Kills the server (SIGKILL), as a crash does: it loses its memory and keeps its disk.
    pub async fn kill(&self) -> Result<(), Error> {
        self.signal_and_wait("SIGKILL").await
    }

    /// Stops the server in an orderly way, and kills it after 20 s.
    pub async fn stop(&self) -> Result<(), Error> {
        let stopped = self.signal_and_wait(self.service.stop_signal());
        if timeout(STOP_TIMEOUT, stopped).await.is_err() {
            return self.kill().await;
        }
        Ok(())
    }

    async fn signal_and_wait(&self, signal: &'static str) -> Result<(), Error> {
        let name = self.name.clone();
        docker::run(async move {
            let docker = docker::client().await?;
            let options = KillContainerOptionsBuilder::default()
                .signal(signal)
                .build();
            let sent = docker.kill_container(&name, Some(options)).await;
            sent.map_err(|error| Error::docker(format!("send {signal} to {name}"), &error))?;
            // An exit code other than 0 is reported as an error, but the container has ended.
            let _ = docker
                .wait_container(&name, None::<WaitContainerOptions>)
                .next()
                .await;
            Ok(())
        })
        .await
    }

    /// Starts the server after [`Server::kill`] or [`Server::stop`], and waits until it answers.
    pub async fn start_again(&self) -> Result<(), Error> {
        let (name, service) = (self.name.clone(), self.service);
        docker::run(async move {
            let started = docker::client().await?.start_container(&name, None).await;
            started.map_err(|error| Error::docker(format!("start {name}"), &error))?;
            container::wait_for_service(&name, service).await.map(drop)
        })
        .await
    }

    /// Freezes the server: connections stay open, but it answers nothing.
    pub async fn pause(&self) -> Result<(), Error> {
        let name = self.name.clone();
        docker::run(async move {
            let paused = docker::client().await?.pause_container(&name).await;
            paused.map_err(|error| Error::docker(format!("pause {name}"), &error))
        })
        .await
    }

    /// Lets the server continue after [`Server::pause`].
    pub async fn unpause(&self) -> Result<(), Error> {
        let name = self.name.clone();
        docker::run(async move {
            let unpaused = docker::client().await?.unpause_container(&name).await;
            unpaused.map_err(|error| Error::docker(format!("unpause {name}"), &error))
        })
        .await
    }

    /// Disconnects the server from the network. It runs on, but reaches neither clients nor
    /// containers.
    pub async fn disconnect(&self) -> Result<(), Error> {
        let name = self.name.clone();
        docker::run(async move {
            let docker = docker::client().await?;
            let network = network(&docker).await?;
            let request = NetworkDisconnectRequest {
                container: name.clone(),
                force: Some(true),
            };
            let disconnected = docker.disconnect_network(&network, request).await;
            disconnected.map_err(|error| Error::docker(format!("disconnect {name}"), &error))
        })
        .await
    }

    /// Connects the server after [`Server::disconnect`], at the same address, and waits until it
    /// answers.
    pub async fn connect(&self) -> Result<(), Error> {
        let (name, service) = (self.name.clone(), self.service);
        docker::run(async move {
            let docker = docker::client().await?;
            let network = network(&docker).await?;
            let request = NetworkConnectRequest {
                container: name.clone(),
                endpoint_config: None,
            };
            let connected = docker.connect_network(&network, request).await;
            connected.map_err(|error| Error::docker(format!("connect {name}"), &error))?;
            container::wait_for_service(&name, service).await.map(drop)
        })
        .await
    }

    /// Limits the server to this many processors, such as 0.5.
    pub async fn limit_cpus(&self, cpus: f64) -> Result<(), Error> {
        let name = self.name.clone();
        docker::run(async move { cpu_quota::limit_cpus(&name, cpus).await }).await
    }

    /// The last 20 lines of its log.
    pub async fn logs(&self) -> Result<String, Error> {
        let name = self.name.clone();
        docker::run(async move {
            let docker = docker::client().await?;
            Ok(container::last_log_lines(&docker, &name).await)
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        container::remove_on_drop(&self.name);
    }
}
