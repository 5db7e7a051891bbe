//! A client with a method for each action of a customer.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, StatusCode, redirect};
use serde_json::{Value, json};

/// Long enough for a slow machine. Only a failing test waits so long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An HTTP client with a cookie jar. It does not follow redirects.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(redirect::Policy::none())
            .timeout(DEADLINE)
            .no_proxy()
            .build()
            .unwrap();
        Client {
            http,
            url: url.to_owned(),
        }
    }

    /// The same client, with its cookies, at another store.
    pub fn at(&self, url: &str) -> Self {
        Client {
            http: self.http.clone(),
            url: url.to_owned(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> TextResponse {
        send(self.request(Method::GET, path)).await
    }

    pub async fn get_html(&self, path: &str) -> TextResponse {
        send(
            self.request(Method::GET, path)
                .header("accept", "text/html"),
        )
        .await
    }

    pub async fn post(&self, path: &str, body: Value) -> TextResponse {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn submit_form(&self, path: &str, fields: &[(&str, &str)]) -> TextResponse {
        send(
            self.request(Method::POST, path)
                .header("accept", "text/html")
                .form(fields),
        )
        .await
    }

    pub async fn login(&self, name: &str) {
        let response = self.post("/login", json!({ "user": name })).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.body);
    }

    /// The current JSON of a game.
    pub async fn game(&self, id: i64) -> Value {
        self.get(&format!("/games/{id}")).await.json()
    }

    pub async fn set_price(&self, id: i64, cents: i64) {
        let request = self.request(Method::PATCH, &format!("/games/{id}"));
        let response = send(request.json(&json!({ "price_cents": cents }))).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.body);
    }

    pub async fn order(&self, game: i64, quantity: i64, key: &str) -> TextResponse {
        let body = json!({ "game_id": game, "quantity": quantity });
        send(
            self.request(Method::POST, "/orders")
                .header("idempotency-key", key)
                .json(&body),
        )
        .await
    }

    /// Orders a game that a payment pays for.
    pub async fn paid_order(&self, key: &str, payment: &str) -> TextResponse {
        let body = json!({ "game_id": 7, "quantity": 1, "payment_reference": payment });
        let request = self.request(Method::POST, "/orders");
        send(request.header("idempotency-key", key).json(&body)).await
    }

    /// All orders of the customer, from all pages.
    pub async fn all_orders(&self) -> Vec<Value> {
        let mut orders = Vec::new();
        let mut next = Some("/orders".to_owned());
        while let Some(path) = next {
            let page = self.get(&path).await.json();
            orders.extend(page["items"].as_array().expect("a list of orders").clone());
            next = page["next"].as_str().map(ToOwned::to_owned);
        }
        orders
    }

    /// Waits until the job is in a final state.
    pub async fn finished_job(&self, path: &str) -> Value {
        poll_until(async || {
            let job = self.get(path).await.json();
            matches!(job["state"].as_str(), Some("done" | "dead")).then_some(job)
        })
        .await
    }
}

/// A response with its body.
#[derive(Debug)]
pub struct TextResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl TextResponse {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.body))
    }

    /// Asserts that this is a problem document with this status. Returns its detail.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(
            self.headers.get("content-type"),
            Some(&HeaderValue::from_static("application/problem+json"))
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(
            problem["title"].is_string() && problem["type"].is_string(),
            "{problem}"
        );
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(
            !detail.is_empty(),
            "the problem document has no detail: {problem}"
        );
        detail.to_owned()
    }
}

pub async fn send(request: RequestBuilder) -> TextResponse {
    let response = request.send().await.expect("the store sends no response");
    TextResponse {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.expect("the response breaks off"),
    }
}

/// Calls `poll` until it returns a value. Panics after [`DEADLINE`].
#[track_caller]
pub fn poll_until<T>(poll: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let polling = async {
            loop {
                if let Some(value) = poll().await {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(DEADLINE, polling).await {
            Ok(value) => value,
            Err(elapsed) => {
                panic!("{elapsed}: the condition at {caller} is false for {DEADLINE:?}")
            }
        }
    }
}
