//! A line to the shared Redis that can be cut, blocked and mended, so that most tests need no
//! server of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testbed::FaultProxy;
use tokio::net::{TcpListener, TcpStream};

/// An empty Redis database, and a way to it that can be cut.
pub struct Line {
    pub redis: testbed::Redis,
    pub proxy: FaultProxy,
}

impl Line {
    pub async fn new() -> Self {
        let redis = testbed::redis().await.unwrap();
        let proxy = FaultProxy::before(address(&redis.url())).await.unwrap();
        Line { redis, proxy }
    }

    /// The URL of the same database, by way of the proxy.
    pub fn url(&self) -> String {
        self.url_of(self.proxy.address())
    }

    /// The URL of the same database, by whatever way.
    pub fn url_of(&self, way: SocketAddr) -> String {
        let url = self.redis.url();
        let (_, database) = url.rsplit_once('/').unwrap();
        format!("redis://{way}/{database}")
    }

    /// A way that leads through the proxy until the flag is set. After that, new connections go
    /// straight to Redis, and old ones stay where they are.
    pub async fn detour(&self) -> (SocketAddr, Arc<AtomicBool>) {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = door.local_addr().unwrap();
        let (proxy, redis) = (self.proxy.address(), address(&self.redis.url()));
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = is_over.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = door.accept().await.unwrap();
                let server = if flag.load(Ordering::SeqCst) {
                    redis
                } else {
                    proxy
                };
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        (way, is_over)
    }
}

/// Where the server of such a URL listens: `redis://127.0.0.1:6379/17`.
fn address(url: &str) -> SocketAddr {
    let (address, _) = url.trim_start_matches("redis://").split_once('/').unwrap();
    address.parse().unwrap()
}
