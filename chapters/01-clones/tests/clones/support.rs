//! Servers, clients and deadlines for the tests.
//!
//! No test sleeps for a fixed time. A test waits for the expected result, at most for [`DEADLINE`].

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use ch01_clones::balancer::Timeouts;
use ch01_clones::clone::app;
use ch01_clones::web::limits::Limits;
use ch01_clones::web::server;
use ch01_clones::{AvatarStore, Balancer, MemorySessions, SessionStore, Upstream, balancer};
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Much longer than any step of a test, so that no test fails on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for `future`, and panics at the deadline. `what` names the expected event.
pub async fn within_deadline<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(DEADLINE, future).await else {
        panic!("waited {DEADLINE:?} for {what}");
    };
    output
}

/// Polls `condition` until it is true, and panics at the deadline. `what` names the condition.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A server of this chapter that runs as a task.
pub struct TestServer {
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Starts a graceful shutdown and does not wait for it.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the server has stopped.
    pub async fn stopped(self) {
        within_deadline("the server to stop", self.task)
            .await
            .expect("the server panicked");
    }

    /// Dies like a killed process: all connections break at once.
    pub async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Starts a graceful shutdown and waits for it.
    pub async fn stop(mut self) {
        self.begin_stop();
        self.stopped().await;
    }
}

/// Runs a router on a free port.
pub async fn serve(router: Router) -> TestServer {
    serve_with(Limits::default(), router).await
}

/// Runs a router with other limits.
pub async fn serve_with(limits: Limits, router: Router) -> TestServer {
    serve_on(free_port().await, limits, router)
}

/// Runs a router on a given listener.
pub fn serve_on(listener: TcpListener, limits: Limits, router: Router) -> TestServer {
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let task =
        tokio::spawn(async move { server::run_with(limits, listener, router, shutdown).await });
    TestServer {
        addr,
        stop: Some(stop),
        task,
    }
}

/// The routes of a clone with this session store and its own avatar store.
pub fn clone_with(name: &str, sessions: Arc<dyn SessionStore>) -> Router {
    app::router(name, sessions, AvatarStore::new(Arc::new(InMemory::new())))
}

/// Runs a clone with its own session store.
pub async fn clone(name: &str) -> TestServer {
    serve(clone_with(name, Arc::new(MemorySessions::new()))).await
}

pub async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A balancer on a free port. It runs until the end of the test.
pub struct TestBalancer {
    pub addr: SocketAddr,
    pub balancer: Arc<Balancer>,
    task: JoinHandle<()>,
}

impl TestBalancer {
    /// Dies like a killed process.
    pub async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

/// Balances over clones named `clone-1`, `clone-2`, …
pub async fn balance(clones: &[SocketAddr]) -> TestBalancer {
    balance_with(Timeouts::default(), clones).await
}

/// A balancer with other time-outs.
pub async fn balance_with(timeouts: Timeouts, clones: &[SocketAddr]) -> TestBalancer {
    balance_over(|balancer| balancer.with_timeouts(timeouts), clones).await
}

/// A balancer that `change` has configured.
pub async fn balance_over(
    change: impl FnOnce(Balancer) -> Balancer,
    clones: &[SocketAddr],
) -> TestBalancer {
    let upstreams = (1..)
        .zip(clones)
        .map(|(n, addr)| Upstream::new(format!("clone-{n}"), *addr))
        .collect();
    let balancer = Arc::new(change(Balancer::new(upstreams)));
    let listener = free_port().await;
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(balancer::run(
        listener,
        Arc::clone(&balancer),
        std::future::pending(),
    ));
    TestBalancer {
        addr,
        balancer,
        task,
    }
}

/// A client that follows no redirect and keeps no cookie.
pub fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().timeout(DEADLINE);
    builder
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

pub fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// Logs in at `url`. Returns the cookie in the form in which a browser sends it.
pub async fn log_in(url: &str, user: &str, cookie: Option<&str>) -> String {
    let mut request = client().post(url).json(&json!({ "user": user }));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    header(&response, "set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

/// Asserts that the response is a problem document with this status, and that its detail contains
/// `hint`.
pub async fn assert_problem(response: reqwest::Response, status: u16, hint: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], json!(status));
    assert!(problem["title"].is_string());
    assert!(
        problem["detail"].as_str().unwrap().contains(hint),
        "{hint:?} is not in {problem}"
    );
}

/// Sends these bytes and reads until the server closes. The request needs `Connection: close`.
pub async fn send_raw(addr: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut response = Vec::new();
    within_deadline(
        "the response and the end of the connection",
        stream.read_to_end(&mut response),
    )
    .await
    .unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// Reads the head of a message, up to the empty line. Empty if the other side closes first.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match within_deadline("a message's head", stream.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// A clone that runs `script` for each connection. The script gets the number of the connection,
/// counted from 0.
pub async fn scripted<F>(script: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = free_port().await;
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(script(number, stream));
        }
    });
    addr
}

/// Sends a message when it is dropped.
pub struct DropNotifier(pub tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for DropNotifier {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
