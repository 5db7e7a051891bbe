//! Deploys of real processes under load: every clone is replaced, and no client notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ch01_clones::deploy::{DeployOutcome, RolloutPolicy};
use loadgen::{Request, Target, open_loop};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::application::{Application, pack, supervise_two};
use crate::avatars::PNG;
use crate::balancing::unused_address;
use crate::role::{error, run, shown};
use crate::support::{DEADLINE, client, header, log_in, read_head, until};

/// 300 requests per second of a logged-in user until `stop`, which returns the number of failed
/// requests and of all requests.
struct Load {
    is_stopped: Arc<AtomicBool>,
    running: tokio::task::JoinHandle<(u64, u64)>,
}

impl Load {
    fn start(balancer: SocketAddr, cookie: String) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&is_stopped);
        let running = tokio::spawn(async move {
            let target = Target::parse(&format!("http://{balancer}")).unwrap();
            let (mut failed, mut all) = (0, 0);
            // In short runs, because the duration of a deploy is not known in advance.
            while !is_done.load(Ordering::SeqCst) {
                let cookie = cookie.clone();
                let make_request = move |_| Request::get("/me").header("cookie", &cookie);
                let report =
                    open_loop(&target, 300, 16, Duration::from_millis(500), make_request).await;
                all += report.requests;
                // A 401 means that the session was lost.
                let good = report.by_status.get(&200).copied().unwrap_or(0);
                failed += report.requests - good;
            }
            (failed, all)
        });
        Load {
            is_stopped,
            running,
        }
    }

    async fn stop(self) -> (u64, u64) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.running.await.unwrap()
    }
}

#[tokio::test]
async fn rolling_deploy_fails_no_request() {
    let redis = testbed::redis().await.unwrap();
    let application = Application::start(&redis.url()).await;
    let before = application.clones().await;
    let cookie = log_in(
        &format!("http://{}/login", application.balancer),
        "ada",
        None,
    )
    .await;
    let load = Load::start(application.balancer, cookie.clone());

    let (output, is_deployed) = application.deploy("v2", &[]).await;

    let (failed, all) = load.stop().await;
    assert!(is_deployed, "{output}");
    assert_eq!(failed, 0, "of {all} requests during this deploy:\n{output}");
    assert_eq!(application.running_releases().await, ["v2"; 3]);
    for (name, _, pid) in before {
        assert!(
            !application
                .clones()
                .await
                .iter()
                .any(|clone| clone.2 == pid),
            "{name} of v1 still runs"
        );
    }
    let me = client()
        .get(format!("http://{}/me", application.balancer))
        .header("cookie", cookie);
    let me = me.send().await.unwrap();
    assert_eq!(
        (me.status().as_u16(), header(&me, "x-release")),
        (200, "v2")
    );
}

/// One field of each clone in the list of the balancer's admin API.
async fn upstream_fields(admin: SocketAddr, field: &str) -> Vec<Value> {
    let list = client()
        .get(format!("http://{admin}/upstreams"))
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
    let application = Application::start(&redis.url()).await;
    let cookie = log_in(
        &format!("http://{}/login", application.balancer),
        "ada",
        None,
    )
    .await;
    // Packed first, because a clone soon ends half an upload.
    application.pack("v2", &[]).await;
    // Each clone has received half of an upload. The balancer cannot retry it.
    let (half, rest) = PNG.split_at(PNG.len() / 2);
    let length = PNG.len();
    let head = format!(
        "PUT /me/avatar HTTP/1.1\r\nHost: shop\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut uploads = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(application.balancer).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(half).await.unwrap();
        uploads.push(stream);
    }
    until("each clone to have an upload", async || {
        upstream_fields(application.admin, "in_flight").await == [1, 1, 1]
    })
    .await;

    let finishing = async {
        until("the first clone to be drained", async || {
            upstream_fields(application.admin, "state")
                .await
                .contains(&"draining".into())
        })
        .await;
        let clones = tokio::time::timeout(DEADLINE, application.clones()).await;
        let clones = clones.expect("the list of clones must not wait for the end of a deploy");
        assert_eq!(clones.len(), 3);
        for stream in &mut uploads {
            stream.write_all(rest).await.unwrap();
            let response = read_head(stream).await;
            assert!(
                response.starts_with("HTTP/1.1 204"),
                "an upload from before the deploy must succeed, but got {response:?}. Does the old clone drain?"
            );
        }
    };
    let ((output, is_deployed), ()) = tokio::join!(application.deploy("v2", &[]), finishing);
    assert!(is_deployed, "{output}");
}

