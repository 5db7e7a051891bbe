//! The labels that mark the testbed's containers, networks and images.

use std::collections::HashMap;

use crate::docker::lease;

/// On everything the testbed makes: the user it belongs to ([`lease::owner`]).
pub(crate) const OWNER: &str = "org.scalability-workshop.owner";
/// On what belongs to one process: the id of its lease.
pub(crate) const LEASE: &str = "org.scalability-workshop.lease";
/// On shared servers: a hash of image and start script, which tells whether the server is current.
pub(crate) const RECIPE: &str = "org.scalability-workshop.recipe";

/// Docker's filter for everything of this owner.
pub(crate) fn owner_filter() -> HashMap<String, Vec<String>> {
    let label = format!("{OWNER}={}", lease::owner());
    HashMap::from([("label".to_owned(), vec![label])])
}
