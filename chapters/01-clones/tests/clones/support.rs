//! Servers, clients and patience for the tests.
//!
//! Nothing here sleeps for a fixed time: a test waits for what it expects, and [`DEADLINE`] is only
//! how long it believes.

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

/// Far more than anything here takes, so that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for something that must happen.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(DEADLINE, future).await else {
        panic!("waited {DEADLINE:?} for {what}");
    };
    output
}

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let begin = Instant::now();
    while !ask().await {
        assert!(begin.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A server of the chapter, running as a task.
pub struct Running {
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Asks it to stop and does not wait.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has stopped.
    pub async fn stopped(self) {
        soon("the server to stop", self.task)
            .await
            .expect("the server panicked");
    }

    /// Dies as a process does: all its connections are cut at once, in whatever state.
    pub async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Asks it to stop and waits.
    pub async fn stop(mut self) {
        self.begin_stop();
        self.stopped().await;
    }
}

/// Runs a router on a free port.
pub async fn serve(router: Router) -> Running {
    serve_with(Limits::default(), router).await
}

/// The same with other limits.
pub async fn serve_with(limits: Limits, router: Router) -> Running {
    serve_on(free_port().await, limits, router)
}

/// The same on a given listener.
pub fn serve_on(listener: TcpListener, limits: Limits, router: Router) -> Running {
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let task =
        tokio::spawn(async move { server::run_with(limits, listener, router, shutdown).await });
    Running {
        addr,
        stop: Some(stop),
        task,
    }
}

/// The chapter's clone with this session store, and avatars of its own.
pub fn clone_with(name: &str, sessions: Arc<dyn SessionStore>) -> Router {
    app::router(name, sessions, AvatarStore::new(Arc::new(InMemory::new())))
}

/// Runs the chapter's clone with a session store of its own.
pub async fn clone(name: &str) -> Running {
    serve(clone_with(name, Arc::new(MemorySessions::new()))).await
}

pub async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A balancer on a free port. It runs until the end of the test.
pub struct Front {
    pub addr: SocketAddr,
    pub balancer: Arc<Balancer>,
    task: JoinHandle<()>,
}

impl Front {
    /// Dies as a process does, with all that it has.
    pub async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

/// Balances over clones named `clone-1`, `clone-2`, …
pub async fn balance(clones: &[SocketAddr]) -> Front {
    balance_with(Timeouts::default(), clones).await
}

/// The same with other time-outs.
pub async fn balance_with(timeouts: Timeouts, clones: &[SocketAddr]) -> Front {
    balance_over(|balancer| balancer.with_timeouts(timeouts), clones).await
}

/// The same with a balancer that is changed in any way.
pub async fn balance_over(
    change: impl FnOnce(Balancer) -> Balancer,
    clones: &[SocketAddr],
) -> Front {
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
    Front {
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

/// Logs in at `POST /login` of some server and gives back the cookie as a browser would send it.
pub async fn log_in(url: &str, user: &str, cookie: Option<&str>) -> String {
    let mut request = client().post(url).json(&json!({ "user": user }));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    header(&answer, "set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

/// That the answer is a problem document with this status, which tells its reader this much at
/// least.
pub async fn assert_problem(answer: reqwest::Response, status: u16, hint: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], json!(status));
    assert!(problem["title"].is_string());
    assert!(
        problem["detail"].as_str().unwrap().contains(hint),
        "{hint:?} is not in {problem}"
    );
}

/// Sends these bytes and reads until the server closes. Put `Connection: close` into the request.
pub async fn raw(addr: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut response = Vec::new();
    soon(
        "the answer and the end of the connection",
        stream.read_to_end(&mut response),
    )
    .await
    .unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// Reads a message's head, up to the empty line. Empty if the other side closed before.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match soon("a message's head", stream.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// A clone that misbehaves as `script` says, for each connection anew. The script gets the
/// connection's number, from 0.
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

/// Tells when it is dropped, and so when whatever owned it was.
pub struct TellsWhenDropped(pub tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
