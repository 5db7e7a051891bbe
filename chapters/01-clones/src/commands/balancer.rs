//! `balancer`: runs the balancer with the settings of the command line and the file, and follows
//! changes of the file.

use std::future::pending;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::Balancer;
use ch01_clones::balancer::{self, Config, admin};
use ch01_clones::web::server;
use common::shutdown;
use tokio::sync::mpsc;

use super::bind;
use crate::cli::BalancerArguments;

/// Runs the balancer until it is asked to stop.
pub async fn run(arguments: BalancerArguments) -> anyhow::Result<()> {
    let stop = shutdown::signal();
    let reload = hangup_signals();
    let file = arguments
        .config
        .as_deref()
        .map_or_else(|| Ok(Config::default()), Config::read)?;
    let config = arguments.over(file);
    let balancer = Arc::new(
        config
            .build()
            .context("the balancer's settings are not valid")?,
    );

    let listener = bind("the balancer", arguments.listen).await?;
    println!(
        "balancer listens on http://{} (Ctrl-C ends it)",
        listener.local_addr()?
    );
    let admin_api = serve_admin(&arguments, &balancer).await?;
    tokio::select! {
        () = balancer::run_with(config.limits, listener, Arc::clone(&balancer), stop) => {}
        () = admin_api => {}
        () = follow(&arguments, &balancer, config.clone(), reload) => {}
    }
    Ok(())
}

/// Binds and serves the admin API, if `--admin` is given. The future never ends.
async fn serve_admin(
    arguments: &BalancerArguments,
    balancer: &Arc<Balancer>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let listener = match arguments.admin {
        Some(address) => Some(bind("the admin API", address).await?),
        None => None,
    };
    if let Some(listener) = &listener {
        println!(
            "the admin API is http://{}, try /upstreams and /metrics",
            listener.local_addr()?
        );
    }
    let router = admin::router(Arc::clone(balancer));
    Ok(async move {
        match listener {
            Some(listener) => server::run(listener, router, pending()).await,
            None => pending().await,
        }
    })
}

async fn follow(
    arguments: &BalancerArguments,
    balancer: &Balancer,
    config: Config,
    reload: mpsc::Receiver<()>,
) {
    let Some(path) = &arguments.config else {
        return pending().await;
    };
    let shown = path.display();
    let report = |changed: Result<Vec<String>, _>| match changed {
        Ok(changes) if changes.is_empty() => println!("{shown} was reloaded without changes"),
        Ok(changes) => println!("{shown} was reloaded: {}", changes.join("; ")),
        Err(error) => eprintln!("{shown} was not reloaded, the old settings stay: {error}"),
    };
    balancer
        .watch_config(path, config, reload, |file| arguments.over(file), report)
        .await;
}

/// A message for each SIGHUP from the call on; no messages on Windows.
fn hangup_signals() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hangups) = signal(SignalKind::hangup()) {
            tokio::spawn(async move {
                while hangups.recv().await.is_some() && sender.send(()).await.is_ok() {}
            });
        }
    }
    #[cfg(not(unix))]
    drop(sender);
    receiver
}
