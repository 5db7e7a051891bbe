// The tests of `hello_worker`: a real RabbitMQ, and a worker that dies. Jobs wait for each other
// and not for a given time.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use hello_worker::{DEAD_LETTERS, QUEUE, Worker, WorkerError, channel, connect};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use testbed::{Fault, FaultProxy, RabbitMq};
use tokio::sync::Notify;

/// A message that is not text in UTF-8.
const NOT_TEXT: &[u8] = &[b'e', 0xff, 0xfe];

/// How long the tests wait for a worker. A right one needs a few milliseconds.
const DEADLINE: Duration = Duration::from_secs(6);

/// Waits for something that must happen, and panics with `problem` after [`DEADLINE`].
async fn within_deadline<T>(problem: &str, what: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, what).await;
    outcome.unwrap_or_else(|_| panic!("waited for {DEADLINE:?}: {problem}"))
}

/// A virtual host with two empty queues, and a connection to it.
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
            for queue in [QUEUE, DEAD_LETTERS] {
                while !broker.publish(queue, b"first").await {}
                while broker.take_message(queue).await.is_none() {}
            }
        };
        // No answer is at fault here, so a slow broker gets more time.
        let outcome = tokio::time::timeout(Duration::from_secs(30), ready).await;
        outcome.expect("the new queues accept no message; is the broker overloaded?");
        broker
    }

    /// Publishes a message. `true` if the broker has confirmed it.
    async fn publish(&self, queue: &str, body: &[u8]) -> bool {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish =
            self.channel
                .basic_publish("".into(), queue.into(), options, body, properties);
        publish.await.unwrap().await.unwrap() == Confirmation::Ack(None)
    }

    async fn send(&self, job: &[u8]) {
        let is_confirmed = self.publish(QUEUE, job).await;
        assert!(is_confirmed, "the broker rejects the test's job");
    }

    async fn take_message(&self, queue: &str) -> Option<BasicGetMessage> {
        let without_ack = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(queue.into(), without_ack);
        message.await.unwrap()
    }

    /// How many jobs the broker holds that it has not delivered to a worker.
    async fn waiting_jobs(&self) -> u32 {
        let ask = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::durable()
        };
        let queue = self
            .channel
            .queue_declare(QUEUE.into(), ask, FieldTable::default());
        queue.await.unwrap().message_count()
    }

    async fn worker(&self) -> Worker {
        Worker::open(&self.connection).await.unwrap()
    }

    /// A connection that the test can cut.
    async fn connect_through_proxy(&self) -> (FaultProxy, Connection) {
        let proxy = FaultProxy::before(self.host.address()).await.unwrap();
        let connection = connect(&self.host.url_through(proxy.address()))
            .await
            .unwrap();
        (proxy, connection)
    }
}

/// Processes one job, and returns its text.
async fn process_one(worker: &mut Worker) -> String {
    let mut done = String::new();
    let outcome = worker
        .process_next(async |job| job.clone_into(&mut done))
        .await;
    assert!(
        outcome.is_ok(),
        "the worker processed {done:?} on a good connection, but `process_next` returned \
         {outcome:?}. What does it return after the acknowledgement?"
    );
    done
}

/// Calls `process_next`, and expects the error `ConnectionClosed`.
async fn expect_connection_closed(
    worker: &mut Worker,
    work: impl AsyncFnOnce(&str),
    situation: &str,
    question: &str,
) {
    let problem = format!(
        "{situation}, but `process_next` does not return. Do you try again after an error, after \
         `false` or after the end of the stream?"
    );
    let outcome = within_deadline(&problem, worker.process_next(work)).await;
    assert!(
        matches!(outcome, Err(WorkerError::ConnectionClosed)),
        "{situation}, but `process_next` returned {outcome:?} instead of `Err(ConnectionClosed)`. \
         {question}"
    );
}

// Rule 2.
#[tokio::test]
async fn each_job_runs_once_and_in_order() {
    let broker = Broker::start().await;
    let mut worker = broker.worker().await;
    for job in ["export 1", "export 2", "export 3"] {
        broker.send(job.as_bytes()).await;
    }

    for job in ["export 1", "export 2", "export 3"] {
        let problem = "the worker gets no job: was the job before acknowledged?";
        let done = within_deadline(problem, process_one(&mut worker)).await;
        assert_eq!(
            done, job,
            "each job should run once, in the order in which the jobs were sent; what do you \
             answer the broker after the work?"
        );
    }
}

