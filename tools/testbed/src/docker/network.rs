//! The network in which all of this owner's containers find each other by name.

use std::collections::HashMap;
use std::net::IpAddr;

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::NetworkCreateRequest;

use crate::docker::labels::OWNER;
use crate::docker::{is_missing, lease};
use crate::error::Error;

/// The network's name. Creates the network if it does not exist.
pub(crate) async fn network(docker: &Docker) -> Result<String, Error> {
    let name = format!("workshop-{}", lease::owner());
    match docker.inspect_network(&name, None).await {
        Ok(_) => return Ok(name),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(Error::docker(format!("inspect the network {name}"), &error)),
    }
    // Docker allows two networks with the same name, so only one process may create it.
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

/// This machine's address in the network. Containers reach programs of this machine there. On Linux
/// only: elsewhere the network belongs to a virtual machine.
pub(crate) async fn gateway(docker: &Docker) -> Result<IpAddr, Error> {
    let name = network(docker).await?;
    let found = docker.inspect_network(&name, None).await;
    let found =
        found.map_err(|error| Error::docker(format!("inspect the network {name}"), &error))?;
    let configurations = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let mut gateways = configurations
        .into_iter()
        .filter_map(|config| config.gateway);
    let gateway = gateways.find_map(|gateway| gateway.parse().ok());
    gateway.ok_or_else(|| {
        Error::docker_message(
            format!("find this machine's address in the network {name}"),
            "the network has no gateway".to_owned(),
        )
    })
}
