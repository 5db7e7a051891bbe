//! The guided demonstration: first each clone keeps its own data, then all clones share it.
//!
//! The clones are processes that get `kill -9`, and Redis runs in a container. The balancer runs in
//! this process, so that the demonstration can print its status.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};
use common::shutdown::signal as stop_signal;
use testbed::Service;
use tokio::time::sleep;

use client::{Client, served_by};
use cluster::Cluster;
use load::{Load, RATE};

mod client;
mod cluster;
mod deploys;
mod load;

/// A PNG of one pixel.
const PICTURE: &[u8] = include_bytes!("pixel.png");

/// Runs all parts. Ctrl-C stops it and its clones.
pub async fn run() -> anyhow::Result<()> {
    tokio::select! {
        result = run_all_parts() => result,
        () = stop_signal() => bail!("stopped before the end; the clones are stopped too"),
    }
}

async fn run_all_parts() -> anyhow::Result<()> {
    println!("Three clones, each a separate process, behind a balancer.");
    println!("Looking for the workshop's Redis, or starting it in a container ...\n");
    let redis = testbed::redis().await?;

    println!(
        "1. Each clone keeps its sessions in its own memory. Ada logs in and sends six `GET /me`.\n"
    );
    let mut local = Cluster::start("local", no_folder).await?;
    let (mut ada, her_clone) = log_in(&local).await?;
    let known_locally = send_six_requests(&mut ada).await?;
    println!(
        "\n   Known on {known_locally} of 6. One clone has the login, and the balancer picks the clones in turn."
    );
    local.kill(&her_clone).await?;
    let left_locally = successes(&mut ada, "/me", 20).await?;
    println!(
        "   After `kill -9` of {her_clone}: known on {left_locally} of 20. The login was lost with the clone.\n"
    );
    drop(local);

    println!(
        "2. All clones share one session store, {}. Ada does the same.\n",
        redis.url()
    );
    let mut shared = Cluster::start(&redis.url(), no_folder).await?;
    let (mut ada, her_clone) = log_in(&shared).await?;
    let known = send_six_requests(&mut ada).await?;
    println!("\n   Known on {known} of 6. No clone keeps a session, so any clone can answer.\n");

    println!("3. {RATE} requests per second. After one second, {her_clone} gets `kill -9`.\n");
    let load = Load::start(shared.address, ada.cookie()?)?;
    sleep(Duration::from_secs(1)).await;
    shared.kill(&her_clone).await?;
    sleep(Duration::from_secs(2)).await;
    let killed = load.stop().await?;
    let left = successes(&mut ada, "/me", 20).await?;
    shared.print_status();
    println!("\n   {killed}.");
    println!(
        "   The balancer ejected the dead clone and retried the broken requests on another clone.\n"
    );
    drop(shared);

    println!(
        "4. Ada uploads her picture once, with `PUT /me/avatar`. Then other users request it.\n"
    );
    let folders = tempfile::tempdir()?;
    let own = |clone: &str| Some(folders.path().join(clone));
    let separate_pictures = upload_picture("A folder for each clone: ", &redis.url(), own).await?;
    let shared_folder = |_: &str| Some(folders.path().join("all"));
    let shared_pictures =
        upload_picture("One folder for all clones:", &redis.url(), shared_folder).await?;

    println!(
        "\n5. Two rolling deploys at {RATE} requests per second: a good release and a failing one.\n"
    );
    let (good, failing) = deploys::run(&redis.url(), folders.path()).await?;

    println!(
        "   {:<48} {:>10} {:>10}",
        "successful requests, when data is kept by", "each clone", "all clones"
    );
    row("Ada is known", 6, known_locally, known);
    row(
        "... after `kill -9` of the clone of her login",
        20,
        left_locally,
        left,
    );
    row(
        "her picture is shown",
        6,
        separate_pictures.0,
        shared_pictures.0,
    );
    row(
        "... after `kill -9` of the clone of the upload",
        20,
        separate_pictures.1,
        shared_pictures.1,
    );
    println!("\n   failed requests, when all clones share the data");
    for (what, result) in [
        ("one clone of three gets `kill -9`", &killed),
        ("v2 is deployed to all clones", &good),
        ("v3 is deployed, fails, and is rolled back", &failing),
    ] {
        println!("   {what:<48} {:>10} of {}", result.failed, result.all);
    }
    print_commands().await
}

