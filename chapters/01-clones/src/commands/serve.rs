//! The role of a whole site, and the two commands that change it: `pack` and `deploy`.
//!
//! Left out: deciding anything. That is the library's [`deploy`].

use std::ffi::OsString;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use ch01_clones::Balancer;
use ch01_clones::balancer::{self, ProbePolicy};
use ch01_clones::deploy::{self, Artifact, Release, Supervisor, admin};
use ch01_clones::web::{server, shutdown};
use testbed::Service;

use super::bind;
use crate::cli::{DeployArguments, PackArguments, ServeArguments};

/// Runs a balancer and its clones until it is told to stop.
pub async fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let stop = shutdown::stop_signal();
    let (listener, other) = (
        bind("the balancer", arguments.listen).await?,
        bind("the other door", arguments.admin).await?,
    );
    let (address, admin) = (listener.local_addr()?, other.local_addr()?);
    println!("the site opens on http://{address}");
    let pictures =
        tempfile::tempdir().context("no temporary folder can be made for the pictures")?;
    let sessions = match arguments.sessions {
        Some(place) => place,
        // The shared one, so that logins outlive the site.
        None => testbed::shared(Service::Redis).await?.url(),
    };
    let artifact = pack_here("v1", Vec::new(), None)?;
    let balancer =
        Balancer::new(Vec::new()).with_strategy(arguments.strategy.build(rand::random()));
    let balancer = Arc::new(balancer.with_probes(ProbePolicy::default()));
    let site = Supervisor::start(
        Arc::clone(&balancer),
        artifact,
        arguments.clones,
        common(&sessions, Some(pictures.path())),
    );
    let site = Arc::new(site.await?);
    println!(
        "{} clones of v1, sessions in {sessions}. Ctrl-C ends all.\n",
        arguments.clones
    );
    print!("{}", tour(&address.to_string(), &admin.to_string()));
    tokio::select! {
        () = balancer::run(listener, balancer, stop) => {}
        () = server::run(other, admin::router(&site), pending()) => {}
        () = site.supervise(|line| println!("{line}")) => {}
    }
    // A deploy that is under way holds it too; the clones go with this process then.
    if let Some(site) = Arc::into_inner(site) {
        site.stop().await;
    }
    Ok(())
}

/// What every clone of a site is told.
pub fn common(sessions: &str, avatars: Option<&Path>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--sessions".into(), sessions.into()];
    if let Some(folder) = avatars {
        arguments.extend(["--avatars".into(), folder.into()]);
    }
    arguments
}

fn tour(address: &str, admin: &str) -> String {
    let program = "cargo run -p ch01-clones --";
    let admin_flag = if admin == "127.0.0.1:9901" {
        String::new()
    } else {
        format!(" --admin {admin}")
    };
    format!(
        "   curl -i -c jar --json '{{\"user\":\"ada\"}}' http://{address}/login\n   \
         curl -i -b jar http://{address}/me\n   \
         curl http://{admin}/clones\n   \
         curl http://{admin}/metrics\n   \
         {program} deploy{admin_flag} \"$({program} pack v2)\"\n   \
         {program} deploy{admin_flag} \"$({program} pack v3 -- --defect errors)\"\n\n"
    )
}

/// Packs this program and prints where it lies: one line on the standard output, for `$(…)`.
pub fn pack(arguments: PackArguments) -> anyhow::Result<()> {
    let artifact = pack_here(&arguments.version, arguments.arguments, arguments.to)?;
    println!("{}", artifact.folder().display());
    Ok(())
}

/// Packs this very program.
pub fn pack_here(
    version: &str,
    arguments: Vec<String>,
    to: Option<PathBuf>,
) -> anyhow::Result<Artifact> {
    let program = std::env::current_exe().context("this program cannot tell where it lies")?;
    let to = match to {
        Some(to) => {
            std::path::absolute(&to).with_context(|| format!("{} is no folder", to.display()))?
        }
        None => program.with_file_name("releases"),
    };
    let version = version.to_owned();
    Ok(Artifact::pack(
        &program,
        &Release { version, arguments },
        &to,
    )?)
}

/// Asks a running site to deploy, and prints what it says.
pub async fn deploy(arguments: DeployArguments) -> anyhow::Result<()> {
    let artifact = arguments.artifact;
    if !artifact.is_dir() {
        bail!(
            "{} is no folder; `pack` prints the one that it has made",
            artifact.display()
        );
    }
    // The site may have been started somewhere else.
    let artifact = std::path::absolute(&artifact)?;
    deploy::admin::request_deploy(arguments.admin, &artifact, |line| println!("{line}")).await?;
    Ok(())
}
