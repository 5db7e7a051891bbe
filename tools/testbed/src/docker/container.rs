//! One container: created with testcontainers, then watched until its server answers.
//!
//! The testbed waits for readiness itself, because only the server's protocol shows it, and because
//! testcontainers leaves a container behind when its own time limit is reached. Operations that
//! testcontainers does not have (kill, disconnect, limit the processor) use Docker's API directly.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::StreamExt;
use rand::RngExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{Mount, MountType, PortBinding};
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt, ReuseDirective};
use tokio::time::Instant;

use crate::docker::labels::{LEASE, OWNER, RECIPE};
use crate::docker::network::network;
use crate::docker::{self, is_missing, lease};
use crate::error::Error;
use crate::service::Service;
use crate::service::probe::Probe;

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// The pause between two questions to a server that starts.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// Everything that is needed to create a container.
pub(crate) struct ContainerSpec {
    pub(crate) name: String,
    pub(crate) service: Service,
    /// Further ports that are published, each on a port that Docker chooses.
    pub(crate) more_ports: Vec<u16>,
    pub(crate) image: String,
    /// The shell script that starts the server.
    pub(crate) script: String,
    /// The port on 127.0.0.1. With `None` Docker chooses one, and another one after each start.
    pub(crate) port: Option<u16>,
    /// The lease of the process that owns the container; `None` for a shared server.
    pub(crate) lease: Option<String>,
    pub(crate) recipe: String,
}

/// Creates and starts the container, and waits until its server answers. Returns its address on
/// 127.0.0.1.
pub(crate) async fn start(spec: &ContainerSpec) -> Result<SocketAddr, Error> {
    let docker = docker::client().await?;
    let network = network(&docker).await?;
    let (repository, tag) = spec
        .image
        .rsplit_once(':')
        .unwrap_or((&spec.image, "latest"));
    let (fixed_port, service) = (spec.port, spec.service);
    let more_ports = spec.more_ports.clone();
    let ports = move || std::iter::once(service.port()).chain(more_ports.clone());
    let image = GenericImage::new(repository, tag).with_entrypoint("sh");
    let mut request = ports()
        .fold(image, |image, port| image.with_exposed_port(port.tcp()))
        .with_cmd(["-c", spec.script.as_str()])
        .with_user(service.user())
        .with_container_name(&spec.name)
        .with_hostname(&spec.name)
        .with_network(network)
        .with_label(OWNER, lease::owner())
        .with_label(RECIPE, &spec.recipe)
        // Otherwise testcontainers removes the container when its handle is dropped below.
        .with_reuse(ReuseDirective::Always)
        .with_host_config_modifier(move |host| {
            let publish = |port: u16| {
                let is_main_port = port == service.port();
                let host_port = if is_main_port { fixed_port } else { None };
                let binding = PortBinding {
                    host_ip: Some("127.0.0.1".to_owned()),
                    host_port: host_port.map(|port| port.to_string()),
                };
                (format!("{port}/tcp"), Some(vec![binding]))
            };
            host.port_bindings = Some(ports().map(publish).collect::<HashMap<_, _>>());
            host.publish_all_ports = Some(false);
            // The start scripts keep all data in /tmp. A volume is a plain folder of the host,
            // faster than the image's layers. It survives a restart and goes with the container.
            host.mounts = Some(vec![Mount {
                target: Some("/tmp".to_owned()),
                typ: Some(MountType::VOLUME),
                ..Mount::default()
            }]);
        });
    if let Some(lease) = &spec.lease {
        request = request.with_label(LEASE, lease);
    }
    if let Err(error) = request.start().await {
        remove(&spec.name).await?;
        let action = format!("start {}", spec.name);
        return Err(Error::docker_message(action, error.to_string()));
    }
    wait_for_service(&spec.name, spec.service).await
}

