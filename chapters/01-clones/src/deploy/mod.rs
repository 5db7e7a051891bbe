//! Rolling deploys: every clone is replaced by the next version, one at a time, without a failed
//! request.
//!
//! An [`Artifact`] is the packed program, and every clone is started from one. A [`Supervisor`]
//! owns the running clones and replaces them: start a clone, wait until it is ready, watch it under
//! a small share of the load, drain the old clone, stop it. If a new clone fails, the supervisor
//! rolls back. [`admin`] is the HTTP interface that starts a deploy.

pub mod admin;
mod artifact;
mod clone_process;
mod restart;
mod rollout;
mod supervisor;

pub use artifact::{Artifact, ArtifactError, Release};
pub use clone_process::{ChildError, CloneProcess};
pub use rollout::{DeployOutcome, RolloutPolicy};
pub use supervisor::{RunningClone, Supervisor, SupervisorError};
