//! A clone process hangs (`kill -STOP`) under load behind a balancer process.
//!
//! The kernel still accepts connections of a stopped process, but the process does not respond. A
//! recorder in front of each clone records the requests and probes in order. The test checks
//! counts; it only prints times.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadgen::{Report, Request, Target, open_loop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::losses::signal;
use crate::process;
use crate::role::PROGRAM;
use crate::serving::Serving;
use crate::support::{scripted, until};

/// What the balancer sent to a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Probe,
    Request,
}

/// What all recorders have seen, in order: the number of the clone, the kind, and the time.
type Records = Arc<Mutex<Vec<(usize, Seen, Instant)>>>;

/// Starts a recorder. It passes all bytes on to the clone, and records each request.
async fn recorder(clone: usize, address: SocketAddr, records: &Records) -> SocketAddr {
    let records = Arc::clone(records);
    scripted(move |_, balancer| {
        let records = Arc::clone(&records);
        async move {
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            let (mut requests, mut back) = balancer.into_split();
            let (mut answers, mut on) = server.into_split();
            let watching = async {
                let mut buffer = [0; 4096];
                // One read is one request: requests are small, and the next one comes after the
                // response.
                while let Ok(size @ 1..) = requests.read(&mut buffer).await {
                    let is_probe = buffer.starts_with(b"GET /readyz ");
                    let seen = if is_probe { Seen::Probe } else { Seen::Request };
                    records.lock().unwrap().push((clone, seen, Instant::now()));
                    if on.write_all(&buffer[..size]).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = watching => {}
                _ = tokio::io::copy(&mut answers, &mut back) => {}
            }
        }
    })
    .await
}

/// How many requests each of the three clones had after the first `from` records.
fn requests_per_clone(records: &Records, from: usize) -> [usize; 3] {
    let mut requests = [0; 3];
    for (clone, seen, _) in &records.lock().unwrap()[from..] {
        requests[*clone] += usize::from(*seen == Seen::Request);
    }
    requests
}

/// Sends 100 requests for `/whoami` per second, over enough connections that a hanging clone delays
/// no other request.
async fn send_requests(target: &Target, seconds: u64) -> Report {
    let whoami = |_| Request::get("/whoami");
    open_loop(target, 100, 200, Duration::from_secs(seconds), whoami).await
}

fn assert_all_answered(report: &Report, when: &str) {
    assert_eq!(
        (report.errors, report.by_status.get(&200)),
        (0, Some(&report.requests)),
        "{when}: {:?} {:?}; is a GET that waits for a clone retried when the clone goes down?",
        report.by_status,
        report.first_error
    );
}

#[tokio::test]
async fn hanging_process_fails_no_request() {
    let records = Records::default();
    let mut clones = Vec::new();
    let mut command = Command::new(PROGRAM);
    command.args([
        "balancer",
        "--listen",
        "127.0.0.1:0",
        "--strategy",
        "round-robin",
    ]);
    command.args(["--probe", "/readyz"]);
    for (number, name) in ["clone-1", "clone-2", "clone-3"].into_iter().enumerate() {
        clones.push(process::start(name, "local", None).await);
        let recorder = recorder(number, clones[number].address, &records).await;
        command.args(["--upstream", &recorder.to_string()]);
    }
    let balancer = Serving::start(&mut command).await;
    let target = Target::parse(&format!("http://{}", balancer.address)).unwrap();
    let so_far = || records.lock().unwrap().len();

    // This also fills the retry budget for the requests that wait for the hanging clone.
    let before = send_requests(&target, 3).await;
    assert_all_answered(&before, "before");

    signal(&clones[1], "-STOP").await;
    let (stopped, from) = (Instant::now(), so_far());
    let during = send_requests(&target, 3).await;

    assert_all_answered(&during, "while a clone hung");
    let to_the_hung = records.lock().unwrap()[from..].to_vec();
    let to_the_hung: Vec<_> = to_the_hung
        .into_iter()
        .filter(|(clone, ..)| *clone == 1)
        .collect();
    let last = to_the_hung
        .iter()
        .rposition(|(_, seen, _)| *seen == Seen::Request);
    let last = last.expect("no request was sent to the hanging clone");
    let probes = to_the_hung[..last]
        .iter()
        .filter(|(_, seen, _)| *seen == Seen::Probe);
    // The second failed probe takes the clone out. A third one may be recorded before a request
    // that was sent just before that.
    assert!(
        probes.clone().count() <= 3,
        "{} probes failed before the last request to the hanging clone: do two take it out?",
        probes.count()
    );

    let from = so_far();
    let after = send_requests(&target, 1).await;
    assert_all_answered(&after, "afterwards");
    let [one, hung, three] = requests_per_clone(&records, from);
    assert_eq!(hung, 0, "a request was sent to a clone that is down");
    assert!(
        one > 0 && three > 0,
        "the healthy clones must take turns: {one}, {three}"
    );
    println!(
        "p99 before {:.1} ms, from STOP on {:.1} ms, afterwards {:.1} ms; the last request to the hanging clone {:?} after STOP",
        before.quantile_ms(0.99),
        during.quantile_ms(0.99),
        after.quantile_ms(0.99),
        to_the_hung[last].2 - stopped
    );

    let from = so_far();
    signal(&clones[1], "-CONT").await;
    let returning = tokio::spawn(async move { send_requests(&target, 5).await });
    until("the clone to get requests again", async || {
        requests_per_clone(&records, from)[1] >= 10
    })
    .await;
    // Counted from its first request on.
    let first = records.lock().unwrap()[from..]
        .iter()
        .position(|(clone, seen, _)| (*clone, *seen) == (1, Seen::Request));
    let [one, back, three] =
        requests_per_clone(&records, from + first.expect("it got ten requests"));
    assert!(
        one > 2 * back && three > 2 * back,
        "{one}, {back}, {three}: a clone that comes back must start slowly"
    );
    assert_all_answered(&returning.await.unwrap(), "when it was back");
}
