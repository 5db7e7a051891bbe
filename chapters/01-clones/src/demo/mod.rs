//! The guided demonstration: what goes wrong when a clone remembers something, and what stops going
//! wrong when it does not.
//!
//! The clones are processes and die by `kill -9`; Redis is a real one, in a container. Only the
//! balancer lives in this process, where it can be asked what it has seen.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};
use common::shutdown::signal as stop_signal;
use testbed::Service;
use tokio::time::sleep;

use cluster::Cluster;
use load::{Load, RATE};
use visitor::{Visitor, served_by};

mod cluster;
mod deploys;
mod load;
mod visitor;

/// A PNG of one pixel.
const PICTURE: &[u8] = include_bytes!("pixel.png");

/// Runs all parts. Ctrl-C ends it, and the clones with it.
pub async fn run() -> anyhow::Result<()> {
    tokio::select! {
        told = tell() => told,
        () = stop_signal() => bail!("stopped before the end; the clones are gone too"),
    }
}

async fn tell() -> anyhow::Result<()> {
    println!("Three clones, each a process of its own, behind a balancer.");
    println!("Looking for the workshop's Redis, or starting it in a container ...\n");
    let redis = testbed::redis().await?;

    println!(
        "1. Each clone keeps its sessions in its own memory. Ada logs in, then asks six times who she is.\n"
    );
    let mut local = Cluster::start("local", no_folder).await?;
    let (mut ada, her_clone) = log_in(&local).await?;
    let known_locally = ask_who_i_am(&mut ada).await?;
    println!(
        "\n   Known on {known_locally} of 6. The login lies on one clone, and the balancer takes them in turn."
    );
    local.kill(&her_clone).await?;
    let left_locally = successes(&mut ada, "/me", 20).await?;
    println!(
        "   After `kill -9` of {her_clone}: known on {left_locally} of 20. The login died with it.\n"
    );
    drop(local);

    println!(
        "2. The clones share one store, {}. Ada does the same.\n",
        redis.url()
    );
    let mut shared = Cluster::start(&redis.url(), no_folder).await?;
    let (mut ada, her_clone) = log_in(&shared).await?;
    let known = ask_who_i_am(&mut ada).await?;
    println!("\n   Known on {known} of 6. No clone remembers anything, so any clone will do.\n");

    println!(
        "3. {RATE} requests a second. After a second {her_clone}, which took her login, gets `kill -9`.\n"
    );
    let load = Load::start(shared.address, ada.cookie()?)?;
    sleep(Duration::from_secs(1)).await;
    shared.kill(&her_clone).await?;
    sleep(Duration::from_secs(2)).await;
    let killed = load.stop().await?;
    let left = successes(&mut ada, "/me", 20).await?;
    shared.print_status();
    println!("\n   {killed}.");
    println!(
        "   What the balancer could not connect to, it left out; what broke off went on to the next clone.\n"
    );
    drop(shared);

    println!(
        "4. Ada sends her picture once, with `PUT /me/avatar`. Then everybody wants to see it.\n"
    );
    let folders = tempfile::tempdir()?;
    let own = |clone: &str| Some(folders.path().join(clone));
    let pictures_of_its_own =
        send_a_picture("A folder for each clone: ", &redis.url(), own).await?;
    let one_for_all = |_: &str| Some(folders.path().join("all"));
    let shared_pictures =
        send_a_picture("One folder for all clones:", &redis.url(), one_for_all).await?;

    println!(
        "\n5. A new version for all clones, one after the other, at {RATE} requests a second; and then a sick one.\n"
    );
    let (good, sick) = deploys::run(&redis.url(), folders.path()).await?;

    println!(
        "   {:<48} {:>10} {:>10}",
        "requests that succeed, when things are kept by", "each clone", "all clones"
    );
    row("Ada is known", 6, known_locally, known);
    row(
        "... after `kill -9` of the clone she logged in on",
        20,
        left_locally,
        left,
    );
    row(
        "her picture is shown",
        6,
        pictures_of_its_own.0,
        shared_pictures.0,
    );
    row(
        "... after `kill -9` of the clone that took it",
        20,
        pictures_of_its_own.1,
        shared_pictures.1,
    );
    println!("\n   requests that failed, with all things shared by all clones");
    for (what, seen) in [
        ("one clone of three gets `kill -9`", &killed),
        ("v2 is deployed, and all clones are replaced", &good),
        ("v3 is deployed, is sick, and is taken back", &sick),
    ] {
        println!("   {what:<48} {:>10} of {}", seen.failed, seen.all);
    }
    explain_by_hand().await
}

