//! A clone hangs (`kill -STOP`) under load, as a process behind the program's own balancer: what visitors notice, and for how long.
//!
//! A stopped process still takes connections, the kernel does that; it only never answers. A lookout stands before each clone and
//! writes down what comes past it, so a test can tell which clone was asked what, and in which order. Times are printed and not
//! judged; what is judged are counts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadgen::{Report, Request, Target, open_loop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::losses::signal;
use crate::process;
use crate::program::PROGRAM;
use crate::serving::Serving;
use crate::support::{scripted, until};

/// What the balancer sent to a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Probe,
    Visit,
}

/// What has come past all lookouts, in its order: the clone's number, from 0, what it was, and when.
type Notes = Arc<Mutex<Vec<(usize, Seen, Instant)>>>;

/// Passes everything on to the clone, and notes each request's head.
async fn lookout(clone: usize, address: SocketAddr, notes: &Notes) -> SocketAddr {
    let notes = Arc::clone(notes);
    scripted(move |_, balancer| {
        let notes = Arc::clone(&notes);
        async move {
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            let (mut requests, mut back) = balancer.into_split();
            let (mut answers, mut on) = server.into_split();
            let watching = async {
                let mut buffer = [0; 4096];
                // One read is one request: they are small, and the next one comes after the answer.
                while let Ok(size @ 1..) = requests.read(&mut buffer).await {
                    let is_probe = buffer.starts_with(b"GET /readyz ");
                    let seen = if is_probe { Seen::Probe } else { Seen::Visit };
                    notes.lock().unwrap().push((clone, seen, Instant::now()));
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

/// How many visits each of the three clones had after the first `from` notes.
fn visits(notes: &Notes, from: usize) -> [usize; 3] {
    let mut visits = [0; 3];
    for (clone, seen, _) in &notes.lock().unwrap()[from..] {
        visits[*clone] += usize::from(*seen == Seen::Visit);
    }
    visits
}

/// Visitors who ask for `/whoami`, 100 each second, over so many connections that no one waits for those who meet a clone that hangs.
async fn visitors(target: &Target, seconds: u64) -> Report {
    let whoami = |_| Request::get("/whoami");
    open_loop(target, 100, 200, Duration::from_secs(seconds), whoami).await
}

fn assert_all_answered(report: &Report, when: &str) {
    assert_eq!(
        (report.errors, report.by_status.get(&200)),
        (0, Some(&report.requests)),
        "{when}: {:?} {:?}; is a GET that waits for a clone which went down sent to another one?",
        report.by_status,
        report.first_error
    );
}

#[tokio::test]
async fn hanging_process_fails_no_request() {
    let notes = Notes::default();
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
        let lookout = lookout(number, clones[number].address, &notes).await;
        command.args(["--upstream", &lookout.to_string()]);
    }
    let balancer = Serving::start(&mut command).await;
    let target = Target::parse(&format!("http://{}", balancer.address)).unwrap();
    let so_far = || notes.lock().unwrap().len();

    // Also fills the budget from which those who meet the clone that hangs are sent to another one.
    let before = visitors(&target, 3).await;
    assert_all_answered(&before, "before");

    signal(&clones[1], "-STOP").await;
    let (stopped, from) = (Instant::now(), so_far());
    let during = visitors(&target, 3).await;

    assert_all_answered(&during, "while a clone hung");
    let to_the_hung = notes.lock().unwrap()[from..].to_vec();
    let to_the_hung: Vec<_> = to_the_hung
        .into_iter()
        .filter(|(clone, ..)| *clone == 1)
        .collect();
    let last = to_the_hung
        .iter()
        .rposition(|(_, seen, _)| *seen == Seen::Visit);
    let last = last.expect("nobody met the clone that hung");
    let probes = to_the_hung[..last]
        .iter()
        .filter(|(_, seen, _)| *seen == Seen::Probe);
    // The second one that fails takes it out. A third may be noted before what was sent just before the verdict.
    assert!(
        probes.clone().count() <= 3,
        "{} probes failed before the last visitor was sent to the clone that hung: do two take it out?",
        probes.count()
    );

    let from = so_far();
    let after = visitors(&target, 1).await;
    assert_all_answered(&after, "afterwards");
    let [one, hung, three] = visits(&notes, from);
    assert_eq!(
        hung, 0,
        "a visitor was sent to a clone that is known to hang"
    );
    assert!(
        one > 0 && three > 0,
        "those that are well take turns: {one}, {three}"
    );
    println!(
        "p99 before {:.1} ms, from STOP on {:.1} ms, afterwards {:.1} ms; the last visitor met the hung clone {:?} after STOP",
        before.quantile_ms(0.99),
        during.quantile_ms(0.99),
        after.quantile_ms(0.99),
        to_the_hung[last].2 - stopped
    );

    let from = so_far();
    signal(&clones[1], "-CONT").await;
    let returning = tokio::spawn(async move { visitors(&target, 5).await });
    until("the clone to be asked again", async || {
        visits(&notes, from)[1] >= 10
    })
    .await;
    // Counted from its first visit on: until then the others had everything anyway.
    let first = notes.lock().unwrap()[from..]
        .iter()
        .position(|(clone, seen, _)| (*clone, *seen) == (1, Seen::Visit));
    let [one, back, three] = visits(&notes, from + first.expect("it had ten"));
    assert!(
        one > 2 * back && three > 2 * back,
        "{one}, {back}, {three}: a clone that comes back has cold caches, and gets little at first"
    );
    assert_all_answered(&returning.await.unwrap(), "when it was back");
}
