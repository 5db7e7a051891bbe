//! The role of a balancer: what the command line and the file say, followed while it runs.
//!
//! Left out: balancing. That is the library's [`balancer`].

use std::future::pending;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::Balancer;
use ch01_clones::balancer::{self, Config, admin};
use ch01_clones::web::{server, shutdown};
use tokio::sync::mpsc;

use super::bind;
use crate::cli::BalancerArguments;

/// Balances until it is told to stop.
pub async fn run(arguments: BalancerArguments) -> anyhow::Result<()> {
    let stop = shutdown::stop_signal();
    let reload = hang_ups();
    let file = arguments
        .config
        .as_deref()
        .map_or_else(|| Ok(Config::default()), Config::read)?;
    let config = arguments.over(file);
    let balancer = Arc::new(config.build().context("this cannot be a balancer")?);

    let listener = bind("the balancer", arguments.listen).await?;
    println!(
        "balancer listens on http://{} (Ctrl-C ends it)",
        listener.local_addr()?
    );
    let door = open_door(&arguments, &balancer).await?;
    tokio::select! {
        () = balancer::run_with(config.limits, listener, Arc::clone(&balancer), stop) => {}
        () = door => {}
        () = follow(&arguments, &balancer, config.clone(), reload) => {}
    }
    Ok(())
}

/// Serves the other door, if there is to be one. Never ends.
async fn open_door(
    arguments: &BalancerArguments,
    balancer: &Arc<Balancer>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let listener = match arguments.admin {
        Some(address) => Some(bind("the other door", address).await?),
        None => None,
    };
    if let Some(listener) = &listener {
        println!(
            "the other door is http://{}, try /upstreams and /metrics",
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
        Ok(changes) if changes.is_empty() => println!("{shown} was read again, and says the same"),
        Ok(changes) => println!("{shown} was read again: {}", changes.join("; ")),
        Err(error) => eprintln!("{shown} was read again, and everything stays as it was: {error}"),
    };
    balancer
        .watch_config(path, config, reload, |file| arguments.over(file), report)
        .await;
}

/// A message for each SIGHUP, from the call on. Where there are no signals, none ever comes.
fn hang_ups() -> mpsc::Receiver<()> {
    let (tell, told) = mpsc::channel(1);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hang_ups) = signal(SignalKind::hangup()) {
            tokio::spawn(async move {
                while hang_ups.recv().await.is_some() && tell.send(()).await.is_ok() {}
            });
        }
    }
    #[cfg(not(unix))]
    drop(tell);
    told
}
