//! Deploys of real processes under real load: every clone is replaced, and nobody outside can tell
//! when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ch01_clones::Balancer;
use ch01_clones::deploy::{self, Artifact, DeployOutcome, Release, RolloutPolicy};
use loadgen::{Request, Target, open_loop};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::avatars::PNG;
use crate::balancing::unused_address;
use crate::program::{PROGRAM, Role, error, run, shown};
use crate::support::{DEADLINE, client, header, log_in, read_head, until};

/// A running site with three clones of v1, and a folder for releases.
struct Supervisor {
    role: Role,
    front: SocketAddr,
    door: SocketAddr,
    releases: TempDir,
}

impl Supervisor {
    async fn start(sessions: &str) -> Self {
        let mut role = Role::start(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--sessions",
            sessions,
        ]);
        let front = role.address("application listens on").await;
        let door = role.address("/clones").await;
        Supervisor {
            role,
            front,
            door,
            releases: tempfile::tempdir().unwrap(),
        }
    }

    /// Packs a release. Gives its folder.
    async fn pack(&self, version: &str, defect: &[&str]) -> String {
        let to = shown(self.releases.path());
        let packed = run(&[&["pack", version, "--to", to, "--"], defect].concat()).await;
        assert!(
            packed.status.success(),
            "{}",
            String::from_utf8_lossy(&packed.stderr)
        );
        String::from_utf8(packed.stdout).unwrap().trim().to_owned()
    }

    /// Packs a release and deploys it. Gives all that it said, and whether it is everywhere now.
    async fn deploy(&self, version: &str, defect: &[&str]) -> (String, bool) {
        let (door, folder) = (self.door.to_string(), self.pack(version, defect).await);
        let arguments = ["deploy", "--admin", &door, &folder];
        let deployed = tokio::time::timeout(DEADLINE * 6, run_long(&arguments)).await;
        let deployed = deployed.expect("a deploy takes some seconds");
        let told = String::from_utf8(deployed.stdout).unwrap();
        (told, deployed.status.success())
    }

    /// Name, release and process of each clone.
    async fn clones(&self) -> Vec<(String, String, u64)> {
        let list = client()
            .get(format!("http://{}/clones", self.door))
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

    async fn releases_at_work(&self) -> Vec<String> {
        self.clones()
            .await
            .into_iter()
            .map(|(_, release, _)| release)
            .collect()
    }
}

/// A deploy may take longer than what `run` believes.
async fn run_long(arguments: &[&str]) -> std::process::Output {
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

/// Three hundred requests a second of a visitor who is logged in, until told to stop. Gives how
/// many failed, and of how many.
struct Load {
    enough: Arc<AtomicBool>,
    running: tokio::task::JoinHandle<(u64, u64)>,
}

impl Load {
    fn start(front: SocketAddr, cookie: String) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&enough);
        let running = tokio::spawn(async move {
            let target = Target::parse(&format!("http://{front}")).unwrap();
            let (mut failed, mut all) = (0, 0);
            // In short runs, because nobody knows how long a deploy takes here.
            while !done.load(Ordering::SeqCst) {
                let cookie = cookie.clone();
                let ask = move |_| Request::get("/me").header("cookie", &cookie);
                let report = open_loop(&target, 300, 16, Duration::from_millis(500), ask).await;
                all += report.requests;
                // A 401 would be a login that got lost on the way.
                let good = report.by_status.get(&200).copied().unwrap_or(0);
                failed += report.requests - good;
            }
            (failed, all)
        });
        Load { enough, running }
    }

    async fn stop(self) -> (u64, u64) {
        self.enough.store(true, Ordering::SeqCst);
        self.running.await.unwrap()
    }
}

