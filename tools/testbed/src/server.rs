//! A dedicated server: a container of one's own, to kill, pause and cut off. It is removed when its [`Server`] is dropped, also by a
//! panic; if the whole process is killed, the next one that uses the testbed removes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt;
use testcontainers::bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use testcontainers::bollard::query_parameters::{
    KillContainerOptionsBuilder, WaitContainerOptions,
};
use tokio::time::{Duration, timeout};

use crate::container::{self, Plan};
use crate::docker::{block, docker, run};
use crate::error::Error;
use crate::image;
use crate::lease;
use crate::service::Service;
use crate::shared::swept;

/// How long a server may take to end in order before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How often another port is tried when somebody was faster.
const PORTS: usize = 5;

/// A server in a container of its own.
#[derive(Debug)]
pub struct Server {
    name: String,
    service: Service,
    address: SocketAddr,
}

/// Settings of a server that is to be started.
#[derive(Debug)]
pub struct ServerBuilder {
    service: Service,
    role: String,
    script: Option<String>,
    settings: Vec<(String, String)>,
}

impl ServerBuilder {
    /// One setting in the server's own words: `("synchronous_commit", "off")` for PostgreSQL, `("maxmemory", "16mb")` for Redis, `("m", "16")`
    /// for Memcached's flag `-m`, a line of rabbitmq.conf for RabbitMQ.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A word for the container's name, which tells people what it is for. The service's name by default.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        role.clone_into(&mut self.role);
        self
    }

    /// Starts the server by another script: for replicas.
    pub(crate) fn script(mut self, script: String) -> Self {
        self.script = Some(script);
        self
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> Result<Server, Error> {
        run(self.start_here()).await
    }

    async fn start_here(self) -> Result<Server, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        swept().await?;
        let lease = lease::lease().await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let service = self.service;
        let name = format!(
            "workshop-{}-{}-{number}-{}",
            lease::owner(),
            lease.id,
            self.role
        );
        let mut plan = Plan {
            name: name.clone(),
            service,
            image: image::get(service).await?,
            script: self
                .script
                .unwrap_or_else(|| service.script(&self.settings)),
            port: None,
            lease: Some(lease.id.clone()),
            recipe: "dedicated".to_owned(),
        };
        let mut attempt = 1;
        loop {
            // A port of our choice stays the same over a restart; one of Docker's choice does not.
            plan.port = Some(container::free_port());
            match container::start(&plan).await {
                Ok(address) => {
                    return Ok(Server {
                        name,
                        service,
                        address,
                    });
                }
                Err(Error::Docker { reason, .. }) if attempt < PORTS && is_taken(&reason) => {
                    attempt += 1
                }
                Err(error) => {
                    container::remove(&name).await?;
                    return Err(error);
                }
            }
        }
    }
}

fn is_taken(reason: &str) -> bool {
    reason.contains("port is already allocated") || reason.contains("address already in use")
}

impl Server {
    /// Starts a server of this kind with our defaults.
    pub async fn start(service: Service) -> Result<Server, Error> {
        Server::builder(service).start().await
    }

    /// A server whose settings are still to be said.
    pub fn builder(service: Service) -> ServerBuilder {
        ServerBuilder {
            service,
            role: service.name().to_owned(),
            script: None,
            settings: Vec::new(),
        }
    }

    /// The container's name, which is also its name in the network of containers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens on 127.0.0.1. Stays the same when it is killed and started again.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        self.service.url(self.address)
    }

    /// Ends it at once, as a crash would (SIGKILL). What it had in memory is gone; what it had on disk is not.
    pub async fn kill(&self) -> Result<(), Error> {
        self.end("SIGKILL").await
    }

    /// Ends it in order; after 20 s by force.
    pub async fn stop(&self) -> Result<(), Error> {
        let signal = self.service.stop_signal();
        if timeout(STOP_WITHIN, self.end(signal)).await.is_err() {
            return self.kill().await;
        }
        Ok(())
    }

    async fn end(&self, signal: &'static str) -> Result<(), Error> {
        let name = self.name.clone();
        run(async move {
            let docker = docker().await?;
            let options = KillContainerOptionsBuilder::default()
                .signal(signal)
                .build();
            let sent = docker.kill_container(&name, Some(options)).await;
            sent.map_err(|error| Error::docker(format!("send {signal} to {name}"), &error))?;
            // Its exit code comes as an error; whatever it is, it has ended.
            let _ = docker
                .wait_container(&name, None::<WaitContainerOptions>)
                .next()
                .await;
            Ok(())
        })
        .await
    }

    /// Starts it again after [`Server::kill`] or [`Server::stop`], and waits until it answers.
    pub async fn start_again(&self) -> Result<(), Error> {
        let (name, service) = (self.name.clone(), self.service);
        run(async move {
            let started = docker().await?.start_container(&name, None).await;
            started.map_err(|error| Error::docker(format!("start {name}"), &error))?;
            container::wait(&name, service).await.map(drop)
        })
        .await
    }

    /// Freezes it: connections stay open, and nobody answers.
    pub async fn pause(&self) -> Result<(), Error> {
        let name = self.name.clone();
        run(async move {
            let paused = docker().await?.pause_container(&name).await;
            paused.map_err(|error| Error::docker(format!("pause {name}"), &error))
        })
        .await
    }

    /// Goes on after [`Server::pause`].
    pub async fn unpause(&self) -> Result<(), Error> {
        let name = self.name.clone();
        run(async move {
            let unpaused = docker().await?.unpause_container(&name).await;
            unpaused.map_err(|error| Error::docker(format!("unpause {name}"), &error))
        })
        .await
    }

    /// Pulls the plug: it runs on, and reaches neither us nor other containers.
    pub async fn disconnect(&self) -> Result<(), Error> {
        let name = self.name.clone();
        run(async move {
            let docker = docker().await?;
            let network = container::network(&docker).await?;
            let request = NetworkDisconnectRequest {
                container: name.clone(),
                force: Some(true),
            };
            let disconnected = docker.disconnect_network(&network, request).await;
            disconnected.map_err(|error| Error::docker(format!("disconnect {name}"), &error))
        })
        .await
    }

    /// Plugs it in again after [`Server::disconnect`], at the same address, and waits until it answers.
    pub async fn connect(&self) -> Result<(), Error> {
        let (name, service) = (self.name.clone(), self.service);
        run(async move {
            let docker = docker().await?;
            let network = container::network(&docker).await?;
            let request = NetworkConnectRequest {
                container: name.clone(),
                endpoint_config: None,
            };
            let connected = docker.connect_network(&network, request).await;
            connected.map_err(|error| Error::docker(format!("connect {name}"), &error))?;
            container::wait(&name, service).await.map(drop)
        })
        .await
    }

    /// Gives it this many processors at most, such as 0.5.
    pub async fn limit_cpus(&self, cpus: f64) -> Result<(), Error> {
        let name = self.name.clone();
        run(async move { container::limit_cpus(&name, cpus).await }).await
    }

    /// The last lines that it logged.
    pub async fn logs(&self) -> Result<String, Error> {
        let name = self.name.clone();
        run(async move { Ok(container::last_lines(&docker().await?, &name).await) }).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A thread that unwinds must not panic again, so an error is told and no more.
        if let Some(Err(error)) = block(async move { container::remove(&name).await }) {
            eprintln!("testbed: {error}");
        }
    }
}