// Rule 2. The broker delivers the second job to this worker as soon as it has the first one's
// acknowledgement, also if the worker does not call `process_next` again.
#[tokio::test]
async fn finished_job_is_acknowledged() {
    let broker = Broker::start().await;
    let mut worker = broker.worker().await;
    broker.send(b"export 1").await;
    broker.send(b"export 2").await;

    let problem = "the worker gets no job; does it consume from `QUEUE`?";
    within_deadline(problem, process_one(&mut worker)).await;

    let delivered = async { while broker.waiting_jobs().await > 0 {} };
    within_deadline(
        "`process_next` returned `Ok`, but the broker does not deliver the next job to this \
         worker, so it has no acknowledgement. Do you acknowledge at all, or do you acknowledge \
         only in the next call?",
        delivered,
    )
    .await;
}

// Rule 1. First the worker's future is dropped, and then the connection is cut.
#[tokio::test]
async fn dying_worker_loses_no_job() {
    let broker = Broker::start().await;
    let (proxy, connection) = broker.connect_through_proxy().await;
    let mut dying_worker = Worker::open(&connection).await.unwrap();
    broker.send(b"export 1").await;

    let has_started = Notify::new();
    let work = async |_: &str| {
        has_started.notify_one();
        pending::<()>().await;
    };
    let started = within_deadline(
        "the worker does not start its job; does it consume from `QUEUE` and call `work`?",
        has_started.notified(),
    );
    tokio::select! {
        biased;
        outcome = dying_worker.process_next(work) => panic!(
            "the work never ends, but `process_next` returned {outcome:?}: does it wait?"
        ),
        () = started => {}
    }
    // After this request and its response, all that the worker sent before has arrived too.
    connection.create_channel().await.unwrap();
    proxy.inject(Fault::Reset);

    let mut other_worker = broker.worker().await;
    let problem = "no other worker gets the job of the dead worker: was the job acknowledged \
                   before the work ended?";
    let job = within_deadline(problem, process_one(&mut other_worker)).await;
    assert_eq!(
        job, "export 1",
        "another worker should get the dead worker's job with its text; what do you pass to `work`?"
    );
}