#[tokio::test]
async fn rolling_deploy_fails_no_request() {
    let redis = testbed::redis().await.unwrap();
    let site = Supervisor::start(&redis.url()).await;
    let before = site.clones().await;
    let cookie = log_in(&format!("http://{}/login", site.front), "ada", None).await;
    let load = Load::start(site.front, cookie.clone());

    let (told, is_everywhere) = site.deploy("v2", &[]).await;

    let (failed, all) = load.stop().await;
    assert!(is_everywhere, "{told}");
    assert_eq!(failed, 0, "of {all} requests, while this happened:\n{told}");
    assert_eq!(site.releases_at_work().await, ["v2"; 3]);
    for (name, _, pid) in before {
        assert!(
            !site.clones().await.iter().any(|clone| clone.2 == pid),
            "{name} is still there"
        );
    }
    let me = client()
        .get(format!("http://{}/me", site.front))
        .header("cookie", cookie);
    let me = me.send().await.unwrap();
    assert_eq!(
        (me.status().as_u16(), header(&me, "x-release")),
        (200, "v2")
    );
}

/// What the balancer says of each clone: one field of it.
async fn of_each(door: SocketAddr, field: &str) -> Vec<Value> {
    let list = client()
        .get(format!("http://{door}/upstreams"))
        .send()
        .await
        .unwrap();
    let list: Value = list.json().await.unwrap();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|clone| clone[field].clone()).collect()
}

#[tokio::test]
async fn drained_clone_finishes_its_uploads() {
    let redis = testbed::redis().await.unwrap();
    let site = Supervisor::start(&redis.url()).await;
    let cookie = log_in(&format!("http://{}/login", site.front), "ada", None).await;
    // Now, because clones have little patience with half an upload.
    site.pack("v2", &[]).await;
    // An upload to each clone, of which half has come. Nobody could send it again for the visitor.
    let (half, rest) = PNG.split_at(PNG.len() / 2);
    let length = PNG.len();
    let head = format!(
        "PUT /me/avatar HTTP/1.1\r\nHost: shop\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut uploads = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(site.front).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(half).await.unwrap();
        uploads.push(stream);
    }
    until("each clone to have an upload", async || {
        of_each(site.door, "in_flight").await == [1, 1, 1]
    })
    .await;

    let finishing = async {
        until("the first clone to be drained", async || {
            of_each(site.door, "state")
                .await
                .contains(&"draining".into())
        })
        .await;
        for stream in &mut uploads {
            stream.write_all(rest).await.unwrap();
            let answer = read_head(stream).await;
            assert!(
                answer.starts_with("HTTP/1.1 204"),
                "it was begun before the deploy, and ended so: {answer:?}. Does the old clone wait?"
            );
        }
    };
    let ((told, is_everywhere), ()) = tokio::join!(site.deploy("v2", &[]), finishing);
    assert!(is_everywhere, "{told}");
}

#[tokio::test]
async fn broken_release_is_rolled_back_before_use() {
    let site = Supervisor::start("local").await;
    let before = site.clones().await;
    for (defect, because) in [
        ("exits", "ended before it was ready"),
        ("errors", "`GET /` fails"),
    ] {
        let (told, is_everywhere) = site.deploy("v2", &["--defect", defect]).await;
        assert!(!is_everywhere && told.contains(because), "{defect}: {told}");
        assert!(told.contains("rolled back: "), "{told}");
        assert_eq!(
            site.clones().await,
            before,
            "{defect}: the old clones have nothing to do with it"
        );
    }
}

#[tokio::test]
async fn release_that_fails_under_load_is_rolled_back() {
    let redis = testbed::redis().await.unwrap();
    let site = Supervisor::start(&redis.url()).await;
    let cookie = log_in(&format!("http://{}/login", site.front), "ada", None).await;
    let load = Load::start(site.front, cookie);

    let (told, is_everywhere) = site.deploy("v2", &["--defect", "sessions"]).await;

    let (failed, all) = load.stop().await;
    assert!(!is_everywhere && told.contains("failed"), "{told}");
    assert_eq!(site.releases_at_work().await, ["v1"; 3], "{told}");
    // Five in a row put the clone out, however slow the deploy is to look; each of 16 connections
    // may have had one more on its way.
    assert!(
        (1..=21).contains(&failed),
        "{failed} of {all} requests failed: does the first clone get a tenth of a share, and is it taken out?"
    );
}

