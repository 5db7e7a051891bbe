//! The server under load: a real one on port 0, with a fault for every occasion.
//!
//! It counts what it sees, so that a test can compare the generator's numbers with the other side's. Left out: everything
//! that a game store would do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use loadgen::Target;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// How the server treats a request.
#[derive(Clone, Copy)]
pub enum Treatment {
    /// Answers with this status.
    Answer(u16),
    /// Reads the request, then closes the connection without a word.
    HangUp,
    /// Never answers.
    Ignore,
    /// Answers, and says that it is about to close the connection, as a server does that is being replaced.
    AnswerAndClose,
    /// Answers everything that comes from now on only after this long from now, then is itself again.
    Stall(Duration),
}

/// The server, and what it saw.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    requests: AtomicU64,
    under_way: AtomicU64,
    most_under_way: AtomicU64,
    stalled_until: OnceLock<Instant>,
}

impl Server {
    /// `treat` gets the number of the request as the server counts them, from 0.
    pub async fn start(treat: impl Fn(u64) -> Treatment + Clone + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let server = Server {
            address,
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, treat) = (Arc::clone(&seen), treat.clone());
                let service = service_fn(move |_: hyper::Request<Incoming>| {
                    let seen = Arc::clone(&seen);
                    let treatment = treat(seen.requests.fetch_add(1, Ordering::SeqCst));
                    async move { answer(&seen, treatment).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    pub fn target(&self) -> Target {
        Target::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    pub fn most_under_way(&self) -> u64 {
        self.seen.most_under_way.load(Ordering::SeqCst)
    }
}

async fn answer(
    seen: &Seen,
    treatment: Treatment,
) -> Result<hyper::Response<Full<Bytes>>, &'static str> {
    let under_way = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    if let Treatment::Stall(time) = treatment {
        let _ = seen.stalled_until.set(Instant::now() + time);
    }
    if let Some(until) = seen.stalled_until.get() {
        tokio::time::sleep_until(*until).await;
    }
    if let Treatment::Ignore = treatment {
        std::future::pending::<()>().await;
    }
    seen.under_way.fetch_sub(1, Ordering::SeqCst);

    let response = hyper::Response::builder();
    let response = match treatment {
        Treatment::HangUp => return Err("hang up"),
        Treatment::Answer(status) => response.status(status),
        Treatment::AnswerAndClose => response.header("connection", "close"),
        Treatment::Ignore | Treatment::Stall(_) => response,
    };
    Ok(response.body(Full::from("a game")).unwrap())
}
