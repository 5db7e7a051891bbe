//! The guided demonstration: what a customer waits for, and what is lost when a process dies.
//!
//! The workers are processes and die by `kill -9`; RabbitMQ and PostgreSQL are real ones, in containers.

mod notices;
mod process;
mod watch;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ch02_database::postgres;
use ch04_async::rabbit::RabbitQueue;
use ch04_async::{JobState, PgBoard};
use testbed::Service;

use crate::bakery;
use process::Baker;
use watch::{Tally, Watch};

/// How many cakes are ordered in each part.
const CAKES: usize = 5;

/// A fifth of a cake.
const FIFTH: Duration = Duration::from_millis(100);

/// How long to watch a store that does nothing any more.
const IN_VAIN: Duration = Duration::from_secs(2);

/// Runs all parts. Ctrl-C ends it, and the workers with it.
pub async fn run() -> anyhow::Result<()> {
    tokio::select! {
        told = tell() => told,
        _ = tokio::signal::ctrl_c() => bail!("stopped before the end; the workers are gone too"),
    }
}

async fn tell() -> anyhow::Result<()> {
    println!("A bakery. One cake takes half a second. Ada orders {CAKES}.");
    println!(
        "Looking for the workshop's PostgreSQL and RabbitMQ, or starting them in containers ...\n"
    );
    let (database, broker) = tokio::try_join!(testbed::postgres(), testbed::rabbitmq())?;
    let board = PgBoard::open(postgres::connect(&database.url())?).await?;
    let program = std::env::current_exe()?;

    println!("1. The store bakes, and then answers.");
    let begin = Instant::now();
    // No more happens in the meantime, neither here nor to Ada.
    tokio::time::sleep(FIFTH * 5 * CAKES as u32).await;
    let waited = begin.elapsed();
    println!(
        "   Ada waited {} ms for her {CAKES} cakes.\n",
        waited.as_millis()
    );

    println!("2. The store takes the orders, answers, and bakes later, from a list in its memory.");
    let naive = from_memory(&board, &program, &database.url()).await?;

    println!("3. The store puts the orders on a queue in RabbitMQ. Worker processes bake.");
    let (queued, fixed) = from_the_broker(&board, &program, &database.url(), &broker.url()).await?;

    println!("4. Ada says that she comes to the launch: one event, two channels.");
    notices::tell(&broker.url()).await?;

    println!(
        "   {:<34} {:>10} {:>10} {:>10}",
        "", "waits", "done", "lost"
    );
    row("1. the store bakes, then answers", waited, CAKES, 0);
    row(
        "2. a list in memory, kill -9",
        naive.0,
        naive.1.done,
        CAKES - naive.1.done,
    );
    row(
        "3. a broker, kill -9 of a worker",
        queued,
        fixed.done,
        CAKES - fixed.done,
    );
    println!(
        "\n   Of the {CAKES} in part 3, {} was begun twice: nothing is lost because it may come twice.",
        fixed.again
    );
    explain_by_hand().await
}

/// Orders, the death of the store, and its second life.
async fn from_memory(
    board: &PgBoard,
    program: &Path,
    database: &str,
) -> anyhow::Result<(Duration, Tally)> {
    let cakes = CAKES.to_string();
    let alone = ["alone", "--database", database];
    let mut store = Baker::start(program, &[&alone[..], &["--cakes", &cakes]].concat()).await?;
    let waited = store.said.split(' ').find_map(|word| word.parse().ok());
    let waited = Duration::from_millis(waited.context("the store did not say how long it took")?);
    println!(
        "   All {CAKES} taken after {} ms; Ada goes on shopping.",
        waited.as_millis()
    );
    let mut watch = Watch::unfinished(board).await?;
    in_the_second_cake(&mut watch).await?;
    store.kill().await?;
    println!("   kill -9 of the store in the middle of the second cake. It is started again.");
    let _again = Baker::start(program, &alone).await?;
    tokio::time::sleep(IN_VAIN).await;
    let tally = watch.tally().await?;
    println!(
        "   {} s later: {} of {CAKES} cakes done. The records of the others say `running` ({}) and `queued` ({}), for ever.\n",
        IN_VAIN.as_secs(),
        tally.done,
        tally.running,
        tally.queued
    );
    Ok((waited, tally))
}

/// Orders, the death of a worker, and the others who go on.
async fn from_the_broker(
    board: &PgBoard,
    program: &Path,
    database: &str,
    broker: &str,
) -> anyhow::Result<(Duration, Tally)> {
    let queue = RabbitQueue::new(broker)?;
    // The first call connects and declares the queues. A store has done that long before its first customer.
    queue.waiting().await?;
    let worker = async |name: &str| {
        Baker::start(
            program,
            &[
                "worker",
                "--name",
                name,
                "--amqp",
                broker,
                "--database",
                database,
            ],
        )
        .await
    };
    let begin = Instant::now();
    let mut orders = Vec::new();
    for _ in 0..CAKES {
        orders.push(bakery::order(board, &queue, "ada").await?);
    }
    let waited = begin.elapsed();
    println!(
        "   All {CAKES} confirmed after {} ms; Ada goes on shopping.",
        waited.as_millis()
    );
    let mut watch = Watch::of(board, orders);
    let mut first = worker("worker-1").await?;
    in_the_second_cake(&mut watch).await?;
    first.kill().await?;
    println!("   kill -9 of worker-1 in the middle of the second cake. Two others take its place.");
    let _others = [worker("worker-2").await?, worker("worker-3").await?];
    watch
        .until(|job| job.state == JobState::Done, CAKES)
        .await
        .context("not all cakes were baked")?;
    let tally = watch.tally().await?;
    println!(
        "   {} of {CAKES} cakes done, {} begun twice.\n",
        tally.done, tally.again
    );
    Ok((waited, tally))
}

async fn in_the_second_cake(watch: &mut Watch<'_>) -> anyhow::Result<()> {
    watch.until(|job| job.state == JobState::Done, 1).await?;
    watch
        .until(
            |job| job.state == JobState::Running && job.progress >= 40,
            1,
        )
        .await
}

fn row(what: &str, waited: Duration, done: usize, lost: usize) {
    println!(
        "   {what:<34} {:>7} ms {done:>10} {lost:>10}",
        waited.as_millis()
    );
}

async fn explain_by_hand() -> anyhow::Result<()> {
    // Not those of this run, which are removed when it ends.
    let broker = testbed::shared(Service::RabbitMq).await?;
    let database = testbed::shared(Service::Postgres).await?;
    println!("\nTry it by hand: a queue as in RabbitMQ's first tutorial, in two terminals.");
    println!("   cargo run -p ch04-async --example receive");
    println!("   cargo run -p ch04-async --example send -- \"hello\"");
    println!(
        "Send while nobody receives. Kill the receiver between two messages. Start two receivers."
    );
    println!("A worker of the kind that was killed above:");
    println!(
        "   cargo run -p ch04-async -- worker --amqp {} --database {}",
        broker.url(),
        database.url()
    );
    Ok(())
}
