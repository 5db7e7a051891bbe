//! `serve`: runs the balancer with its clones. `pack` and `deploy` replace the clones.

use std::ffi::OsString;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use ch01_clones::Balancer;
use ch01_clones::balancer::{self, ProbePolicy};
use ch01_clones::deploy::{self, Artifact, Release, Supervisor, admin};
use ch01_clones::web::server;
use common::shutdown;
use testbed::Service;

use super::bind;
use crate::cli::{DeployArguments, PackArguments, ServeArguments};

/// Runs a balancer and its clones until it is asked to stop.
pub async fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let stop = shutdown::signal();
    let (listener, admin_listener) = (
        bind("the balancer", arguments.listen).await?,
        bind("the admin API", arguments.admin).await?,
    );
    let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);
    println!("the application listens on http://{address}");
    let pictures =
        tempfile::tempdir().context("cannot create a temporary folder for the pictures")?;
    let sessions = match arguments.sessions {
        Some(url) => url,
        // The shared Redis, so that logins survive a restart.
        None => testbed::shared(Service::Redis).await?.url(),
    };
    let artifact = pack_this_program("v1", Vec::new(), None)?;
    let balancer =
        Balancer::new(Vec::new()).with_strategy(arguments.strategy.build(rand::random()));
    let balancer = Arc::new(balancer.with_probes(ProbePolicy::default()));
    let supervisor = Supervisor::start(
        Arc::clone(&balancer),
        artifact,
        arguments.clones,
        common_arguments(&sessions, Some(pictures.path())),
    );
    let supervisor = Arc::new(supervisor.await?);
    println!(
        "{} clones of v1, sessions in {sessions}. Ctrl-C ends all of it.\n",
        arguments.clones
    );
    print!(
        "{}",
        examples(&address.to_string(), &admin_address.to_string())
    );
    tokio::select! {
        () = balancer::run(listener, balancer, stop) => {}
        () = server::run(admin_listener, admin::router(&supervisor), pending()) => {}
        () = supervisor.supervise(|line| println!("{line}")) => {}
    }
    // A deploy in progress also holds the supervisor. Then the clones end with this process.
    if let Some(supervisor) = Arc::into_inner(supervisor) {
        supervisor.stop().await;
    }
    Ok(())
}

/// The arguments that every clone gets.
pub fn common_arguments(sessions: &str, avatars: Option<&Path>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--sessions".into(), sessions.into()];
    if let Some(folder) = avatars {
        arguments.extend(["--avatars".into(), folder.into()]);
    }
    arguments
}

fn examples(address: &str, admin: &str) -> String {
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

/// Packs this program and prints the folder as the only line of its output, for `$(…)`.
pub fn pack(arguments: PackArguments) -> anyhow::Result<()> {
    let artifact = pack_this_program(&arguments.version, arguments.arguments, arguments.to)?;
    println!("{}", artifact.folder().display());
    Ok(())
}

/// Packs the running program.
pub fn pack_this_program(
    version: &str,
    arguments: Vec<String>,
    to: Option<PathBuf>,
) -> anyhow::Result<Artifact> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let to = match to {
        Some(to) => {
            std::path::absolute(&to).with_context(|| format!("{} is not a folder", to.display()))?
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

/// Deploys an artefact to the running application and prints each step.
pub async fn deploy(arguments: DeployArguments) -> anyhow::Result<()> {
    let artifact = arguments.artifact;
    if !artifact.is_dir() {
        bail!(
            "{} is not a folder; give the folder that `pack` has printed",
            artifact.display()
        );
    }
    // The application may have another working directory.
    let artifact = std::path::absolute(&artifact)?;
    deploy::admin::request_deploy(arguments.admin, &artifact, |line| println!("{line}")).await?;
    Ok(())
}
