//! A store for each test, and a client with a method for each thing that a customer does.

use std::path::PathBuf;
use std::time::Duration;

use ch05_full::cli::{Serve, ServiceSource};
use ch05_full::servers::Addresses;
use ch05_full::store::Store;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Long enough for the slowest machine, and reached only by a test that fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A store in this process, on a port of its own, with 60 games.
pub struct TestStore {
    pub url: String,
    /// The database server that answers reads, as `x-db` names it.
    pub reads_from: &'static str,
    _running: Store,
    _servers: Option<Namespaces>,
}

/// What a store on real servers has to itself there. Dropped after the store.
struct Namespaces {
    _database: testbed::Postgres,
    _redis: testbed::Redis,
    _memcached: testbed::Memcached,
    _rabbitmq: testbed::RabbitMq,
    _folder: tempfile::TempDir,
}

impl TestStore {
    /// With its data in memory.
    pub async fn start() -> Self {
        TestStore::start_with(Serve {
            data_dir: Some(PathBuf::from(":memory:")),
            ..small()
        })
        .await
    }

    pub async fn start_with(args: Serve) -> Self {
        let store = Store::start(&args).await.expect("the store starts");
        TestStore {
            url: format!("http://{}", store.address),
            reads_from: "primary",
            _running: store,
            _servers: None,
        }
    }

    /// With its data on the shared servers: a database with a replica, four shards, Redis, three Memcached nodes, RabbitMQ. The shards are
    /// schemas of one database: to SQL they are as far apart as servers, and a test has them in milliseconds.
    pub async fn on_servers() -> Self {
        let (database, redis, memcached, rabbitmq) = tokio::join!(
            testbed::postgres(),
            testbed::redis(),
            testbed::memcached(),
            testbed::rabbitmq(),
        );
        let (database, redis) = (database.unwrap(), redis.unwrap());
        let (memcached, rabbitmq) = (memcached.unwrap(), rabbitmq.unwrap());
        let addresses = Addresses {
            database: database.url(),
            replicas: vec![database.replica_url()],
            shards: schemas(&database.url(), 4).await,
            redis: redis.url(),
            memcached: memcached
                .nodes()
                .iter()
                .map(|node| format!("memcache://{node}"))
                .collect(),
            cache_prefix: memcached.prefix().to_owned(),
            amqp: rabbitmq.url(),
        };
        let folder = tempfile::tempdir().unwrap();
        let args = Serve {
            data_dir: Some(folder.path().to_owned()),
            services: ServiceSource::External,
            ..small()
        };
        let store = Store::start_on(&addresses, &args)
            .await
            .expect("the store starts");
        TestStore {
            url: format!("http://{}", store.address),
            reads_from: "replica-1",
            _running: store,
            _servers: Some(Namespaces {
                _database: database,
                _redis: redis,
                _memcached: memcached,
                _rabbitmq: rabbitmq,
                _folder: folder,
            }),
        }
    }

    /// A visitor with an empty cookie jar.
    pub fn visitor(&self) -> Client {
        Client::new(&self.url)
    }

    /// A customer who has logged in.
    pub async fn customer(&self, name: &str) -> Client {
        let client = self.visitor();
        client.login(name).await;
        client
    }
}

/// Makes schemas in a database, and returns URLs whose connections see one of them each.
async fn schemas(database: &str, count: usize) -> Vec<String> {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let mut urls = Vec::new();
    for number in 0..count {
        let create = AssertSqlSafe(format!("CREATE SCHEMA shard_{number}"));
        sqlx::query(create).execute(&mut connection).await.unwrap();
        urls.push(format!("{database}?options[search_path]=shard_{number}"));
    }
    urls
}

/// A small store on any free port. Where its data goes is for the caller to say.
pub fn small() -> Serve {
    Serve {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        games: Some(60),
        ..Serve::default()
    }
}

/// A client as a browser or a program is one: with a cookie jar, and without following redirects.
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

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn get_html(&self, path: &str) -> Answer {
        send(
            self.request(Method::GET, path)
                .header("accept", "text/html"),
        )
        .await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn submit_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        send(
            self.request(Method::POST, path)
                .header("accept", "text/html")
                .form(fields),
        )
        .await
    }

    pub async fn login(&self, name: &str) {
        let answer = self.post("/login", json!({ "user": name })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }

    /// The JSON of a game, as the store shows it now.
    pub async fn game(&self, id: i64) -> Value {
        self.get(&format!("/games/{id}")).await.json()
    }

    pub async fn set_price(&self, id: i64, cents: i64) {
        let request = self.request(Method::PATCH, &format!("/games/{id}"));
        let answer = send(request.json(&json!({ "price_cents": cents }))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }

    pub async fn order(&self, game: i64, quantity: i64, key: &str) -> Answer {
        let body = json!({ "game_id": game, "quantity": quantity });
        send(
            self.request(Method::POST, "/orders")
                .header("idempotency-key", key)
                .json(&body),
        )
        .await
    }

    /// All of the customer's orders, page after page.
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

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
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

    /// Asserts that this is a problem document with this status, and returns its detail.
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
            "a problem has to say what was wrong: {problem}"
        );
        detail.to_owned()
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.expect("the store answers")).await
}

pub async fn read(response: Response) -> Answer {
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.expect("the answer can be read"),
    }
}

/// Asks again until there is an answer.
#[track_caller]
pub fn poll_until<T>(ask: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(DEADLINE, asking).await {
            Ok(answer) => answer,
            Err(elapsed) => {
                panic!("{elapsed}: what {caller} waits for has not come in {DEADLINE:?}")
            }
        }
    }
}