/// Waits until the server in a container answers in its protocol. Returns its address.
pub(crate) async fn wait_for_service(name: &str, service: Service) -> Result<SocketAddr, Error> {
    wait_for(name, &Probe::Protocol(service)).await
}

/// Waits until the probe of a container succeeds. Returns the address that was probed.
pub(crate) async fn wait_for(name: &str, probe: &Probe<'_>) -> Result<SocketAddr, Error> {
    let docker = docker::client().await?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        check_is_running(name).await?;
        if let Some(address) = published_port(&docker, name, probe.port()).await?
            && probe.succeeds(address).await
        {
            return Ok(address);
        }
        if Instant::now() > deadline {
            return Err(Error::StartTimeout {
                server: name.to_owned(),
                seconds: START_TIMEOUT.as_secs(),
                log: last_log_lines(&docker, name).await,
            });
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// Fails with the last lines of the container's log if it has ended.
pub(crate) async fn check_is_running(name: &str) -> Result<(), Error> {
    let docker = docker::client().await?;
    let container = docker.inspect_container(name, None).await;
    let container = container.map_err(|error| Error::docker(format!("inspect {name}"), &error))?;
    if container.state.and_then(|state| state.running) == Some(true) {
        return Ok(());
    }
    Err(Error::Ended {
        server: name.to_owned(),
        log: last_log_lines(&docker, name).await,
    })
}

/// The address on 127.0.0.1 at which a container's port is published, if it is.
pub(crate) async fn published_port(
    docker: &Docker,
    name: &str,
    port: u16,
) -> Result<Option<SocketAddr>, Error> {
    let container = docker.inspect_container(name, None).await;
    let container = container.map_err(|error| Error::docker(format!("inspect {name}"), &error))?;
    let ports = container
        .network_settings
        .and_then(|network| network.ports)
        .unwrap_or_default();
    let bindings = ports
        .get(&format!("{port}/tcp"))
        .cloned()
        .flatten()
        .unwrap_or_default();
    let published = bindings
        .into_iter()
        .find_map(|binding| binding.host_port?.parse().ok());
    Ok(published.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// The recipe label of a container that runs; `None` if it does not run or does not exist.
pub(crate) async fn recipe_if_running(name: &str) -> Result<Option<String>, Error> {
    match docker::client().await?.inspect_container(name, None).await {
        Ok(container) => {
            let state = container.state.unwrap_or_default();
            let is_running = state.running == Some(true) && state.paused != Some(true);
            let labels = container
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default();
            Ok(labels.get(RECIPE).cloned().filter(|_| is_running))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Error::docker(format!("inspect {name}"), &error)),
    }
}

/// Removes a container with its volumes, in whatever state it is. A missing container is no error.
pub(crate) async fn remove(name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default()
        .force(true)
        .v(true)
        .build();
    let docker = docker::client().await?;
    match docker.remove_container(name, Some(options)).await {
        // 404: it does not exist. 409: another process removes it at this moment.
        Ok(())
        | Err(DockerError::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        Err(error) => Err(Error::docker(format!("remove {name}"), &error)),
    }
}

/// Removes a container in a `drop`. Prints an error instead of panicking, because a second panic
/// during unwinding would abort the process.
pub(crate) fn remove_on_drop(name: &str) {
    let name = name.to_owned();
    if let Some(Err(error)) = docker::block_on(async move { remove(&name).await }) {
        eprintln!("testbed: {error}");
    }
}

/// The last 20 lines of a container's log.
pub(crate) async fn last_log_lines(docker: &Docker, name: &str) -> String {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .tail("20")
        .build();
    let mut log = docker.logs(name, Some(options));
    let mut lines = String::new();
    while let Some(Ok(line)) = log.next().await {
        lines.push_str(&line.to_string());
    }
    lines
}

/// A free port below the range of ephemeral ports. The kernel uses that range for outgoing
/// connections, and one of them could take the port while its container is stopped.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = rand::rng().random_range(20_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