#[tokio::test]
async fn release_that_is_never_ready_gets_no_request() {
    let releases = tempfile::tempdir().unwrap();
    let pack = |version: &str, arguments: &[&str]| {
        let release = Release {
            version: version.to_owned(),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
        };
        Artifact::pack(PROGRAM.as_ref(), &release, releases.path()).unwrap()
    };
    let balancer = Arc::new(Balancer::new(Vec::new()));
    let site = deploy::Supervisor::start(Arc::clone(&balancer), pack("v1", &[]), 2, Vec::new());
    let site = site.await.unwrap();
    let impatient = RolloutPolicy {
        ready_timeout: Duration::from_millis(500),
        ..RolloutPolicy::default()
    };

    let sick = pack("v2", &["--defect", "never-ready"]);
    let deployed = site.deploy(&sick, &impatient, |line| {
        assert!(!line.contains("gets requests"), "{line}");
    });

    let DeployOutcome::RolledBack { reason } = deployed.await else {
        panic!("it was never ready, and is at work");
    };
    assert!(reason.contains("was not ready within 500ms"), "{reason}");
    let at_work: Vec<String> = balancer
        .status()
        .into_iter()
        .map(|clone| clone.name)
        .collect();
    assert_eq!(at_work, ["clone-1", "clone-2"]);
    site.stop().await;
}

#[tokio::test]
async fn half_finished_deploy_is_rolled_back() {
    let site = Supervisor::start("local").await;
    let breaking = async {
        until(
            "the first clone of the new release to get requests",
            async || of_each(site.door, "name").await.contains(&"clone-4".into()),
        )
        .await;
        // Somebody tidies up, and the second clone of this release cannot start any more.
        let packed = std::fs::read_dir(site.releases.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        std::fs::remove_dir_all(packed.path()).unwrap();
    };

    let ((told, is_everywhere), ()) = tokio::join!(site.deploy("v2", &[]), breaking);

    assert!(
        !is_everywhere && told.contains("rolled back: cannot start"),
        "{told}"
    );
    assert_eq!(
        site.releases_at_work().await,
        ["v1"; 3],
        "one clone had the new release already:\n{told}"
    );
}

#[tokio::test]
async fn invalid_artefact_is_rejected() {
    let site = Supervisor::start("local").await;
    let before = site.clones().await;
    let folder = shown(site.releases.path());
    let door = site.door.to_string();
    let told = error(&run(&["deploy", "--admin", &door, folder]).await);
    assert!(told.contains("release.toml"), "{told}");
    // A page from anywhere must not be able to deploy something.
    let order = client()
        .post(format!("http://{door}/deploy"))
        .header("origin", "http://elsewhere.example");
    assert_eq!(order.send().await.unwrap().status(), 403);
    assert_eq!(site.clones().await, before);
}

#[tokio::test]
async fn deploy_without_application_says_how_to_start() {
    let folder = tempfile::tempdir().unwrap();
    // Bound and not listening, so nobody else gets the port meanwhile.
    let nobody = unused_address();
    let nobody = nobody.local_addr().unwrap().to_string();
    let told = error(&run(&["deploy", "--admin", &nobody, shown(folder.path())]).await);
    assert!(told.contains("cargo run -p ch01-clones -- serve"), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn killed_clone_is_restarted() {
    let mut site = Supervisor::start("local").await;
    let killed = site.clones().await.remove(0);
    let pid = rustix::process::Pid::from_raw(i32::try_from(killed.2).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let told = site.role.line("replaces it").await;
    assert!(
        told.contains(&killed.0) && told.contains("SIGKILL"),
        "{told}"
    );
    let clones = site.clones().await;
    assert_eq!(clones.len(), 3);
    // A process that has ended has no number.
    assert!(
        clones
            .iter()
            .all(|clone| clone.0 != killed.0 && clone.1 == "v1" && clone.2 != 0),
        "{clones:?}"
    );
}
