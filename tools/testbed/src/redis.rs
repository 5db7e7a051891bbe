//! An empty database of one's own on the shared Redis server.
//!
//! Redis numbers its databases. A counter in database 0 deals the numbers out, in a circle of 4,095: whoever gets a number empties it first,
//! so what a killed process has left there is gone when it could be met.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::docker::{block, run};
use crate::error::Error;
use crate::shared::Member;

/// As many as the server has, without the one that holds the counter.
const NUMBERS: u64 = 4_095;

/// An empty Redis database. Dropping this empties it.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    number: u64,
}

/// An empty Redis database of one's own.
pub async fn redis() -> Result<Redis, Error> {
    run(async {
        let address = Member::Redis.address().await?;
        let answer = ask(address, "INCR testbed:databases\r\n", 1).await?;
        let count: u64 = answer
            .trim_start_matches(':')
            .parse()
            .map_err(|_| refused(answer.clone()))?;
        let number = 1 + count % NUMBERS;
        empty(address, number).await?;
        Ok(Redis { address, number })
    })
    .await
}

impl Redis {
    /// The database, such as `redis://127.0.0.1:49153/17`.
    pub fn url(&self) -> String {
        format!("redis://{}/{}", self.address, self.number)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let (address, number) = (self.address, self.number);
        block(async move { empty(address, number).await });
    }
}

async fn empty(address: SocketAddr, number: u64) -> Result<(), Error> {
    let answer = ask(address, &format!("SELECT {number}\r\nFLUSHDB\r\n"), 2).await?;
    if answer == "+OK" {
        Ok(())
    } else {
        Err(refused(answer))
    }
}

/// Sends commands as one types them into telnet, and returns the last of so many lines of answer.
async fn ask(address: SocketAddr, commands: &str, answers: usize) -> Result<String, Error> {
    let asked = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        stream.write_all(commands.as_bytes()).await?;
        let mut line = String::new();
        for _ in 0..answers {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        Ok(line.trim_end().to_owned())
    };
    asked
        .await
        .map_err(|error: std::io::Error| refused(error.to_string()))
}

fn refused(reason: String) -> Error {
    let server = Member::Redis.name();
    Error::NoNamespace { server, reason }
}
