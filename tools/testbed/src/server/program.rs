//! One of our own programs in a container, with a limit on its processor time.
//!
//! The image contains the program as cargo has built it ([`program_image`]). No registry,
//! `Dockerfile` or second build is necessary. Because of the CPU quota, each clone adds capacity
//! even on a machine that has fewer processors than clones. The container is removed like that of a
//! [`Server`](crate::Server).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use testcontainers::bollard::query_parameters::CreateContainerOptionsBuilder;

use crate::docker::cpu_quota::CpuQuota;
use crate::docker::labels::{LEASE, OWNER};
use crate::docker::network::network;
use crate::docker::{self, cleanup, container, cpu_quota, lease, program_image};
use crate::error::Error;
use crate::service::probe::Probe;

/// A program that runs in its own container. Dropping it removes the container.
#[derive(Debug)]
pub struct Program {
    name: String,
    address: SocketAddr,
}

/// Settings for a [`Program`].
#[derive(Clone, Debug)]
pub struct ProgramBuilder {
    program: PathBuf,
    role: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    port: u16,
    health_path: String,
    cpus: Option<f64>,
}

impl Program {
    /// A builder for the program in this file. [`start`](ProgramBuilder::start) reads the file.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let clone = testbed::Program::builder(std::env::current_exe()?)
    ///     .role("clone-1")
    ///     .arguments(["clone", "--listen", "0.0.0.0:8080"])
    ///     .port(8080)
    ///     .ready("/healthz")
    ///     .cpus(0.15)
    ///     .start()
    ///     .await?;
    /// println!("http://{}", clone.address());
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(program: impl Into<PathBuf>) -> ProgramBuilder {
        ProgramBuilder {
            program: program.into(),
            role: "program".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            port: 8080,
            health_path: "/healthz".to_owned(),
            cpus: None,
        }
    }

    /// The container's name. Other containers reach the program under this name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the limit of [`ProgramBuilder::cpus`].
    pub async fn limit_cpus(&self, cpus: f64) -> Result<(), Error> {
        let name = self.name.clone();
        docker::run(async move { cpu_quota::limit_cpus(&name, cpus).await }).await
    }
}

impl ProgramBuilder {
    /// The last part of the container's name, and the container's host name.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        role.clone_into(&mut self.role);
        self
    }

    /// Adds command-line arguments. The program must listen on 0.0.0.0 in the container. The port
    /// is published on 127.0.0.1 only.
    #[must_use]
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable. The environment is empty otherwise.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// The port on which the program listens in the container. 8080 by default.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The path that returns 200 when the program is ready. `/healthz` by default.
    #[must_use]
    pub fn ready(mut self, path: &str) -> Self {
        path.clone_into(&mut self.health_path);
        self
    }

    /// The maximum number of processors, such as 0.15: then the program runs for at most 1.5 ms in
    /// each period of 10 ms. Below 0.1 the period is longer, because Linux has a minimum of 1 ms.
    #[must_use]
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Makes the image if necessary, starts the container, and waits until the program answers.
    pub async fn start(self) -> Result<Program, Error> {
        docker::run(self.start_on_runtime()).await
    }

    async fn start_on_runtime(self) -> Result<Program, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        cleanup::remove_orphans().await?;
        let lease = lease::lease().await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (owner, role) = (lease::owner(), &self.role);
        let name = format!("workshop-{owner}-{}-p{number}-{role}", lease.id);
        let started = self.create_and_start(&name, &lease.id).await;
        let address = match started {
            Ok(()) => container::wait_for(&name, &Probe::Http(self.port, &self.health_path)).await,
            Err(error) => Err(error),
        };
        match address {
            Ok(address) => Ok(Program { name, address }),
            Err(error) => {
                container::remove(&name).await?;
                Err(error)
            }
        }
    }

    async fn create_and_start(&self, name: &str, lease: &str) -> Result<(), Error> {
        let docker = docker::client().await?;
        let network = network(&docker).await?;
        // No other process may remove the image before the container uses it.
        let _lock = lease::lock("programs").await?;
        let image = program_image::get(&docker, &self.program).await?;
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: None,
        };
        let port = format!("{}/tcp", self.port);
        let quota = self.cpus.map(CpuQuota::of);
        let body = ContainerCreateBody {
            image: Some(image),
            hostname: Some(self.role.clone()),
            // The user `nobody`: the program needs no rights, and the image has no users.
            user: Some("65534:65534".to_owned()),
            entrypoint: Some(vec![program_image::PROGRAM.to_owned()]),
            cmd: Some(self.arguments.clone()),
            env: Some(self.environment.clone()),
            labels: Some(
                [(OWNER, lease::owner()), (LEASE, lease.to_owned())]
                    .map(|(label, value)| (label.to_owned(), value))
                    .into(),
            ),
            exposed_ports: Some(vec![port.clone()]),
            host_config: Some(HostConfig {
                network_mode: Some(network),
                port_bindings: Some([(port, Some(vec![binding]))].into()),
                cpu_period: quota.map(|quota| quota.period),
                cpu_quota: quota.map(|quota| quota.quota),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let created = docker.create_container(Some(options), body).await;
        created.map_err(|error| Error::docker(format!("create {name}"), &error))?;
        let started = docker.start_container(name, None).await;
        started.map_err(|error| Error::docker(format!("start {name}"), &error))
    }
}

/// Makes the image of this program if necessary. Returns its name, such as
/// `workshop/ch01-clones:5f2a…`. Starting a [`Program`] does the same; call this to do it
/// earlier.
pub async fn build_program_image(program: impl AsRef<Path>) -> Result<String, Error> {
    let program = program.as_ref().to_owned();
    docker::run(async move {
        let docker = docker::client().await?;
        let _lock = lease::lock("programs").await?;
        program_image::get(&docker, &program).await
    })
    .await
}

impl Drop for Program {
    fn drop(&mut self) {
        container::remove_on_drop(&self.name);
    }
}
