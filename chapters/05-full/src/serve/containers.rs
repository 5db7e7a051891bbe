//! `serve --services docker`.

use std::pin::pin;

use ch01_clones::web::shutdown::stop_signal;

use super::tour::{self, Tour};
use crate::cli::Serve;
use crate::fleet::Fleet;

/// Runs the store in containers and processes until Ctrl-C or SIGTERM.
pub(super) async fn serve(args: &Serve) -> anyhow::Result<()> {
    let mut stop = pin!(stop_signal());
    eprintln!("starting PostgreSQL, Redis, Memcached and RabbitMQ in containers");
    let mut fleet = tokio::select! {
        fleet = Fleet::start(args) => fleet?,
        // What has been started is dropped with the future, and so removed.
        () = &mut stop => return Ok(()),
    };
    tour::print(&tour_of(&fleet));
    loop {
        tokio::select! {
            () = &mut stop => break,
            end = fleet.a_child_ended() => eprintln!("{end}; the others go on"),
        }
    }
    eprintln!("\nstopping: finishing what is in flight, then removing the containers");
    fleet.stop().await;
    Ok(())
}

fn tour_of(fleet: &Fleet) -> Tour {
    let clones = fleet.clones.iter();
    let clones: Vec<_> = clones
        .map(|(child, addr)| format!("{} {} ({})", child.name, addr.port(), child.pid))
        .collect();
    let workers: Vec<_> = fleet
        .workers
        .iter()
        .map(|worker| format!("{} ({})", worker.name, worker.pid))
        .collect();
    let mut more = vec![format!(
        "cargo run -p ch05-full -- inspect --url http://{}",
        fleet.operations
    )];
    if let (Some((clone, _)), Some(worker)) = (fleet.clones.first(), fleet.workers.first()) {
        more.push(String::new());
        more.push("Break it; nobody is logged out, and no job is lost:".to_owned());
        more.push(format!("kill -9 {}    # {}", clone.pid, clone.name));
        more.push(format!("kill -9 {}    # {}", worker.pid, worker.name));
        more.push(format!(
            "docker ps --filter name={}",
            fleet.container_prefix()
        ));
    }
    Tour {
        address: fleet.address,
        opening: format!(
            "Each role is a process, on real servers in containers:\n{}.",
            fleet.addresses
        ),
        clones: format!("{}: ports and processes", clones.join(", ")),
        workers: workers.join(", "),
        more,
        farewell: "Ctrl-C stops it and removes the containers with all data.",
    }
}
