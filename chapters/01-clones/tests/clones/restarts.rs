//! Clones that die: the supervisor restarts them, and a deploy does not wait for that.

use ch01_clones::deploy::{DeployOutcome, RolloutPolicy};

use crate::application::{Application, pack, supervise_two};
use crate::support::{DEADLINE, until};

fn kill_nine(pid: u64) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn killed_clone_is_restarted() {
    let mut application = Application::start("local").await;
    let killed = application.clones().await.remove(0);
    kill_nine(killed.2);
    let output = application.role.line("replaces it").await;
    assert!(
        output.contains(&killed.0) && output.contains("SIGKILL"),
        "{output}"
    );
    until("three running clones of v1", async || {
        let clones = application.clones().await;
        // A process that has ended has the id 0.
        let is_running =
            |clone: &(String, String, u64)| clone.0 != killed.0 && clone.1 == "v1" && clone.2 != 0;
        clones.len() == 3 && clones.iter().all(is_running)
    })
    .await;
}

#[tokio::test]
async fn deploy_begins_while_restart_fails() {
    let (broken, fixed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (balancer, supervisor) = supervise_two(&broken).await;
    let repair = pack(&fixed, "v2", &[]);
    let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel::<String>();
    let repaired = async {
        // Without its program, a dead clone cannot restart.
        std::fs::remove_dir_all(broken.path()).unwrap();
        kill_nine(supervisor.running()[0].pid.into());
        while !reported
            .recv()
            .await
            .unwrap_or_default()
            .contains("cannot start")
        {}
        supervisor
            .deploy(&repair, &RolloutPolicy::default(), |_| {})
            .await
    };
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(DEADLINE * 6, repaired) => outcome.expect("a deploy ends"),
        () = supervisor.supervise(|line| drop(reports.send(line))) => unreachable!("it never ends"),
    };
    assert_eq!(
        outcome,
        DeployOutcome::Deployed,
        "a clone that cannot restart must not keep the repair out"
    );
    let running = supervisor.running();
    assert!(
        running.iter().all(|clone| clone.release == "v2"),
        "{running:?}"
    );
    assert_eq!(
        balancer.status().len(),
        2,
        "the balancer has the new clones only"
    );
    supervisor.stop().await;
}