// Rule 3.
#[tokio::test]
async fn busy_worker_holds_only_one_job() {
    let broker = Broker::start().await;
    let mut busy = broker.worker().await;
    let mut free = broker.worker().await;
    let (has_started, may_end) = (Notify::new(), Notify::new());
    let long_work = async |_: &str| {
        has_started.notify_one();
        may_end.notified().await;
    };
    let meanwhile = async {
        // The busy worker gets one of these two jobs.
        broker.send(b"export 1").await;
        broker.send(b"export 2").await;
        within_deadline(
            "there are two jobs and two workers, but one worker gets no job. Does each worker \
             have its own consumer and its own prefetch?",
            has_started.notified(),
        )
        .await;
        for job in ["export 3", "export 4", "export 5"] {
            broker.send(job.as_bytes()).await;
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

    assert!(
        outcome.is_ok(),
        "the long job is done, but `process_next` returned {outcome:?}. What does it return after \
         the acknowledgement?"
    );
}

// Rule 4. A connection that breaks is an error in the stream.
#[tokio::test]
async fn cut_connection_ends_the_worker() {
    let broker = Broker::start().await;
    let (proxy, connection) = broker.connect_through_proxy().await;
    let mut worker = Worker::open(&connection).await.unwrap();

    proxy.inject(Fault::Reset);

    let situation = "the connection was cut while the worker waited for a job";
    let question = "Which error do you return for an error in the stream?";
    expect_connection_closed(&mut worker, async |_| {}, situation, question).await;
}

// Rule 4. A connection that this process closes is the end of the stream, without an error.
#[tokio::test]
async fn closed_connection_ends_the_worker() {
    let broker = Broker::start().await;
    let connection = connect(&broker.host.url()).await.unwrap();
    let mut worker = Worker::open(&connection).await.unwrap();

    connection.close(200, "".into()).await.unwrap();

    let situation = "the connection is closed, so the stream of jobs has ended";
    let question = "What does your code return for `None`? With `Ok`, a caller never reconnects.";
    expect_connection_closed(&mut worker, async |_| {}, situation, question).await;
}

// Rule 4. The connection is cut during the work, and lapin notices it. Then `ack` returns `false`.
#[tokio::test]
async fn job_of_a_cut_connection_is_not_done() {
    let broker = Broker::start().await;
    let (proxy, connection) = broker.connect_through_proxy().await;
    let mut worker = Worker::open(&connection).await.unwrap();
    // A consumer of the test on the same connection; its stream shows that the connection is cut.
    let channel = connection.create_channel().await.unwrap();
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut other_stream = channel
        .basic_consume(DEAD_LETTERS.into(), "".into(), options, arguments)
        .await
        .unwrap();
    broker.send(b"export 1").await;

    let work = async |_: &str| {
        proxy.inject(Fault::Reset);
        while let Some(Ok(_)) = other_stream.next().await {}
        // lapin closes one channel after the other. This answer takes longer.
        broker.connection.create_channel().await.unwrap();
    };
    let situation = "the connection was cut during the work, so another worker gets the job";
    let question = "Do you look at the result of `ack`: an error, `false` or `true`?";
    expect_connection_closed(&mut worker, work, situation, question).await;
}

// Rule 4. During the work this process begins to close the connection, and the broker does not
// answer. Then `ack` returns an error.
#[tokio::test]
async fn job_of_a_closing_connection_is_not_done() {
    let broker = Broker::start().await;
    let (proxy, connection) = broker.connect_through_proxy().await;
    let mut worker = Worker::open(&connection).await.unwrap();
    broker.send(b"export 1").await;

    let mut closing = pin!(connection.close(200, "".into()));
    let work = async |_: &str| {
        proxy.inject(Fault::Blackhole);
        let closed = (&mut closing).now_or_never();
        assert!(closed.is_none(), "the broker cannot have answered");
    };
    let situation = "the connection was being closed during the work, so `ack` returned an error";
    let question = "Which error do you return for an error of `ack`?";
    expect_connection_closed(&mut worker, work, situation, question).await;
}

// Rule 5.
#[tokio::test]
async fn unreadable_message_becomes_a_dead_letter() {
    let broker = Broker::start().await;
    let mut worker = broker.worker().await;
    broker.send(NOT_TEXT).await;
    broker.send(b"export 1").await;

    let mut text = None;
    let outcome = within_deadline(
        "`process_next` does not return for a message that is not UTF-8. Do you wait for another \
         message without an answer to this one?",
        worker.process_next(async |job| text = Some(job.to_owned())),
    )
    .await;
    assert_eq!(
        text, None,
        "the message is not UTF-8, so it is not a job, but `work` ran on its text; do you convert \
         it with loss?"
    );
    assert!(
        matches!(outcome, Err(WorkerError::Unreadable)),
        "the message is not UTF-8, but `process_next` returned {outcome:?} instead of \
         `Err(Unreadable)`. What do you return after the rejection?"
    );

    let next = async {
        let mut text = String::new();
        let outcome = worker.process_next(async |job| job.clone_into(&mut text));
        (outcome.await, text)
    };
    let (outcome, text) = within_deadline(
        "the worker gets no job after an unreadable message. Which answer did the broker get for \
         the unreadable message?",
        next,
    )
    .await;
    assert!(
        outcome.is_ok() && text == "export 1",
        "after the unreadable message, the worker should process \"export 1\", but it processed \
         {text:?} and returned {outcome:?}. Do you reject with `requeue`, so the broker delivers \
         the same message again?"
    );
    let dead_letter = async {
        loop {
            if let Some(message) = broker.take_message(DEAD_LETTERS).await {
                return message.delivery.data;
            }
        }
    };
    let problem = "the unreadable message is lost, because it is not in the queue of the dead \
                   letters: do you acknowledge instead of rejecting?";
    assert_eq!(
        within_deadline(problem, dead_letter).await,
        NOT_TEXT,
        "another message is in the queue of the dead letters; which one do you reject?"
    );
}
