//! Failures whose cause is the balancer or the client: they must not eject the clone.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use ch01_clones::balancer::{HealthState, ProbePolicy, Timeouts};
use ch01_clones::web::limits::Limits;
use ch01_clones::{Balancer, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::floods::front_of;
use crate::support::{assert_problem, balance, client, read_head, scripted, send_raw};

/// A clone whose every response has this many header fields.
async fn clone_with_fields(fields: usize) -> std::net::SocketAddr {
    scripted(move |_, mut stream| async move {
        let mut response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".to_owned();
        for field in 1..fields {
            write!(response, "X-Field-{field}: 1\r\n").unwrap();
        }
        response += "\r\nok";
        while !read_head(&mut stream).await.is_empty() {
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn many_response_fields_are_forwarded() {
    let front = balance(&[clone_with_fields(151).await]).await;
    front.balancer.probe_all(&ProbePolicy::default()).await;
    front.balancer.probe_all(&ProbePolicy::default()).await;
    assert_eq!(
        front.balancer.status()[0].state,
        HealthState::Up,
        "probes accept as many fields"
    );
    // reqwest accepts only 100 fields.
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = send_raw(front.addr, request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-field-150: 1"), "{answer}");
}

#[tokio::test]
async fn too_large_head_ejects_no_clone() {
    let front = balance(&[clone_with_fields(300).await, clone_with_fields(300).await]).await;
    for _ in 0..12 {
        let answer = client().get(front.url("/")).send().await.unwrap();
        assert_problem(answer, 502, "too large for the balancer").await;
    }
    for clone in front.balancer.status() {
        assert_eq!(
            (clone.state, clone.failures),
            (HealthState::Up, 0),
            "the clone works; the limit is the balancer's: {clone:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lack_of_descriptors_ejects_no_clone() {
    use serde_json::Value;
    use tokio::net::TcpStream;

    use crate::role::Role;
    use crate::support::within_deadline;

    const DESCRIPTORS: usize = 40;
    /// Sends a request, and returns the status.
    async fn get(user: &mut TcpStream) -> String {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        user.write_all(request).await.unwrap();
        let response = read_head(user).await;
        let length = response.split_once("content-length: ").expect(&response).1;
        let length = length.split_whitespace().next().unwrap().parse().unwrap();
        user.read_exact(&mut vec![0; length]).await.unwrap();
        response.split_whitespace().nth(1).unwrap().to_owned()
    }
    let closing = async || {
        scripted(|_, mut stream| async move {
            read_head(&mut stream).await;
            let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(response).await;
        })
        .await
        .to_string()
    };
    let (one, two) = (closing().await, closing().await);
    let mut balancer = Role::start_with_descriptors(
        DESCRIPTORS,
        &[
            "balancer",
            "--listen=127.0.0.1:0",
            "--admin=127.0.0.1:0",
            "--upstream",
            &one,
            "--upstream",
            &two,
        ],
    );
    let front = balancer.address("balancer listens").await;
    let admin = balancer.address("admin API").await;
    let mut user = TcpStream::connect(front).await.unwrap();
    assert_eq!(get(&mut user).await, "200");
    let mut idle = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        idle.push(TcpStream::connect(front).await.unwrap());
    }
    // A probe may free a descriptor for a moment, so this takes more than one request.
    within_deadline("the balancer to have no descriptor left", async {
        while get(&mut user).await != "503" {}
    })
    .await;
    for _ in 0..12 {
        get(&mut user).await;
    }
    drop(idle);
    within_deadline("a request to be accepted again", async {
        while get(&mut user).await != "200" {}
    })
    .await;
    let list = client()
        .get(format!("http://{admin}/upstreams"))
        .send()
        .await;
    let list: Value = list.unwrap().json().await.unwrap();
    for clone in list["items"].as_array().unwrap() {
        assert_eq!(
            (&clone["state"], &clone["failures"]),
            (&"up".into(), &0.into()),
            "the balancer had no descriptors, and the clone is fine: {clone}"
        );
    }
    let metrics = client().get(format!("http://{admin}/metrics")).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let mut lines = metrics.lines();
    let errors = lines.find_map(|line| line.strip_prefix("balancer_local_errors_total "));
    assert!(
        errors.is_some_and(|errors| errors.parse::<u64>().unwrap() > 0),
        "the metrics show that the balancer is the cause: {metrics}"
    );
}

#[tokio::test]
async fn stop_of_the_client_ejects_no_clone() {
    // The clone reads for ever and never responds.
    let clone = scripted(|_, mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let balancer = Balancer::new(vec![Upstream::new("clone-1", clone.await)]);
    let balancer = Arc::new(balancer.with_timeouts(Timeouts {
        response: Duration::from_secs(1),
        ..Timeouts::default()
    }));
    let limits = Limits {
        body_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let front = front_of(limits, Arc::clone(&balancer)).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = send_raw(front, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 408"),
        "the client stopped in the middle of its body: {answer}"
    );
    let clone = &balancer.status()[0];
    assert_eq!((clone.state, clone.failures), (HealthState::Up, 0));
}