fn no_folder(_: &str) -> Option<PathBuf> {
    None
}

/// Logs in as Ada, and tells on which clone.
async fn log_in(cluster: &Cluster) -> anyhow::Result<(Visitor, String)> {
    let mut ada = Visitor::new(cluster.address).await?;
    let login = ada.log_in("ada").await?;
    let clone = served_by(&login).to_owned();
    println!("   POST /login  {}  by {clone}", login.status().as_u16());
    Ok((ada, clone))
}

/// Prints what six clones in turn say to `GET /me`. How many knew her?
async fn ask_who_i_am(ada: &mut Visitor) -> anyhow::Result<u32> {
    let mut known = 0;
    for _ in 0..6 {
        let answer = ada.get("/me").await?;
        let is_known = answer.status().is_success();
        let verdict = if is_known {
            "knows her"
        } else {
            "does not know her"
        };
        known += u32::from(is_known);
        let clone = served_by(&answer);
        println!(
            "   GET  /me     {}  by {clone}, which {verdict}",
            answer.status().as_u16()
        );
    }
    Ok(known)
}

/// How many of so many requests are answered with what was asked for.
async fn successes(visitor: &mut Visitor, path: &str, requests: u32) -> anyhow::Result<u32> {
    let mut successes = 0;
    for _ in 0..requests {
        successes += u32::from(visitor.get(path).await?.status().is_success());
    }
    Ok(successes)
}

/// Sends a picture to one clone and asks all for it: of 6 requests before the clone that took it is
/// killed, and of 20 after, how many get it?
async fn send_a_picture(
    what: &str,
    sessions: &str,
    folder: impl Fn(&str) -> Option<PathBuf>,
) -> anyhow::Result<(u32, u32)> {
    let mut cluster = Cluster::start(sessions, folder).await?;
    let mut ada = Visitor::new(cluster.address).await?;
    ada.log_in("ada").await?;
    let sent = ada.put("/me/avatar", PICTURE).await?;
    ensure!(
        sent.status().is_success(),
        "sending the picture gave {}",
        sent.status()
    );
    let taker = served_by(&sent).to_owned();

    let mut anybody = Visitor::new(cluster.address).await?;
    let before = successes(&mut anybody, "/users/ada/avatar", 6).await?;
    cluster.kill(&taker).await?;
    let after = successes(&mut anybody, "/users/ada/avatar", 20).await?;
    println!(
        "   {what} shown on {before} of 6; after `kill -9` of {taker}, which took it, on {after} of 20."
    );
    Ok((before, after))
}

fn row(what: &str, requests: u32, each_its_own: u32, shared: u32) {
    let (each_its_own, shared) = (
        format!("{each_its_own} of {requests}"),
        format!("{shared} of {requests}"),
    );
    println!("   {what:<48} {each_its_own:>10} {shared:>10}");
}

async fn explain_by_hand() -> anyhow::Result<()> {
    // Not the database of this run, which is emptied when it ends.
    let redis = testbed::shared(Service::Redis).await?.url();
    println!("\nTry it by hand. In one terminal, the whole site, until Ctrl-C:");
    println!("   cargo run -p ch01-clones -- serve");
    println!("in another, with `kill -9` of a clone that /clones names between any two of them:");
    println!("   curl -i -c jar --json '{{\"user\":\"ada\"}}' http://127.0.0.1:8080/login");
    println!("   curl -i -b jar http://127.0.0.1:8080/me");
    println!(
        "   curl -i -b jar -T chapters/01-clones/src/demo/pixel.png http://127.0.0.1:8080/me/avatar"
    );
    println!("   curl -D - -o ada.png http://127.0.0.1:8080/users/ada/avatar");
    println!("   curl http://127.0.0.1:9901/clones");
    println!("   cargo run -p ch01-clones -- deploy \"$(cargo run -p ch01-clones -- pack v2)\"");
    println!(
        "Or each server alone, in terminals of their own (`cargo workshop up` starts the Redis, if it is not there any more):"
    );
    println!(
        "   cargo run -p ch01-clones -- clone --name clone-1 --listen 127.0.0.1:8081 --sessions {redis}"
    );
    println!(
        "   cargo run -p ch01-clones -- clone --name clone-2 --listen 127.0.0.1:8082 --sessions {redis}"
    );
    println!(
        "   cargo run -p ch01-clones -- balancer --upstream 127.0.0.1:8081 --upstream 127.0.0.1:8082"
    );
    println!("Leave out `--sessions`, and see what each clone does not know.");
    Ok(())
}
