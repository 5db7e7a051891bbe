//! A proxy to the shared Redis that can refuse or drop traffic. With it, most tests need no server
//! of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testbed::FaultProxy;
use tokio::net::{TcpListener, TcpStream};

/// An empty Redis database, and a proxy in front of its server.
pub struct RedisProxy {
    pub redis: testbed::Redis,
    pub proxy: FaultProxy,
}

impl RedisProxy {
    pub async fn new() -> Self {
        let redis = testbed::redis().await.unwrap();
        let proxy = FaultProxy::before(redis.address()).await.unwrap();
        RedisProxy { redis, proxy }
    }

    /// The URL of the database through the proxy.
    pub fn url(&self) -> String {
        self.url_through(self.proxy.address())
    }

    /// The URL of the database through another address.
    pub fn url_through(&self, address: SocketAddr) -> String {
        self.redis.url_through(address)
    }

    /// An address that forwards to the proxy until the flag is set. Afterwards it forwards new
    /// connections directly to Redis; existing connections keep their route.
    pub async fn switchable_address(&self) -> (SocketAddr, Arc<AtomicBool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen_address = listener.local_addr().unwrap();
        let (proxy, redis) = (self.proxy.address(), self.redis.address());
        let use_direct_route = Arc::new(AtomicBool::new(false));
        let flag = use_direct_route.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
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
        (listen_address, use_direct_route)
    }
}
