//! A running application of chapter 1: balancer, supervised clones and admin API.

use std::net::SocketAddr;
use std::sync::Arc;

use ch01_clones::Balancer;
use ch01_clones::deploy::{Artifact, Release, Supervisor};
use serde_json::Value;
use tempfile::TempDir;

use crate::role::{PROGRAM, Role, run, shown};
use crate::support::{DEADLINE, client};

/// A running application with three clones of v1, and a folder for releases.
pub struct Application {
    pub role: Role,
    pub balancer: SocketAddr,
    pub admin: SocketAddr,
    pub releases: TempDir,
}

impl Application {
    pub async fn start(sessions: &str) -> Self {
        let mut role = Role::start(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--sessions",
            sessions,
        ]);
        let balancer = role.address("application listens on").await;
        let admin = role.address("/clones").await;
        Application {
            role,
            balancer,
            admin,
            releases: tempfile::tempdir().unwrap(),
        }
    }

    /// Packs a release. Returns its folder.
    pub async fn pack(&self, version: &str, defect: &[&str]) -> String {
        let to = shown(self.releases.path());
        let packed = run(&[&["pack", version, "--to", to, "--"], defect].concat()).await;
        assert!(
            packed.status.success(),
            "{}",
            String::from_utf8_lossy(&packed.stderr)
        );
        String::from_utf8(packed.stdout).unwrap().trim().to_owned()
    }

    /// Packs a release and deploys it. Returns the output, and whether the deploy succeeded.
    pub async fn deploy(&self, version: &str, defect: &[&str]) -> (String, bool) {
        let (admin, folder) = (self.admin.to_string(), self.pack(version, defect).await);
        let arguments = ["deploy", "--admin", &admin, &folder];
        let deployed = tokio::time::timeout(DEADLINE * 6, run_long(&arguments)).await;
        let deployed = deployed.expect("a deploy ends within a minute");
        let output = String::from_utf8(deployed.stdout).unwrap();
        (output, deployed.status.success())
    }

    /// The name, release and process id of each clone.
    pub async fn clones(&self) -> Vec<(String, String, u64)> {
        let list = client()
            .get(format!("http://{}/clones", self.admin))
            .send()
            .await
            .unwrap();
        let list: Value = list.json().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |clone: &Value| {
            (
                text(&clone["name"]),
                text(&clone["release"]),
                clone["pid"].as_u64().unwrap(),
            )
        };
        list["items"].as_array().unwrap().iter().map(one).collect()
    }

    pub async fn running_releases(&self) -> Vec<String> {
        self.clones()
            .await
            .into_iter()
            .map(|(_, release, _)| release)
            .collect()
    }
}

/// Runs a command without the deadline of `run`: a deploy may take longer.
async fn run_long(arguments: &[&str]) -> std::process::Output {
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

pub fn pack(releases: &TempDir, version: &str, arguments: &[&str]) -> Artifact {
    let release = Release {
        version: version.to_owned(),
        arguments: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
    };
    Artifact::pack(PROGRAM.as_ref(), &release, releases.path()).unwrap()
}

/// A supervisor of two clones of v1.
pub async fn supervise_two(releases: &TempDir) -> (Arc<Balancer>, Supervisor) {
    let balancer = Arc::new(Balancer::new(Vec::new()));
    let release = pack(releases, "v1", &[]);
    let supervisor = Supervisor::start(Arc::clone(&balancer), release, 2, Vec::new());
    (balancer, supervisor.await.unwrap())
}
