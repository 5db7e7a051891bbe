// The tests of `hello_queue`: a real RabbitMQ, jobs that wait for each other instead of for time, and a worker that dies.

use std::future::pending;
use std::time::Duration;

use hello_queue::{CAPACITY, QUEUE, QueueError, Sender, Worker, channel, connect};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions,
};
use lapin::{BasicProperties, Channel, Connection};
use testbed::{Fault, FaultProxy, RabbitMq};
use tokio::sync::Notify;

/// Waits for what must happen. The limit is far more than it takes, and is reached only by a test that fails.
async fn soon<T>(why_not: &str, what: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(15), what).await;
    outcome.unwrap_or_else(|_| panic!("waited for 15 s: {why_not}"))
}

/// A virtual host of our own with an empty queue, and a connection to it.
struct Broker {
    host: RabbitMq,
    connection: Connection,
    /// The test's own, with confirms.
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
        // A quorum queue elects its leader in its first moments, and refuses meanwhile.
        let ready = async {
            while !broker.takes_a_message().await {}
            while !broker.gives_it_back().await {}
        };
        soon("the new queue is not ready", ready).await;
        broker
    }

    async fn takes_a_message(&self) -> bool {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish =
            self.channel
                .basic_publish("".into(), QUEUE.into(), options, b"first", properties);
        publish.await.unwrap().await.unwrap().is_ack()
    }

    async fn gives_it_back(&self) -> bool {
        let and_forgets_it = BasicGetOptions { no_ack: true };
        self.channel
            .basic_get(QUEUE.into(), and_forgets_it)
            .await
            .unwrap()
            .is_some()
    }

    async fn sender(&self) -> Sender {
        Sender::open(&self.connection).await.unwrap()
    }

    async fn worker(&self) -> Worker {
        Worker::open(&self.connection).await.unwrap()
    }
}

/// Does one job, and says which.
async fn do_one(worker: &mut Worker) -> String {
    let mut done = String::new();
    worker
        .work_one(async |job| job.clone_into(&mut done))
        .await
        .unwrap();
    done
}

#[tokio::test]
async fn jobs_are_done_in_their_order_and_each_once() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let mut worker = broker.worker().await;
    for job in ["export 1", "export 2", "export 3"] {
        sender.send(job).await.unwrap();
    }

    for job in ["export 1", "export 2", "export 3"] {
        let done = soon(
            "no job comes: was the one before acknowledged?",
            do_one(&mut worker),
        )
        .await;
        assert_eq!(
            done, job,
            "each job comes once, in the order in which they were sent"
        );
    }
}

#[tokio::test]
async fn a_job_that_no_queue_takes_is_an_error() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let delete = QueueDeleteOptions::default();
    broker
        .channel
        .queue_delete(QUEUE.into(), delete)
        .await
        .unwrap();

    let sent = soon(
        "the broker's answer to a job without a queue",
        sender.send("export 1"),
    )
    .await;

    assert!(
        matches!(sent, Err(QueueError::Unroutable)),
        "there is no queue, the job is lost, and the sender hears {sent:?}. A broker confirms such \
         a message too: does it know that it must come back (`mandatory`), and do you wait for its \
         word and look whether something came with it?"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_and_the_sender_hears_it() {
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

    let refused = soon("the broker's answers to many jobs", sending).await;

    assert!(
        matches!(refused, Some(QueueError::Refused)),
        "ten times as many jobs as the queue holds, and the sender hears {refused:?}. Do you wait \
         for the broker's word, and is a `Nack` a yes to you?"
    );
}

#[tokio::test]
async fn a_worker_that_dies_in_the_middle_loses_no_job() {
    let broker = Broker::start().await;
    // The way of one worker to the broker leads over a cable that can be cut.
    let url = broker.host.url();
    let (user, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let proxy = FaultProxy::before(address.parse().unwrap()).await.unwrap();
    let cable = connect(&format!("{user}@{}/{name}", proxy.address()))
        .await
        .unwrap();
    let mut mortal = Worker::open(&cable).await.unwrap();
    broker.sender().await.send("export 1").await.unwrap();

    let has_begun = Notify::new();
    let work = async |_: &str| {
        has_begun.notify_one();
        pending::<()>().await;
    };
    let death = async {
        soon("the worker does not begin", has_begun.notified()).await;
        // One more question and answer over the cable, and whatever the worker has sent before has arrived.
        soon("the broker does not answer", cable.create_channel())
            .await
            .unwrap();
        proxy.inject(Fault::Reset);
    };
    // Whoever is not done when the other is, is dropped: here, a worker in the middle of its work.
    tokio::select! {
        biased;
        outcome = mortal.work_one(work) => panic!("the work never ends, and `work_one` says {outcome:?}: does it wait for it?"),
        () = death => {}
    }

    let mut heir = broker.worker().await;
    let why_not = "the dead worker's job comes to nobody: did the broker believe that it was done before it was?";
    assert_eq!(soon(why_not, do_one(&mut heir)).await, "export 1");
}

#[tokio::test]
async fn a_worker_that_is_busy_leaves_the_other_jobs_to_others() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let mut busy = broker.worker().await;
    let mut free = broker.worker().await;
    let (has_begun, may_end) = (Notify::new(), Notify::new());
    let long_work = async |_: &str| {
        has_begun.notify_one();
        may_end.notified().await;
    };
    let meanwhile = async {
        let begun = async {
            // One of these comes to the one who will be busy.
            for job in ["export 1", "export 2"] {
                sender.send(job).await.unwrap();
            }
            has_begun.notified().await;
        };
        soon("no job comes to one of two workers", begun).await;
        for job in ["export 3", "export 4", "export 5"] {
            sender.send(job).await.unwrap();
        }
        for count in 0..4 {
            let why_not = format!(
                "of five jobs one is being worked on and {count} are done; who has the rest? How \
                 many may a worker hold that it has not acknowledged?"
            );
            soon(&why_not, do_one(&mut free)).await;
        }
        may_end.notify_one();
    };

    let (outcome, ()) = tokio::join!(busy.work_one(long_work), meanwhile);

    outcome.unwrap();
}
