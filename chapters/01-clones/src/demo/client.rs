//! A minimal HTTP client: one connection, one cookie.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ch01_clones::web::identity::X_SERVED_BY;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A client with at most one session.
pub struct Client {
    connection: http1::SendRequest<Full<Bytes>>,
    cookie: Option<HeaderValue>,
}

impl Client {
    pub async fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("the balancer cannot be reached")?;
        let (connection, task) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(task);
        Ok(Client {
            connection,
            cookie: None,
        })
    }

    pub async fn log_in(&mut self, user: &str) -> anyhow::Result<Response<Bytes>> {
        let body = serde_json::json!({ "user": user }).to_string();
        let request = Request::post("/login").header(CONTENT_TYPE, "application/json");
        let response = self.send(request.body(Full::from(body))?).await?;
        ensure!(
            response.status().is_success(),
            "the login should succeed, but the status is {}",
            response.status()
        );
        let cookie = response
            .headers()
            .get(SET_COOKIE)
            .context("the login set no cookie")?;
        let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
        self.cookie = Some(HeaderValue::from_str(pair)?);
        Ok(response)
    }

    /// The session cookie that the login has set.
    pub fn cookie(&self) -> anyhow::Result<&str> {
        let cookie = self
            .cookie
            .as_ref()
            .context("log in before you read the cookie")?;
        Ok(cookie.to_str()?)
    }

    pub async fn get(&mut self, path: &str) -> anyhow::Result<Response<Bytes>> {
        self.send(Request::get(path).body(Full::default())?).await
    }

    pub async fn put(
        &mut self,
        path: &str,
        body: &'static [u8],
    ) -> anyhow::Result<Response<Bytes>> {
        let request = Request::builder().method(Method::PUT).uri(path);
        self.send(request.body(Full::from(body))?).await
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("demo"));
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        self.connection.ready().await?;
        let (head, body) = self.connection.send_request(request).await?.into_parts();
        // Read the whole body: otherwise the connection cannot take the next request.
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

/// The name of the clone that sent this response.
pub fn served_by(response: &Response<Bytes>) -> &str {
    let name = response.headers().get(X_SERVED_BY);
    name.and_then(|name| name.to_str().ok())
        .unwrap_or("an unknown clone")
}
