//! The network in which all of this owner's containers find each other by name.

use std::collections::HashMap;

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
