//! The server under load: a real one on a free port, with faults.
//!
//! It counts its requests, so that a test can compare them with the generator's numbers.

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

/// How the server handles a request.
#[derive(Clone, Copy)]
pub enum Behaviour {
    /// Responds with this status.
    Answer(u16),
    /// Reads the request, then closes the connection without a response.
    HangUp,
    /// Never responds.
    Ignore,
    /// Responds, and announces that the connection closes, as a draining server does.
    AnswerAndClose,
    /// Holds this request and all later ones for this long, then responds normally again.
    Stall(Duration),
}

/// The server, and what it counted.
pub struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    stalled_until: OnceLock<Instant>,
}

impl Server {
    /// `behave` gets the number of the request as the server counts them, from 0.
    pub async fn start(
        behave: impl Fn(u64) -> Behaviour + Clone + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let server = Server {
            address,
            counts: Arc::clone(&counts),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counts.connections.fetch_add(1, Ordering::SeqCst);
                let (counts, behave) = (Arc::clone(&counts), behave.clone());
                let service = service_fn(move |_: hyper::Request<Incoming>| {
                    let counts = Arc::clone(&counts);
                    let behaviour = behave(counts.requests.fetch_add(1, Ordering::SeqCst));
                    async move { answer(&counts, behaviour).await }
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
        self.counts.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    pub fn max_in_flight(&self) -> u64 {
        self.counts.max_in_flight.load(Ordering::SeqCst)
    }
}

async fn answer(
    counts: &Counts,
    behaviour: Behaviour,
) -> Result<hyper::Response<Full<Bytes>>, &'static str> {
    let in_flight = counts.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    counts.max_in_flight.fetch_max(in_flight, Ordering::SeqCst);
    if let Behaviour::Stall(time) = behaviour {
        let _ = counts.stalled_until.set(Instant::now() + time);
    }
    if let Some(until) = counts.stalled_until.get() {
        tokio::time::sleep_until(*until).await;
    }
    if let Behaviour::Ignore = behaviour {
        std::future::pending::<()>().await;
    }
    counts.in_flight.fetch_sub(1, Ordering::SeqCst);

    let response = hyper::Response::builder();
    let response = match behaviour {
        Behaviour::HangUp => return Err("hang up"),
        Behaviour::Answer(status) => response.status(status),
        Behaviour::AnswerAndClose => response.header("connection", "close"),
        Behaviour::Ignore | Behaviour::Stall(_) => response,
    };
    Ok(response.body(Full::from("a game")).unwrap())
}
