//! Removes what ended processes have left behind, and on request everything of this owner.

use std::collections::HashMap;

use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};
use tokio::sync::OnceCell;

use crate::docker::labels::{LEASE, owner_filter};
use crate::docker::{self, container, lease, program_image};
use crate::error::Error;

/// Removes the containers of processes that have ended. Does it once in this process.
pub(crate) async fn remove_orphans() -> Result<(), Error> {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_try_init(remove_orphans_now).await.copied()
}

async fn remove_orphans_now() -> Result<(), Error> {
    let ended = lease::ended().await?;
    if ended.ids.is_empty() {
        return Ok(());
    }
    for (name, labels) in containers().await? {
        let lease = labels.get(LEASE);
        if lease.is_some_and(|lease| ended.ids.contains(lease)) {
            container::remove(&name).await?;
        }
    }
    lease::forget(&ended)
}

/// Removes everything of this owner: all containers, the network and the images of programs.
/// Returns the number of removed containers.
pub async fn remove_all() -> Result<usize, Error> {
    docker::run(async {
        let containers = containers().await?;
        for (name, _) in &containers {
            container::remove(name).await?;
        }
        let docker = docker::client().await?;
        let options = ListNetworksOptionsBuilder::default()
            .filters(&owner_filter())
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

/// The owner's containers, running or stopped, with their labels.
async fn containers() -> Result<Vec<(String, HashMap<String, String>)>, Error> {
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&owner_filter())
        .build();
    let found = docker::client().await?.list_containers(Some(options)).await;
    let found = found.map_err(|error| Error::docker("list containers", &error))?;
    let name_and_labels = found.into_iter().filter_map(|container| {
        let name = container.names?.first()?.trim_start_matches('/').to_owned();
        Some((name, container.labels.unwrap_or_default()))
    });
    Ok(name_and_labels.collect())
}
