//! The demonstration's deploys under load: a good release and a failing one.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use ch01_clones::balancer::ProbePolicy;
use ch01_clones::deploy::{DeployOutcome, RolloutPolicy, Supervisor};
use ch01_clones::{Balancer, balancer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::client::Client;
use super::load::{Load, LoadResult};
use crate::commands::serve::{common_arguments, pack_this_program};

/// Deploys v2, which works, and then v3, which fails for every user with a session. Returns the
/// results of the load during each deploy.
pub async fn run(sessions: &str, releases: &Path) -> anyhow::Result<(LoadResult, LoadResult)> {
    let pack = |version, arguments: &[&str]| {
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        pack_this_program(version, arguments, Some(releases.to_owned()))
    };
    let balancer = Arc::new(Balancer::new(Vec::new()).with_probes(ProbePolicy::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.context("cannot listen on any port of 127.0.0.1")?;
    let address = listener.local_addr()?;
    // Dropping the set stops the balancer.
    let mut front = JoinSet::new();
    front.spawn(balancer::run(
        listener,
        Arc::clone(&balancer),
        std::future::pending(),
    ));
    let supervisor = Supervisor::start(
        balancer,
        pack("v1", &[])?,
        3,
        common_arguments(sessions, None),
    )
    .await?;

    let mut ada = Client::new(address).await?;
    ada.log_in("ada").await?;
    let mut results = Vec::new();
    for (version, arguments) in [("v2", &[][..]), ("v3", &["--defect", "sessions"])] {
        let next = pack(version, arguments)?;
        let load = Load::start(address, ada.cookie()?)?;
        println!(
            "   deploy {version}{}",
            if arguments.is_empty() {
                ""
            } else {
                ", which fails for users with a session"
            }
        );
        let policy = RolloutPolicy::default();
        let deployed = supervisor
            .deploy(&next, &policy, |line| println!("      {line}"))
            .await;
        let result = load.stop().await?;
        match deployed {
            DeployOutcome::Deployed => println!("      {version} runs on all clones. {result}.\n"),
            DeployOutcome::RolledBack { .. } => {
                println!("      {version} runs on no clone. {result}.\n");
            }
            other => bail!("the deploy of {version} had an unexpected outcome: {other:?}"),
        }
        results.push(result);
    }
    supervisor.stop().await;
    let mut results = results.into_iter();
    results
        .next()
        .zip(results.next())
        .context("expected the results of two deploys")
}
