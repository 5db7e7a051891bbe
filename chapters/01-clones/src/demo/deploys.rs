//! The demonstration's deploys: a good release and a sick one, each while visitors ask and ask.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use ch01_clones::balancer::ProbePolicy;
use ch01_clones::deploy::{DeployOutcome, RolloutPolicy, Supervisor};
use ch01_clones::{Balancer, balancer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::load::{Load, Seen};
use super::visitor::Visitor;
use crate::commands::serve::{common_arguments, pack_this_program};

/// Deploys v2, which is well, and then v3, which fails whoever has a session. What the visitors
/// have seen of either.
pub async fn run(sessions: &str, releases: &Path) -> anyhow::Result<(Seen, Seen)> {
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
    // Dropped when this ends, and the balancer with it.
    let mut front = JoinSet::new();
    front.spawn(balancer::run(
        listener,
        Arc::clone(&balancer),
        std::future::pending(),
    ));
    let site = Supervisor::start(
        balancer,
        pack("v1", &[])?,
        3,
        common_arguments(sessions, None),
    )
    .await?;

    let mut ada = Visitor::new(address).await?;
    ada.log_in("ada").await?;
    let mut seen = Vec::new();
    for (version, arguments) in [("v2", &[][..]), ("v3", &["--defect", "sessions"])] {
        let next = pack(version, arguments)?;
        let load = Load::start(address, ada.cookie()?)?;
        println!(
            "   deploy {version}{}",
            if arguments.is_empty() {
                ""
            } else {
                ", which fails whoever has a session"
            }
        );
        let policy = RolloutPolicy::default();
        let deployed = site
            .deploy(&next, &policy, |line| println!("      {line}"))
            .await;
        let visitors = load.stop().await?;
        match deployed {
            DeployOutcome::Deployed => println!("      {version} is everywhere. {visitors}.\n"),
            DeployOutcome::RolledBack { .. } => {
                println!("      {version} is nowhere. {visitors}.\n")
            }
            other => bail!("the deploy of {version} ended as it should not: {other:?}"),
        }
        seen.push(visitors);
    }
    site.stop().await;
    let mut seen = seen.into_iter();
    seen.next()
        .zip(seen.next())
        .context("there were two deploys")
}
