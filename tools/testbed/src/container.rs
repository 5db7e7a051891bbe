//! One container: how it is created, how long to wait for it, and what can be done to it.
//!
//! testcontainers creates it; waiting is ours, because readiness is a matter of the server's protocol, and because a container that
//! misses testcontainers' own time limit stays behind. What it cannot do (kill, cut off the network, limit the processor) goes
//! straight to Docker's interface.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::StreamExt;
use rand::RngExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{
    ContainerUpdateBody, Mount, MountType, NetworkCreateRequest, PortBinding,
};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt, ReuseDirective};
use tokio::time::Instant;

use crate::docker::docker;
use crate::error::Error;
use crate::lease;
use crate::program_image;
use crate::ready::Ready;
use crate::service::Service;

/// How long a server may take to answer.
const START_WITHIN: Duration = Duration::from_secs(90);

/// The label that everything of ours carries, with the owner as its value.
pub(crate) const OWNER: &str = "org.scalability-workshop.owner";
/// The label of what belongs to one process, with its lease as the value.
pub(crate) const LEASE: &str = "org.scalability-workshop.lease";
/// The label that tells whether a shared server was started the way we would start it today.
pub(crate) const RECIPE: &str = "org.scalability-workshop.recipe";

/// What to create.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) service: Service,
    pub(crate) image: String,
    pub(crate) script: String,
    /// The port on 127.0.0.1; `None` lets Docker choose, and choose again after each start.
    pub(crate) port: Option<u16>,
    /// The process it belongs to; `None` if it is shared.
    pub(crate) lease: Option<String>,
    pub(crate) recipe: String,
}

/// Creates the container, starts it and waits until its server answers. Returns the address on 127.0.0.1.
pub(crate) async fn start(plan: &Plan) -> Result<SocketAddr, Error> {
    let docker = docker().await?;
    let network = network(&docker).await?;
    let (repository, tag) = plan
        .image
        .rsplit_once(':')
        .unwrap_or((&plan.image, "latest"));
    let (fixed, service) = (plan.port, plan.service);
    let ports = move || std::iter::once(service.port()).chain(service.more_ports().iter().copied());
    let image = GenericImage::new(repository, tag).with_entrypoint("sh");
    let mut request = ports()
        .fold(image, |image, port| image.with_exposed_port(port.tcp()))
        .with_cmd(["-c", plan.script.as_str()])
        .with_user(service.user())
        .with_container_name(&plan.name)
        .with_hostname(&plan.name)
        .with_network(network)
        .with_label(OWNER, lease::owner())
        .with_label(RECIPE, &plan.recipe)
        // Who removes it is our business, with the help of labels: testcontainers would do it when the value here is dropped.
        .with_reuse(ReuseDirective::Always)
        .with_host_config_modifier(move |host| {
            let publish = |port: u16| {
                let host_port = if port == service.port() { fixed } else { None };
                let binding = PortBinding {
                    host_ip: Some("127.0.0.1".to_owned()),
                    host_port: host_port.map(|port| port.to_string()),
                };
                (format!("{port}/tcp"), Some(vec![binding]))
            };
            host.port_bindings = Some(ports().map(publish).collect::<HashMap<_, _>>());
            host.publish_all_ports = Some(false);
            // All data lies in /tmp (see `Service::script`). As a volume it is a plain folder of the host's, without the detour
            // over the layers of the image; it survives a restart, and is removed with the container.
            host.mounts = Some(vec![Mount {
                target: Some("/tmp".to_owned()),
                typ: Some(MountType::VOLUME),
                ..Mount::default()
            }]);
        });
    if let Some(lease) = &plan.lease {
        request = request.with_label(LEASE, lease);
    }
    let started = request.start().await;
    if let Err(error) = started {
        remove(&plan.name).await?;
        return Err(Error::said(
            format!("start {}", plan.name),
            error.to_string(),
        ));
    }
    wait(&plan.name, plan.service).await
}

/// Waits until the server in a container answers. Returns its address.
pub(crate) async fn wait(name: &str, service: Service) -> Result<SocketAddr, Error> {
    wait_until(name, &Ready::Protocol(service)).await
}

