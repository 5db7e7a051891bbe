//! A virtual host for one test on the shared RabbitMQ server: no other test sees its queues and
//! exchanges.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::docker::{self, container, lease};
use crate::error::Error;
use crate::namespace;
use crate::server::shared::SharedServer;
use crate::service::RABBITMQ_HTTP;

/// How long the HTTP interface may take to answer after the broker has started.
const HTTP_START_TIMEOUT: Duration = Duration::from_mins(1);

/// The limit for one HTTP request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause before a failed HTTP request is retried.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// An empty virtual host. Dropping this deletes it.
#[derive(Debug)]
pub struct RabbitMq {
    address: SocketAddr,
    http: SocketAddr,
    virtual_host: String,
}

/// An empty virtual host that no other test uses.
pub async fn rabbitmq() -> Result<RabbitMq, Error> {
    docker::run(async {
        let server = SharedServer::RabbitMq;
        let address = server.address().await?;
        let docker = docker::client().await?;
        let http =
            container::published_port(&docker, &server.container_name(), RABBITMQ_HTTP).await?;
        let http = http.ok_or_else(|| namespace_error("its HTTP port is not published"))?;
        delete_orphans(http).await?;
        let host = namespace::fresh_name().await?;
        request(http, Method::PUT, &format!("vhosts/{host}"), "{}").await?;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        let permissions = format!("permissions/{host}/workshop");
        request(http, Method::PUT, &permissions, all).await?;
        Ok(RabbitMq {
            address,
            http,
            virtual_host: host,
        })
    })
    .await
}

impl RabbitMq {
    /// The virtual host's URL, such as `amqp://workshop:workshop@127.0.0.1:49154/t_1a2b3c4d_1`.
    pub fn url(&self) -> String {
        self.url_through(self.address)
    }

    /// The server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of this virtual host through a proxy.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        format!("amqp://workshop:workshop@{proxy}/{}", self.virtual_host)
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let (http, path) = (self.http, format!("vhosts/{}", self.virtual_host));
        docker::block_on(async move { request(http, Method::DELETE, &path, "").await });
    }
}

/// Deletes the virtual hosts of processes that have ended. Does it once in this process.
async fn delete_orphans(http: SocketAddr) -> Result<(), Error> {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_try_init(|| delete_orphans_now(http))
        .await
        .copied()
}

async fn delete_orphans_now(http: SocketAddr) -> Result<(), Error> {
    let _lock = lease::lock("rabbitmq-hosts").await?;
    let hosts = request(http, Method::GET, "vhosts?columns=name", "").await?;
    // `[{"name":"/"},{"name":"t_1a2b3c4d_1"}]`: every fourth piece between quotes is a name.
    for host in hosts.split('"').skip(3).step_by(4) {
        if namespace::is_orphaned(host)? {
            request(http, Method::DELETE, &format!("vhosts/{host}"), "").await?;
        }
    }
    Ok(())
}

/// Sends a request to the management plugin (<https://www.rabbitmq.com/docs/management#http-api>).
/// Retries it, because a server that has just started does not answer yet.
async fn request(
    http: SocketAddr,
    method: Method,
    path: &str,
    body: &'static str,
) -> Result<String, Error> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let client = CLIENT.get_or_init(reqwest::Client::new);
    let deadline = Instant::now() + HTTP_START_TIMEOUT;
    loop {
        let request = client
            .request(method.clone(), format!("http://{http}/api/{path}"))
            .basic_auth("workshop", Some("workshop"))
            .header("content-type", "application/json")
            .timeout(REQUEST_TIMEOUT)
            .body(body);
        let reason = match request.send().await {
            Ok(response) if response.status().is_success() => {
                let text = response.text().await;
                return text.map_err(|error| namespace_error(&error.to_string()));
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
            return Err(namespace_error(&reason));
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

fn namespace_error(reason: &str) -> Error {
    Error::NoNamespace {
        server: SharedServer::RabbitMq.container_name(),
        reason: reason.to_owned(),
    }
}
