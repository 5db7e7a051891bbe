//! The real HAProxy and the real nginx in front of the balancer, with settings that their manuals
//! recommend. A test says so and ends if its program is not installed (`apt-get install nginx-light
//! haproxy`).

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use ch01_clones::{Balancer, Upstream, balancer};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::support::{
    balance, client, free_port, read_head, scripted, send_raw, serve, until, within_deadline,
};

/// A proxy that listens. Dropping it kills the process.
struct FrontProxy {
    addr: SocketAddr,
    _process: Child,
    _folder: TempDir,
}

/// Starts a program with the settings that make it listen on the given address. `None` if the
/// program is not installed.
async fn start(
    program: &str,
    arguments: &[&str],
    settings: impl Fn(SocketAddr) -> String,
) -> Option<FrontProxy> {
    let in_sbin = format!("/usr/sbin/{program}");
    let program = if Path::new(&in_sbin).exists() {
        &in_sbin
    } else {
        program
    };
    // Another test may take the port before the program does, so there are several attempts.
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let addr = free_port().await.local_addr().unwrap();
        let file = folder.path().join("settings");
        fs::write(&file, settings(addr)).unwrap();
        let started = Command::new(program)
            .args(arguments)
            .arg(&file)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = match started {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("{program} is not installed, so this test checks nothing");
                return None;
            }
            started => started.unwrap(),
        };
        within_deadline("the proxy to listen, or to end", async {
            while process.try_wait().unwrap().is_none() && TcpStream::connect(addr).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        if process.try_wait().unwrap().is_none() {
            return Some(FrontProxy {
                addr,
                _process: process,
                _folder: folder,
            });
        }
    }
    panic!("{program} rejects its settings five times; its own message is above");
}

#[tokio::test]
async fn haproxy_finds_the_balancer_healthy() {
    let checks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&checks);
    let count = move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
    };
    let clone = serve(
        Router::new()
            .route("/healthz", get(count))
            .route("/", get(|| async { "hello" })),
    )
    .await;
    let front = balance(&[clone.addr]).await;
    let settings = |addr: SocketAddr| {
        format!(
            "defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend front
    bind {addr}
    default_backend balancer
backend balancer
    # Sends HTTP/1.0 without `Host`.
    option httpchk GET /healthz
    server balancer {} check inter 20ms
",
            front.addr
        )
    };
    let Some(haproxy) = start("haproxy", &["-db", "-f"], settings).await else {
        return;
    };
    until("HAProxy's checks to reach a clone", async || {
        checks.load(Ordering::SeqCst) >= 5
    })
    .await;
    let answer = client().get(format!("http://{}/", haproxy.addr));
    assert_eq!(answer.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn nginx_is_trusted_on_ipv6_listener() {
    let (record, mut heads) = mpsc::unbounded_channel();
    let clone = scripted(move |_, mut stream| {
        let record = record.clone();
        async move {
            let _ = record.send(read_head(&mut stream).await);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        }
    })
    .await;
    let front = Balancer::new(vec![Upstream::new("clone-1", clone)])
        .with_trusted_proxies(&[[127, 0, 0, 1].into()]);
    let listener = TcpListener::bind("[::ffff:127.0.0.1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(balancer::run(
        listener,
        Arc::new(front),
        std::future::pending(),
    ));
    let settings = |addr| {
        format!(
            "daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {addr};
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Port 443;
        }}
    }}
}}
"
        )
    };
    let arguments = ["-p", ".", "-e", "stderr", "-c"];
    let Some(nginx) = start("nginx", &arguments, settings).await else {
        return;
    };
    let answer = send_raw(
        nginx.addr,
        "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 6.6.6.6, é\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let head = within_deadline("the clone to get the request", heads.recv())
        .await
        .unwrap();
    for line in [
        "host: shop",
        // The client's own entries, the client as nginx sees it, and nginx.
        "x-forwarded-for: 6.6.6.6, é, 127.0.0.1, 127.0.0.1",
        "x-forwarded-proto: https",
        "x-forwarded-port: 443",
    ] {
        assert!(
            head.to_lowercase().lines().any(|found| found == line),
            "{line:?} is not in\n{head}"
        );
    }
    task.abort();
}
