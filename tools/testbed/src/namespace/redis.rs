//! An empty Redis database for one test on the shared server.
//!
//! Redis numbers its databases. A counter in database 0 assigns the numbers 1 to 4,095 in a circle.
//! Each database is emptied before its use, in case a killed process has left keys in it.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::docker;
use crate::error::Error;
use crate::server::shared::SharedServer;

/// All databases except 0, which holds the counter.
const DATABASES: u64 = 4_095;

/// An empty Redis database. Dropping this empties it.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    number: u64,
}

/// An empty Redis database that no other test uses.
pub async fn redis() -> Result<Redis, Error> {
    docker::run(async {
        let address = SharedServer::Redis.address().await?;
        let reply = send(address, "INCR testbed:databases\r\n", 1).await?;
        let count: u64 = reply
            .trim_start_matches(':')
            .parse()
            .map_err(|_| namespace_error(reply.clone()))?;
        let number = 1 + count % DATABASES;
        flush(address, number).await?;
        Ok(Redis { address, number })
    })
    .await
}

impl Redis {
    /// The database's URL, such as `redis://127.0.0.1:49153/17`.
    pub fn url(&self) -> String {
        self.url_through(self.address)
    }

    /// The server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of this database through a proxy.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        format!("redis://{proxy}/{}", self.number)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let (address, number) = (self.address, self.number);
        docker::block_on(async move { flush(address, number).await });
    }
}

async fn flush(address: SocketAddr, number: u64) -> Result<(), Error> {
    let reply = send(address, &format!("SELECT {number}\r\nFLUSHDB\r\n"), 2).await?;
    if reply == "+OK" {
        Ok(())
    } else {
        Err(namespace_error(reply))
    }
}

/// Sends inline commands, as one types them into telnet. Returns the last of `replies` lines.
async fn send(address: SocketAddr, commands: &str, replies: usize) -> Result<String, Error> {
    let last_line = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        stream.write_all(commands.as_bytes()).await?;
        let mut line = String::new();
        for _ in 0..replies {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        Ok(line.trim_end().to_owned())
    };
    last_line
        .await
        .map_err(|error: std::io::Error| namespace_error(error.to_string()))
}

fn namespace_error(reason: String) -> Error {
    let server = SharedServer::Redis.container_name();
    Error::NoNamespace { server, reason }
}