/// The same for what is no [`Service`].
pub(crate) async fn wait_until(name: &str, ready: &Ready<'_>) -> Result<SocketAddr, Error> {
    let docker = docker().await?;
    let deadline = Instant::now() + START_WITHIN;
    loop {
        let state = docker.inspect_container(name, None).await;
        let state = state.map_err(|error| Error::docker(format!("look at {name}"), &error))?;
        let running = state.state.and_then(|state| state.running).unwrap_or(false);
        if !running {
            let log = last_lines(&docker, name).await;
            return Err(Error::Ended {
                server: name.to_owned(),
                log,
            });
        }
        if let Some(address) = port(&docker, name, ready.port()).await?
            && ready.answers(address).await
        {
            return Ok(address);
        }
        if Instant::now() > deadline {
            let log = last_lines(&docker, name).await;
            return Err(Error::StartTimeout {
                server: name.to_owned(),
                seconds: START_WITHIN.as_secs(),
                log,
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Where a port of a running container is published; `None` if it is not.
pub(crate) async fn port(
    docker: &Docker,
    name: &str,
    port: u16,
) -> Result<Option<SocketAddr>, Error> {
    let container = docker.inspect_container(name, None).await;
    let container = container.map_err(|error| Error::docker(format!("look at {name}"), &error))?;
    let ports = container
        .network_settings
        .and_then(|network| network.ports)
        .unwrap_or_default();
    let binding = ports
        .get(&format!("{port}/tcp"))
        .cloned()
        .flatten()
        .unwrap_or_default();
    let published = binding
        .into_iter()
        .find_map(|binding| binding.host_port?.parse().ok());
    Ok(published.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// A shared container's recipe, if it is there and runs.
pub(crate) async fn running_recipe(name: &str) -> Result<Option<String>, Error> {
    match docker().await?.inspect_container(name, None).await {
        Ok(container) => {
            let state = container.state.unwrap_or_default();
            let runs = state.running == Some(true) && state.paused != Some(true);
            let labels = container
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default();
            Ok(labels.get(RECIPE).cloned().filter(|_| runs))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Error::docker(format!("look at {name}"), &error)),
    }
}

/// Removes a container with its volumes, whatever it is doing. That there is none is no error.
pub(crate) async fn remove(name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default()
        .force(true)
        .v(true)
        .build();
    match docker().await?.remove_container(name, Some(options)).await {
        // 404: it is gone already. 409: somebody else removes it at this moment.
        Ok(())
        | Err(DockerError::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        Err(error) => Err(Error::docker(format!("remove {name}"), &error)),
    }
}

/// So much processor time in each period, both in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) quota: i64,
    pub(crate) period: i64,
}

impl Quota {
    /// This many processors. The period is 10 ms instead of Docker's 100 ms, or whoever has used up its share would stand still for most of a
    /// tenth of a second. It is longer for less than a tenth of a processor: Linux gives no quota below 1 ms.
    pub(crate) fn of(cpus: f64) -> Self {
        let period = (1_000.0 / cpus).clamp(10_000.0, 1_000_000.0);
        Quota {
            quota: (period * cpus).round() as i64,
            period: period.round() as i64,
        }
    }
}

/// Gives a running container this many processors from now on.
pub(crate) async fn limit_cpus(name: &str, cpus: f64) -> Result<(), Error> {
    let Quota { quota, period } = Quota::of(cpus);
    let body = ContainerUpdateBody {
        cpu_period: Some(period),
        cpu_quota: Some(quota),
        ..ContainerUpdateBody::default()
    };
    let updated = docker().await?.update_container(name, body).await;
    updated.map_err(|error| Error::docker(format!("limit {name}"), &error))
}

/// Removes the containers that a process which has ended has left behind.
pub(crate) async fn remove_left_behind() -> Result<(), Error> {
    let ended = lease::ended().await?;
    if ended.ids.is_empty() {
        return Ok(());
    }
    for (name, labels) in containers().await? {
        if labels
            .get(LEASE)
            .is_some_and(|lease| ended.ids.contains(lease))
        {
            remove(&name).await?;
        }
    }
    lease::forget(&ended)
}

/// Removes everything of this owner: all containers, the network and the images of programs. Returns how many containers there were.
pub async fn remove_all() -> Result<usize, Error> {
    crate::docker::run(async {
        let containers = containers().await?;
        for (name, _) in &containers {
            remove(name).await?;
        }
        let docker = docker().await?;
        let options = ListNetworksOptionsBuilder::default()
            .filters(&of_owner())
            .build();
        let networks = docker.list_networks(Some(options)).await;
        for network in networks.map_err(|error| Error::docker("list networks", &error))? {
            let name = network.name.unwrap_or_default();
            let removed = docker.remove_network(&name).await;
            removed.map_err(|error| Error::docker(format!("remove the network {name}"), &error))?;
        }
        program_image::remove_all(&docker).await?;
        lease::forget(&lease::ended().await?)?;
        Ok(containers.len())
    })
    .await
}

/// The owner's containers, running or not, with their labels.
async fn containers() -> Result<Vec<(String, HashMap<String, String>)>, Error> {
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&of_owner())
        .build();
    let found = docker().await?.list_containers(Some(options)).await;
    let found = found.map_err(|error| Error::docker("list containers", &error))?;
    let name_and_labels = found.into_iter().filter_map(|container| {
        let name = container.names?.first()?.trim_start_matches('/').to_owned();
        Some((name, container.labels.unwrap_or_default()))
    });
    Ok(name_and_labels.collect())
}

pub(crate) fn of_owner() -> HashMap<String, Vec<String>> {
    HashMap::from([(
        "label".to_owned(),
        vec![format!("{OWNER}={}", lease::owner())],
    )])
}

/// The one network in which all of this owner's containers find each other by name.
pub(crate) async fn network(docker: &Docker) -> Result<String, Error> {
    let name = format!("workshop-{}", lease::owner());
    match docker.inspect_network(&name, None).await {
        Ok(_) => return Ok(name),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(Error::docker(format!("look at the network {name}"), &error)),
    }
    // Docker would let two networks have one name.
    let _lock = lease::lock("network").await?;
    if docker.inspect_network(&name, None).await.is_err() {
        let request = NetworkCreateRequest {
            name: name.clone(),
            labels: Some(HashMap::from([(OWNER.to_owned(), lease::owner())])),
            ..NetworkCreateRequest::default()
        };
        let created = docker.create_network(request).await;
        created.map_err(|error| Error::docker(format!("create the network {name}"), &error))?;
    }
    Ok(name)
}

/// The end of a container's log.
pub(crate) async fn last_lines(docker: &Docker, name: &str) -> String {
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

/// A port that nobody listens on. From below the range that systems take ports for outgoing connections from, so that nobody
/// gets it by chance while its container is stopped.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = rand::rng().random_range(20_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn is_missing(error: &DockerError) -> bool {
    matches!(
        error,
        DockerError::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_quota_is_less_than_linux_takes() {
        let of = |cpus| {
            let Quota { quota, period } = Quota::of(cpus);
            (quota, period)
        };
        assert_eq!(of(0.15), (1_500, 10_000));
        assert_eq!(of(2.0), (20_000, 10_000));
        assert_eq!(
            of(0.02),
            (1_000, 50_000),
            "below 1 ms Docker refuses: the period has to grow"
        );
    }
}
