//! Redis is dead, hangs or is cut off: requests with a session get 503 within a time limit, and
//! succeed again once Redis is back.
//!
//! Each test that stops Redis starts its own server.

use ch01_clones::SessionId;
use ch01_clones::clone::session::{SessionError, UserName};
use testbed::{Fault, FaultProxy, Server, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::redis_sessions::{in_redis, me, session};
use crate::support::{
    TestServer, assert_problem, balance, client, clone_with, log_in, scripted, serve, until,
};

/// Asserts what must be true while Redis does not reply. The client gives up after 10 s, so each
/// response must arrive before that.
async fn assert_only_sessions_are_away(clone: &TestServer, cookie: &str) {
    let login = client()
        .post(clone.url("/login"))
        .json(&serde_json::json!({ "user": "bob" }));
    // At the same time, because each may take as long as the time-out of the store.
    let everywhere = client()
        .post(clone.url("/logout-everywhere"))
        .header("cookie", cookie);
    let front_page = client().get(clone.url("/")).header("cookie", cookie);
    let (asked, logged_in, logged_out, welcome) = tokio::join!(
        me(clone, cookie),
        login.send(),
        everywhere.send(),
        front_page.send()
    );
    let welcome = welcome.unwrap();
    assert_eq!(
        welcome.status(),
        200,
        "the front page must work without the session store"
    );
    assert!(welcome.text().await.unwrap().contains("welcome, visitor"));
    assert_problem(asked, 503, "session store").await;
    assert_problem(logged_out.unwrap(), 503, "session store").await;
    assert_problem(logged_in.unwrap(), 503, "session store").await;
    for (path, status) in [
        ("/whoami", 200),
        ("/healthz", 200),
        ("/", 200),
        ("/me", 401),
        ("/users/ada/avatar", 404),
    ] {
        let answer = client().get(clone.url(path)).send().await.unwrap();
        assert_eq!(
            answer.status(),
            status,
            "{path} without a cookie asks no session store"
        );
    }
}

#[tokio::test]
async fn sessions_work_again_after_redis_returns() {
    let server = Server::start(Service::Redis).await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&server.url()))).await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;
    assert_eq!(me(&clone, &cookie).await.status(), 200);

    server.kill().await.unwrap();
    assert_only_sessions_are_away(&clone, &cookie).await;
    server.start_again().await.unwrap();

    // No `until`: the first request after the restart must succeed. Redis stores nothing on disk
    // (`appendonly no`), so the sessions are lost, and every user has to log in again.
    assert_problem(me(&clone, &cookie).await, 401, "`POST /login`").await;
    let cookie = log_in(&clone.url("/login"), "ada", Some(&cookie)).await;
    assert_eq!(me(&clone, &cookie).await.status(), 200);
}

#[tokio::test]
async fn dead_redis_ejects_no_clone() {
    let server = Server::start(Service::Redis).await.unwrap();
    let mut clones = Vec::new();
    for name in ["clone-1", "clone-2", "clone-3"] {
        clones.push(serve(clone_with(name, in_redis(&server.url()))).await);
    }
    let addresses: Vec<_> = clones.iter().map(|clone| clone.addr).collect();
    let front = balance(&addresses).await;
    let cookie = log_in(&front.url("/login"), "ada", None).await;

    server.kill().await.unwrap();
    let mut visitors = JoinSet::new();
    for number in 0..60 {
        let path = ["/me", "/", "/whoami"][number % 3];
        let asking = client()
            .get(front.url(path))
            .header("cookie", &cookie)
            .send();
        visitors.spawn(async move { (path, asking.await.unwrap().status().as_u16()) });
    }
    for (path, status) in visitors.join_all().await {
        let expected = if path == "/me" { 503 } else { 200 };
        assert_eq!(status, expected, "{path}");
    }
    for clone in front.balancer.status() {
        assert_eq!(
            (clone.ejections, clone.failures, clone.retries),
            (0, 0, 0),
            "a clone that responds with 503 is healthy: an ejection or a retry does not help"
        );
    }

    server.start_again().await.unwrap();
    let cookie = log_in(&front.url("/login"), "ada", Some(&cookie)).await;
    let me = client().get(front.url("/me")).header("cookie", cookie);
    assert_eq!(me.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn idle_redis_restart_fails_no_request() {
    let server = Server::start(Service::Redis).await.unwrap();
    let store = in_redis(&server.url());
    let id = store.create(&session()).await.unwrap();

    server.kill().await.unwrap();
    server.start_again().await.unwrap();

    let loaded = store.load(&id).await;
    assert!(
        matches!(loaded, Ok(None)),
        "{loaded:?}: no request came while Redis was down, so the next one must succeed"
    );
}

#[tokio::test]
async fn a_clone_may_start_before_its_redis() {
    let server = Server::start(Service::Redis).await.unwrap();
    server.kill().await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&server.url()))).await;
    let cookie = format!("session={}", SessionId::random().as_str());
    assert_only_sessions_are_away(&clone, &cookie).await;

    server.start_again().await.unwrap();

    let cookie = log_in(&clone.url("/login"), "ada", None).await;
    assert_eq!(me(&clone, &cookie).await.status(), 200);
}

