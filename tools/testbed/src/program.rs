//! A program of our own in a container: a clone with a processor of its own, or a part of one.
//!
//! The image is made of the program as cargo has built it ([`program_image`]), so this needs no registry, no `Dockerfile`
//! and no second build. A container has a *quota*: so much processor time in each period and no more. That is what makes one clone more a
//! resource more, on a machine that is smaller than all clones together. It is removed like a [`Server`](crate::Server) is.
//!
//! Left out: systems other than Linux. A program that was built for another one does not run in a container.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use testcontainers::bollard::query_parameters::CreateContainerOptionsBuilder;

use crate::container::{self, LEASE, OWNER, Quota};
use crate::docker::{block, docker, run};
use crate::error::Error;
use crate::lease;
use crate::program_image;
use crate::ready::Ready;
use crate::shared::swept;

/// A running program in a container of its own. Dropping it removes the container.
#[derive(Debug)]
pub struct Program {
    name: String,
    address: SocketAddr,
}

/// A program that is to be started.
#[derive(Clone, Debug)]
pub struct ProgramBuilder {
    program: PathBuf,
    role: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    port: u16,
    ready: String,
    cpus: Option<f64>,
}

impl Program {
    /// This file, in a container. It is taken as it lies there when [`start`](ProgramBuilder::start) is called.
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
            ready: "/healthz".to_owned(),
            cpus: None,
        }
    }

    /// The container's name, which is also its name in the network of containers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens, on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives it another part of a processor from now on; see [`ProgramBuilder::cpus`].
    pub async fn limit_cpus(&self, cpus: f64) -> Result<(), Error> {
        let name = self.name.clone();
        run(async move { container::limit_cpus(&name, cpus).await }).await
    }
}

impl ProgramBuilder {
    /// A word for the container's name, which tells people what it is for.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        role.clone_into(&mut self.role);
        self
    }

    /// What stands after the program's name. In the container it has to listen on 0.0.0.0; outside, only this machine reaches it.
    #[must_use]
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment, which is empty otherwise.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// The port that it listens on in the container. 8080 by default.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The path that it answers with 200 once it can work. `/healthz` by default.
    #[must_use]
    pub fn ready(mut self, path: &str) -> Self {
        path.clone_into(&mut self.ready);
        self
    }

    /// How many processors it gets at most, such as 0.15. It has used up its share of 10 ms before it has to wait for the next 10 ms; with
    /// less than 0.1, of a longer time, because Linux gives no shares below 1 ms.
    #[must_use]
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Makes the image if there is none of this very program, starts the container, and waits until the program answers.
    pub async fn start(self) -> Result<Program, Error> {
        run(self.start_here()).await
    }

    async fn start_here(self) -> Result<Program, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        swept().await?;
        let lease = lease::lease().await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "workshop-{}-{}-p{number}-{}",
            lease::owner(),
            lease.id,
            self.role
        );
        let started = self.create_and_start(&name, &lease.id).await;
        let address = match started {
            Ok(()) => container::wait_until(&name, &Ready::Http(self.port, &self.ready)).await,
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
        let docker = docker().await?;
        let network = container::network(&docker).await?;
        // Nobody removes the image between here and where the container holds it.
        let _lock = lease::lock("programs").await?;
        let image = program_image::get(&docker, &self.program).await?;
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: None,
        };
        let port = format!("{}/tcp", self.port);
        let quota = self.cpus.map(Quota::of);
        let body = ContainerCreateBody {
            image: Some(image),
            hostname: Some(self.role.clone()),
            // Nobody: it needs no rights, and there are no users in its image.
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

/// The image of this program, made if there is none: its name, such as `workshop/ch01-clones:5f2a…`. Starting a [`Program`] does it
/// too; call this to have it over with.
pub async fn super_clone(program: impl AsRef<Path>) -> Result<String, Error> {
    let program = program.as_ref().to_owned();
    run(async move {
        let docker = docker().await?;
        let _lock = lease::lock("programs").await?;
        program_image::get(&docker, &program).await
    })
    .await
}

impl Drop for Program {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A thread that unwinds must not panic again, so an error is told and no more.
        if let Some(Err(error)) = block(async move { container::remove(&name).await }) {
            eprintln!("testbed: {error}");
        }
    }
}