#[tokio::test]
async fn broken_release_is_rolled_back_before_use() {
    let application = Application::start("local").await;
    let before = application.clones().await;
    for (defect, because) in [
        ("exits", "ended before it was ready"),
        ("errors", "`GET /` fails"),
    ] {
        let (output, is_deployed) = application.deploy("v2", &["--defect", defect]).await;
        assert!(
            !is_deployed && output.contains(because),
            "{defect}: {output}"
        );
        assert!(output.contains("rolled back: "), "{output}");
        assert_eq!(
            application.clones().await,
            before,
            "{defect}: the old clones must keep running"
        );
    }
}

#[tokio::test]
async fn release_that_fails_under_load_is_rolled_back() {
    let redis = testbed::redis().await.unwrap();
    let application = Application::start(&redis.url()).await;
    let cookie = log_in(
        &format!("http://{}/login", application.balancer),
        "ada",
        None,
    )
    .await;
    let load = Load::start(application.balancer, cookie);

    let (output, is_deployed) = application.deploy("v2", &["--defect", "sessions"]).await;

    let (failed, all) = load.stop().await;
    assert!(!is_deployed && output.contains("failed"), "{output}");
    assert_eq!(application.running_releases().await, ["v1"; 3], "{output}");
    // Five failures in a row eject the clone. Each of the 16 connections may have one more request
    // in flight.
    assert!(
        (1..=21).contains(&failed),
        "{failed} of {all} requests failed: does the new clone start slowly, and is it ejected?"
    );
}

#[tokio::test]
async fn release_that_is_never_ready_gets_no_request() {
    let releases = tempfile::tempdir().unwrap();
    let (balancer, supervisor) = supervise_two(&releases).await;
    let short_timeout = RolloutPolicy {
        ready_timeout: Duration::from_millis(500),
        ..RolloutPolicy::default()
    };

    let failing = pack(&releases, "v2", &["--defect", "never-ready"]);
    let deployed = supervisor.deploy(&failing, &short_timeout, |line| {
        assert!(!line.contains("gets requests"), "{line}");
    });

    let DeployOutcome::RolledBack { reason } = deployed.await else {
        panic!("a release that is never ready must be rolled back");
    };
    assert!(reason.contains("was not ready within 500ms"), "{reason}");
    let running: Vec<String> = balancer
        .status()
        .into_iter()
        .map(|clone| clone.name)
        .collect();
    assert_eq!(running, ["clone-1", "clone-2"]);
    supervisor.stop().await;
}

#[tokio::test]
async fn half_finished_deploy_is_rolled_back() {
    let application = Application::start("local").await;
    let removal = async {
        until(
            "the first clone of the new release to get requests",
            async || {
                upstream_fields(application.admin, "name")
                    .await
                    .contains(&"clone-4".into())
            },
        )
        .await;
        // Without the release folder, the second clone of this release cannot start.
        let packed = std::fs::read_dir(application.releases.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        std::fs::remove_dir_all(packed.path()).unwrap();
    };

    let ((output, is_deployed), ()) = tokio::join!(application.deploy("v2", &[]), removal);

    assert!(
        !is_deployed && output.contains("rolled back: cannot start"),
        "{output}"
    );
    assert_eq!(
        application.running_releases().await,
        ["v1"; 3],
        "the clone with the new release must be replaced too:\n{output}"
    );
}

#[tokio::test]
async fn invalid_artefact_is_rejected() {
    let application = Application::start("local").await;
    let before = application.clones().await;
    let folder = shown(application.releases.path());
    let admin = application.admin.to_string();
    let output = error(&run(&["deploy", "--admin", &admin, folder]).await);
    assert!(output.contains("release.toml"), "{output}");
    // A web page of another origin must not be able to deploy.
    let request = client()
        .post(format!("http://{admin}/deploy"))
        .header("origin", "http://elsewhere.example");
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert_eq!(application.clones().await, before);
}

#[tokio::test]
async fn deploy_without_application_says_how_to_start() {
    let folder = tempfile::tempdir().unwrap();
    // The port is bound but does not listen, so no other program gets it.
    let unused = unused_address();
    let unused = unused.local_addr().unwrap().to_string();
    let output = error(&run(&["deploy", "--admin", &unused, shown(folder.path())]).await);
    assert!(
        output.contains("cargo run -p ch01-clones -- serve"),
        "{output}"
    );
}