fn no_folder(_: &str) -> Option<PathBuf> {
    None
}

/// Logs in as Ada. Returns her client and the name of the clone that answered.
async fn log_in(cluster: &Cluster) -> anyhow::Result<(Client, String)> {
    let mut ada = Client::new(cluster.address).await?;
    let login = ada.log_in("ada").await?;
    let clone = served_by(&login).to_owned();
    println!("   POST /login  {}  by {clone}", login.status().as_u16());
    Ok((ada, clone))
}

/// Sends six `GET /me` and prints the responses. Returns how many found the session.
async fn send_six_requests(ada: &mut Client) -> anyhow::Result<u32> {
    let mut known = 0;
    for _ in 0..6 {
        let response = ada.get("/me").await?;
        let is_known = response.status().is_success();
        let result = if is_known {
            "knows her"
        } else {
            "does not know her"
        };
        known += u32::from(is_known);
        let clone = served_by(&response);
        println!(
            "   GET  /me     {}  by {clone}, which {result}",
            response.status().as_u16()
        );
    }
    Ok(known)
}

/// Sends `requests` requests. Returns how many succeed.
async fn successes(client: &mut Client, path: &str, requests: u32) -> anyhow::Result<u32> {
    let mut successes = 0;
    for _ in 0..requests {
        successes += u32::from(client.get(path).await?.status().is_success());
    }
    Ok(successes)
}

/// Uploads a picture to one clone. Returns how many of 6 requests get the picture, and how many of
/// 20 after that clone was killed.
async fn upload_picture(
    what: &str,
    sessions: &str,
    folder: impl Fn(&str) -> Option<PathBuf>,
) -> anyhow::Result<(u32, u32)> {
    let mut cluster = Cluster::start(sessions, folder).await?;
    let mut ada = Client::new(cluster.address).await?;
    ada.log_in("ada").await?;
    let sent = ada.put("/me/avatar", PICTURE).await?;
    ensure!(
        sent.status().is_success(),
        "the upload of the picture should succeed, but the status is {}",
        sent.status()
    );
    let receiver = served_by(&sent).to_owned();

    let mut other_user = Client::new(cluster.address).await?;
    let before = successes(&mut other_user, "/users/ada/avatar", 6).await?;
    cluster.kill(&receiver).await?;
    let after = successes(&mut other_user, "/users/ada/avatar", 20).await?;
    println!(
        "   {what} served {before} of 6 times; after `kill -9` of {receiver}, {after} of 20 times."
    );
    Ok((before, after))
}

fn row(what: &str, requests: u32, separate: u32, shared: u32) {
    let (separate, shared) = (
        format!("{separate} of {requests}"),
        format!("{shared} of {requests}"),
    );
    println!("   {what:<48} {separate:>10} {shared:>10}");
}

async fn print_commands() -> anyhow::Result<()> {
    // The database of this run is emptied at its end, so this is another one.
    let redis = testbed::shared(Service::Redis).await?.url();
    println!("\nTry it by hand. Start the application in one terminal; Ctrl-C stops it:");
    println!("   cargo run -p ch01-clones -- serve");
    println!("Use another terminal. Between any two lines, `kill -9` a clone that /clones lists:");
    println!("   curl -i -c jar --json '{{\"user\":\"ada\"}}' http://127.0.0.1:8080/login");
    println!("   curl -i -b jar http://127.0.0.1:8080/me");
    println!(
        "   curl -i -b jar -T chapters/01-clones/src/demo/pixel.png http://127.0.0.1:8080/me/avatar"
    );
    println!("   curl -D - -o ada.png http://127.0.0.1:8080/users/ada/avatar");
    println!("   curl http://127.0.0.1:9901/clones");
    println!("   cargo run -p ch01-clones -- deploy \"$(cargo run -p ch01-clones -- pack v2)\"");
    println!(
        "Or start each server in its own terminal (`cargo workshop up` starts Redis if it is not running):"
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
    println!("Leave out `--sessions` to see that a clone does not know the other logins.");
    Ok(())
}