#[tokio::test]
async fn hanging_redis_is_a_503_in_time() {
    let server = Server::start(Service::Redis).await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&server.url()))).await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;

    server.pause().await.unwrap();
    assert_only_sessions_are_away(&clone, &cookie).await;
    server.unpause().await.unwrap();

    until("the session to be found again", async || {
        me(&clone, &cookie).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn public_pages_do_not_wait_for_redis() {
    let server = Server::start(Service::Redis).await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&server.url()))).await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;

    server.pause().await.unwrap();
    let browsing = async {
        for visit in 0..20 {
            let page = client().get(clone.url("/")).header("cookie", &cookie);
            let page = page.send().await.unwrap();
            assert_eq!(page.status(), 200, "visit {visit}");
            assert_eq!(
                page.headers().get("set-cookie"),
                None,
                "the session is still valid, so the cookie must stay"
            );
        }
    };
    tokio::select! {
        biased;
        () = browsing => {}
        refused = me(&clone, &cookie) => panic!(
            "20 visits took as long as one time-out of the store ({}): is the lookup limited, and \
             does the circuit breaker skip it after the first failure?",
            refused.status()
        ),
    }
    assert_problem(me(&clone, &cookie).await, 503, "session store").await;
    server.unpause().await.unwrap();

    until("the front page to know the user again", async || {
        let page = client().get(clone.url("/")).header("cookie", &cookie);
        let page = page.send().await.unwrap().text().await.unwrap();
        page.contains("welcome, ada")
    })
    .await;
}

#[tokio::test]
async fn disconnected_redis_is_found_again() {
    let server = Server::start(Service::Redis).await.unwrap();
    let proxy = FaultProxy::before(server.address()).await.unwrap();
    let clone = serve(clone_with(
        "clone-1",
        in_redis(&format!("redis://{}", proxy.address())),
    ))
    .await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;

    proxy.inject(Fault::Blackhole);
    assert_only_sessions_are_away(&clone, &cookie).await;
    proxy.heal();

    until("the session to be found again", async || {
        me(&clone, &cookie).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn unreachable_redis_is_found_again() {
    let server = Server::start(Service::Redis).await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&server.url()))).await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;

    server.disconnect().await.unwrap();
    assert_only_sessions_are_away(&clone, &cookie).await;
    server.connect().await.unwrap();

    until("the session to be found again", async || {
        me(&clone, &cookie).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn unavailable_store_is_a_503_and_no_401() {
    let unused = tokio::net::TcpSocket::new_v4().unwrap();
    unused.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let store = in_redis(&format!("redis://{}", unused.local_addr().unwrap()));
    let id = SessionId::random();
    let loaded = store.load(&id).await;
    assert!(
        matches!(loaded, Err(SessionError::Unavailable(_))),
        "{loaded:?}"
    );
    assert!(store.delete(&id).await.is_err());
    assert!(
        store
            .end_all(&UserName::parse("ada").unwrap())
            .await
            .is_err()
    );
    assert!(store.create(&session()).await.is_err());
}

/// What happens to the first connection at the signal.
#[derive(Clone, Copy)]
enum ProxyFailure {
    /// It stays silent, as if the other machine had vanished and another one had its address.
    Silence,
    /// It forwards one more command to Redis and breaks before it returns the reply.
    LostAnswer,
}

/// The URL of this Redis through a proxy. The failure happens when the test sends `true`, and only
/// on the first connection.
async fn failing_proxy(
    failure: ProxyFailure,
    redis: &testbed::Redis,
) -> (String, watch::Sender<bool>) {
    let server = redis.address();
    let (sender, begins) = watch::channel(false);
    let between = scripted(move |connection, mut client| {
        let mut begins = begins.clone();
        async move {
            let mut server = TcpStream::connect(server).await.unwrap();
            let until_then = async { drop(begins.wait_for(|begins| *begins).await) };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => return,
                () = until_then, if connection == 0 => {}
            }
            match failure {
                ProxyFailure::Silence => std::future::pending().await,
                ProxyFailure::LostAnswer => {
                    let mut buffer = [0; 4096];
                    let size = client.read(&mut buffer).await.unwrap();
                    server.write_all(&buffer[..size]).await.unwrap();
                    assert_ne!(
                        server.read(&mut buffer).await.unwrap(),
                        0,
                        "the reply of Redis is lost"
                    );
                }
            }
        }
    })
    .await;
    (redis.url_through(between), sender)
}

#[tokio::test]
async fn silent_connection_is_replaced() {
    let redis = testbed::redis().await.unwrap();
    let (url, happen) = failing_proxy(ProxyFailure::Silence, &redis).await;
    let clone = serve(clone_with("clone-1", in_redis(&url))).await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;

    happen.send(true).unwrap();

    until(
        "the clone to take another connection to Redis",
        async || me(&clone, &cookie).await.status() == 200,
    )
    .await;
}

#[tokio::test]
async fn command_with_a_lost_reply_is_retried() {
    let redis = testbed::redis().await.unwrap();
    for command in ["SET", "GET", "end all", "DEL"] {
        let (url, happen) = failing_proxy(ProxyFailure::LostAnswer, &redis).await;
        let store = in_redis(&url);
        let id = store.create(&session()).await.unwrap();

        happen.send(true).unwrap();

        match command {
            "SET" => {
                // The first id now belongs to a session whose client got no reply.
                let id = store
                    .create(&session())
                    .await
                    .expect("is another id tried when one is taken?");
                assert!(store.load(&id).await.unwrap().is_some());
            }
            "end all" => {
                let ada = UserName::parse("ada").unwrap();
                store
                    .end_all(&ada)
                    .await
                    .expect("is a command tried again?");
                assert_eq!(store.load(&id).await.unwrap(), None);
            }
            "GET" => assert!(
                store
                    .load(&id)
                    .await
                    .expect("is a command tried again?")
                    .is_some()
            ),
            _ => {
                store.delete(&id).await.expect("is a command tried again?");
                assert_eq!(store.load(&id).await.unwrap(), None);
            }
        }
    }
}
