//! Deploys: all clones get the next version while people shop, and the last one back if the next is sick.
//!
//! Clones must be twins in their code too, so the program is packed once, as an [`Artifact`] that nobody changes any more, and every clone
//! is started from it. A [`Site`] owns the running clones and the balancer in front of them, and replaces them one by one: start a new one, wait
//! until it is ready, let it have a little of the load and watch it, drain the old one, stop it. If a new one is sick, all that was
//! replaced goes back the same way. [`door`] is where a person or a pipeline says so.
//!
//! Left out: more than one machine. There a tool goes over all of them (Capistrano, Ansible), or an orchestrator does what the site does
//! here (Kubernetes), and the artefact is an image. The steps are the same.

mod artifact;
pub mod door;
mod process;
mod rollout;
mod site;

pub use artifact::{Artifact, ArtifactError, Release};
pub use process::{CloneProcess, ProcessError};
pub use rollout::{Deployed, RolloutPolicy};
pub use site::{RunningClone, Site, SiteError};
