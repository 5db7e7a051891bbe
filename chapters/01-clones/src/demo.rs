//! The guided demonstration: what goes wrong when a clone remembers something, and what stops going wrong when it
//! does not.
//!
//! Everything runs in this one process, on free ports, over real sockets: the clones are tasks, not machines, and a
//! store that they share in memory stands in for one they would share over the network. What is shown does not depend
//! on that.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ch01_clones::identity::X_SERVED_BY;
use ch01_clones::{Balancer, MemorySessions, SessionStore, Upstream, app, balancer, server};
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Runs all three parts.
pub async fn run() -> anyhow::Result<()> {
    println!("Three clones behind a balancer, in this process: the clones are tasks, not machines.\n");

    println!("1. Each clone keeps its sessions in its own memory. Ada logs in, then asks six times who she is.\n");
    let cluster = Cluster::start(|| Arc::new(MemorySessions::new())).await?;
    let known = ask_who_i_am(&cluster).await?;
    println!("\n   Known on {known} of 6. The login lies on one clone, and the balancer takes them in turn.\n");
    cluster.stop().await;

    println!("2. The clones share one store (in memory here; it stands in for a server such as Redis).\n");
    let shared: Arc<dyn SessionStore> = Arc::new(MemorySessions::new());
    let cluster = Cluster::start(|| Arc::clone(&shared)).await?;
    let known = ask_who_i_am(&cluster).await?;
    println!("\n   Known on {known} of 6. No clone remembers anything, so any clone will do.\n");

    cluster.stop().await;

    println!("3. Three clones again. One is stopped after the tenth of 30 requests.\n");
    let mut cluster = Cluster::start(|| Arc::clone(&shared)).await?;
    let mut visitor = Visitor::new(cluster.address).await?;
    let mut failed = 0;
    for number in 1..=30 {
        if number == 11 {
            cluster.clones.remove(1).stop().await;
        }
        failed += u32::from(!visitor.get("/whoami").await?.status().is_success());
    }
    println!("   {:<9} {:<5} {:>8} {:>8}", "clone", "state", "requests", "failures");
    for clone in cluster.balancer.status() {
        let state = if clone.is_up { "up" } else { "down" };
        println!(
            "   {:<9} {state:<5} {:>8} {:>8}",
            clone.name, clone.requests, clone.failures
        );
    }
    println!(
        "\n   {failed} of 30 requests failed. What the balancer could not connect to, it left out; the request went on."
    );
    cluster.stop().await;

    println!("\nTry it by hand, in three terminals:");
    println!("   cargo run -p ch01-clones -- clone --listen 127.0.0.1:8081 --name clone-1");
    println!("   cargo run -p ch01-clones -- clone --listen 127.0.0.1:8082 --name clone-2");
    println!("   cargo run -p ch01-clones -- balancer --upstream 127.0.0.1:8081 --upstream 127.0.0.1:8082");
    println!("and then: curl -i http://127.0.0.1:8080/");
    Ok(())
}

/// Logs in once and prints what each of six clones in turn says to `GET /me`. How many knew her?
async fn ask_who_i_am(cluster: &Cluster) -> anyhow::Result<u32> {
    let mut visitor = Visitor::new(cluster.address).await?;
    let login = visitor.log_in("ada").await?;
    println!("   POST /login  {}  by {}", login.status().as_u16(), served_by(&login));
    let mut known = 0;
    for _ in 0..6 {
        let answer = visitor.get("/me").await?;
        let verdict = if answer.status().is_success() {
            "knows her"
        } else {
            "does not know her"
        };
        known += u32::from(answer.status().is_success());
        println!(
            "   GET  /me     {}  by {}, which {verdict}",
            answer.status().as_u16(),
            served_by(&answer)
        );
    }
    Ok(known)
}

fn served_by(response: &Response<Bytes>) -> &str {
    let name = response.headers().get(X_SERVED_BY);
    name.and_then(|name| name.to_str().ok()).unwrap_or("nobody")
}

/// A server that runs as a task until it is told to stop.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(stopped));
        Running { stop, task }
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Three clones and a balancer in front of them.
struct Cluster {
    address: SocketAddr,
    balancer: Arc<Balancer>,
    front: Running,
    clones: Vec<Running>,
}

impl Cluster {
    /// Asks `sessions` once for each clone which store it shall use. That is the only difference between parts 1 and 2.
    async fn start(sessions: impl Fn() -> Arc<dyn SessionStore>) -> anyhow::Result<Self> {
        let (mut clones, mut upstreams) = (Vec::new(), Vec::new());
        for name in ["clone-1", "clone-2", "clone-3"] {
            let listener = free_port().await?;
            upstreams.push(Upstream::new(name, listener.local_addr()?));
            let app = app::router(name, sessions());
            clones.push(Running::start(|stopped| async {
                server::run(listener, app, async { drop(stopped.await) }).await;
            }));
        }
        let balancer = Arc::new(Balancer::new(upstreams));
        let listener = free_port().await?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&balancer);
        let front = Running::start(|stopped| async {
            balancer::run(listener, shared, async { drop(stopped.await) }).await;
        });
        Ok(Cluster {
            address,
            balancer,
            front,
            clones,
        })
    }

    async fn stop(self) {
        self.front.stop().await;
        for clone in self.clones {
            clone.stop().await;
        }
    }
}

async fn free_port() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on any port of 127.0.0.1")
}

/// A browser in as few lines as will do: one connection, one cookie.
struct Visitor {
    connection: http1::SendRequest<Full<Bytes>>,
    cookie: Option<HeaderValue>,
}

impl Visitor {
    async fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("the balancer cannot be reached")?;
        let (connection, task) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(task);
        Ok(Visitor {
            connection,
            cookie: None,
        })
    }

    async fn log_in(&mut self, user: &str) -> anyhow::Result<Response<Bytes>> {
        let body = serde_json::json!({ "user": user }).to_string();
        let request = Request::post("/login").header(CONTENT_TYPE, "application/json");
        let response = self.send(request.body(Full::from(body))?).await?;
        ensure!(response.status().is_success(), "logging in gave {}", response.status());
        let cookie = response.headers().get(SET_COOKIE).context("the login set no cookie")?;
        let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
        self.cookie = Some(HeaderValue::from_str(pair)?);
        Ok(response)
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Response<Bytes>> {
        self.send(Request::get(path).body(Full::default())?).await
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
        request.headers_mut().insert(HOST, HeaderValue::from_static("demo"));
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        self.connection.ready().await?;
        let (head, body) = self.connection.send_request(request).await?.into_parts();
        // To the end: a connection with half an answer in it cannot take the next request.
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}
