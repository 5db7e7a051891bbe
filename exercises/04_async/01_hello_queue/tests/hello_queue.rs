// The tests of `hello_queue`: a real RabbitMQ, and a worker that dies. Jobs wait for each other and
// not for a given time.

use std::future::pending;
use std::time::Duration;

use hello_queue::{CAPACITY, QUEUE, QueueError, Sender, Worker, channel, connect};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions,
};
use lapin::{BasicProperties, Channel, Connection};
use testbed::{Fault, FaultProxy, RabbitMq};
use tokio::sync::Notify;

/// Waits for something that must happen, and panics with `problem` after 15 s.
async fn within_deadline<T>(problem: &str, what: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(15), what).await;
    outcome.unwrap_or_else(|_| panic!("waited for 15 s: {problem}"))
}

/// A virtual host with an empty queue, and a connection to it.
struct Broker {
    host: RabbitMq,
    connection: Connection,
    /// The test's own channel, with publisher confirms.
    channel: Channel,
}

impl Broker {
    async fn start() -> Broker {
        let host = testbed::rabbitmq().await.unwrap();
        let connection = connect(&host.url()).await.unwrap();
        let channel = channel(&connection).await.unwrap();
        let confirms = ConfirmSelectOptions::default();
        channel.confirm_select(confirms).await.unwrap();
        let broker = Broker {
            host,
            connection,
            channel,
        };
        // A new quorum queue first elects its leader, and rejects messages until then.
        let ready = async {
            while !broker.accepts_a_message().await {}
            while broker.take_message().await.is_none() {}
        };
        within_deadline("the new queue is not ready", ready).await;
        broker
    }

    async fn accepts_a_message(&self) -> bool {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish =
            self.channel
                .basic_publish("".into(), QUEUE.into(), options, b"first", properties);
        publish.await.unwrap().await.unwrap().is_ack()
    }

    async fn take_message(&self) -> Option<BasicGetMessage> {
        let without_ack = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(QUEUE.into(), without_ack);
        message.await.unwrap()
    }

    async fn sender(&self) -> Sender {
        Sender::open(&self.connection).await.unwrap()
    }

    async fn worker(&self) -> Worker {
        Worker::open(&self.connection).await.unwrap()
    }
}

/// Processes one job, and returns its text.
async fn process_one(worker: &mut Worker) -> String {
    let mut done = String::new();
    worker
        .process_next(async |job| job.clone_into(&mut done))
        .await
        .unwrap();
    done
}

#[tokio::test]
async fn each_job_runs_once_and_in_order() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let mut worker = broker.worker().await;
    for job in ["export 1", "export 2", "export 3"] {
        sender.send(job).await.unwrap();
    }

    for job in ["export 1", "export 2", "export 3"] {
        let done = within_deadline(
            "the worker gets no job: was the job before acknowledged?",
            process_one(&mut worker),
        )
        .await;
        assert_eq!(
            done, job,
            "each job should run once, in the order in which the jobs were sent"
        );
    }
}

#[tokio::test]
async fn job_without_a_queue_is_an_error() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let delete = QueueDeleteOptions::default();
    broker
        .channel
        .queue_delete(QUEUE.into(), delete)
        .await
        .unwrap();

    let sent = within_deadline(
        "`send` does not return for a job without a queue",
        sender.send("export 1"),
    )
    .await;

    assert!(
        matches!(sent, Err(QueueError::Unroutable)),
        "the queue does not exist and the job is lost, but `send` returned {sent:?}. The broker \
         confirms such a message too. Do you publish with `mandatory`, and check whether the \
         confirmation has a returned message?"
    );
}

#[tokio::test]
async fn jobs_are_persistent_messages() {
    let broker = Broker::start().await;
    broker.sender().await.send("export 1").await.unwrap();

    let message = within_deadline("the job is not in the queue", async {
        loop {
            if let Some(message) = broker.take_message().await {
                return message;
            }
        }
    })
    .await;

    let mode = *message.delivery.properties.delivery_mode();
    assert_eq!(
        mode,
        Some(2),
        "the job's delivery mode is {mode:?}, but a persistent message has 2. Which properties do \
         you publish it with?"
    );
}

#[tokio::test]
async fn full_queue_rejects_the_job() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let sending = async {
        for number in 0..CAPACITY * 10 {
            if let Err(error) = sender.send(&format!("export {number}")).await {
                return Some(error);
            }
        }
        None
    };

    let error = within_deadline("`send` does not return for one of many jobs", sending).await;

    assert!(
        matches!(error, Some(QueueError::Rejected)),
        "the sender sent ten times as many jobs as the queue holds, but the first error was \
         {error:?}. Do you wait for the confirmation, and treat `Nack` as an error?"
    );
}

#[tokio::test]
async fn dying_worker_loses_no_job() {
    let broker = Broker::start().await;
    // One worker connects through a proxy that can cut its connection.
    let url = broker.host.url();
    let (user, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let proxy = FaultProxy::before(address.parse().unwrap()).await.unwrap();
    let proxied_connection = connect(&format!("{user}@{}/{name}", proxy.address()))
        .await
        .unwrap();
    let mut dying_worker = Worker::open(&proxied_connection).await.unwrap();
    broker.sender().await.send("export 1").await.unwrap();

    let has_started = Notify::new();
    let work = async |_: &str| {
        has_started.notify_one();
        pending::<()>().await;
    };
    let cut = async {
        within_deadline("the worker does not start its job", has_started.notified()).await;
        // After this request and its response, all that the worker sent before has arrived too.
        within_deadline(
            "the broker does not respond",
            proxied_connection.create_channel(),
        )
        .await
        .unwrap();
        proxy.inject(Fault::Reset);
    };
    // When the connection is cut, `select!` drops the worker in the middle of its work.
    tokio::select! {
        biased;
        outcome = dying_worker.process_next(work) => panic!(
            "the work never ends, but `process_next` returned {outcome:?}: does it wait?"
        ),
        () = cut => {}
    }

    let mut other_worker = broker.worker().await;
    let problem = "no other worker gets the job of the dead worker: was the job acknowledged \
                   before the work?";
    assert_eq!(
        within_deadline(problem, process_one(&mut other_worker)).await,
        "export 1"
    );
}

#[tokio::test]
async fn busy_worker_holds_only_one_job() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let mut busy = broker.worker().await;
    let mut free = broker.worker().await;
    let (has_started, may_end) = (Notify::new(), Notify::new());
    let long_work = async |_: &str| {
        has_started.notify_one();
        may_end.notified().await;
    };
    let meanwhile = async {
        let started = async {
            // The busy worker gets one of these two jobs.
            for job in ["export 1", "export 2"] {
                sender.send(job).await.unwrap();
            }
            has_started.notified().await;
        };
        within_deadline("one of two workers gets no job", started).await;
        for job in ["export 3", "export 4", "export 5"] {
            sender.send(job).await.unwrap();
        }
        for count in 0..4 {
            let problem = format!(
                "of 5 jobs, one is running and {count} are done, but the free worker gets no more. \
                 How many unacknowledged jobs may a worker hold (prefetch)?"
            );
            within_deadline(&problem, process_one(&mut free)).await;
        }
        may_end.notify_one();
    };

    let (outcome, ()) = tokio::join!(busy.process_next(long_work), meanwhile);

    outcome.unwrap();
}
