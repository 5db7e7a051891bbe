//! A virtual host of one's own on the shared RabbitMQ server: queues and exchanges that nobody else sees.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::container;
use crate::docker::{block, docker, run};
use crate::error::Error;
use crate::lease;
use crate::namespace;
use crate::service::RABBITMQ_HTTP;
use crate::shared::Member;

/// The broker opens its HTTP port a little after the other one.
const HTTP_WITHIN: Duration = Duration::from_mins(1);

/// An empty virtual host. Dropping this deletes it.
#[derive(Debug)]
pub struct RabbitMq {
    address: SocketAddr,
    http: SocketAddr,
    host: String,
}

/// An empty virtual host of one's own.
pub async fn rabbitmq() -> Result<RabbitMq, Error> {
    run(async {
        let address = Member::RabbitMq.address().await?;
        let http =
            container::port(&docker().await?, &Member::RabbitMq.name(), RABBITMQ_HTTP).await?;
        let http = http.ok_or_else(|| refused("its HTTP port is not published"))?;
        swept(http).await?;
        let host = namespace::fresh().await?;
        call(http, Method::PUT, &format!("vhosts/{host}"), "{}").await?;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        call(
            http,
            Method::PUT,
            &format!("permissions/{host}/workshop"),
            all,
        )
        .await?;
        Ok(RabbitMq {
            address,
            http,
            host,
        })
    })
    .await
}

impl RabbitMq {
    /// The virtual host, such as `amqp://workshop:workshop@127.0.0.1:49154/t_1a2b3c4d_1`.
    pub fn url(&self) -> String {
        format!("amqp://workshop:workshop@{}/{}", self.address, self.host)
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let (http, path) = (self.http, format!("vhosts/{}", self.host));
        block(async move { call(http, Method::DELETE, &path, "").await });
    }
}

/// Deletes the virtual hosts of processes that have ended, once in this process.
async fn swept(http: SocketAddr) -> Result<(), Error> {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    SWEPT.get_or_try_init(|| sweep(http)).await.copied()
}

async fn sweep(http: SocketAddr) -> Result<(), Error> {
    let _lock = lease::lock("rabbitmq-hosts").await?;
    let hosts = call(http, Method::GET, "vhosts?columns=name", "").await?;
    // `[{"name":"/"},{"name":"t_1a2b3c4d_1"}]`: every fourth piece between quotes is a name.
    for host in hosts.split('"').skip(3).step_by(4) {
        if namespace::is_left_behind(host)? {
            call(http, Method::DELETE, &format!("vhosts/{host}"), "").await?;
        }
    }
    Ok(())
}

/// Calls the management plugin (<https://www.rabbitmq.com/docs/management#http-api>), and waits for it if the server has just started.
async fn call(
    http: SocketAddr,
    method: Method,
    path: &str,
    body: &'static str,
) -> Result<String, Error> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let client = CLIENT.get_or_init(reqwest::Client::new);
    let deadline = Instant::now() + HTTP_WITHIN;
    loop {
        let request = client
            .request(method.clone(), format!("http://{http}/api/{path}"))
            .basic_auth("workshop", Some("workshop"))
            .header("content-type", "application/json")
            .timeout(Duration::from_secs(20))
            .body(body);
        let reason = match request.send().await {
            Ok(response) if response.status().is_success() => {
                return response
                    .text()
                    .await
                    .map_err(|error| refused(&error.to_string()));
            }
            Ok(response)
                if response.status() == StatusCode::NOT_FOUND && method == Method::DELETE =>
            {
                return Ok(String::new());
            }
            Ok(response) => response.status().to_string(),
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            return Err(refused(&reason));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn refused(reason: &str) -> Error {
    Error::NoNamespace {
        server: Member::RabbitMq.name(),
        reason: reason.to_owned(),
    }
}
