//! The program as a user starts it: flags, first lines, configuration file, admin API, and errors
//! for invalid input.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{client, clone, within_deadline};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ch01-clones");

/// A role of the program that runs until this is dropped.
pub struct Role {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Role {
    pub fn start(arguments: &[&str]) -> Self {
        Role::spawn(Command::new(PROGRAM).args(arguments))
    }

    /// Starts the program with at most this many open files.
    pub fn start_with_descriptors(limit: usize, arguments: &[&str]) -> Self {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        Role::spawn(
            Command::new("sh")
                .args(["-c", &script, PROGRAM])
                .args(arguments),
        )
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Role { process, lines }
    }

    /// The next line that contains this text.
    pub async fn line(&mut self, with: &str) -> String {
        loop {
            let line = within_deadline(with, self.lines.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the program ended before it said {with:?}"));
            if line.contains(with) {
                return line;
            }
        }
    }

    /// The address in the next line that contains this text.
    pub async fn address(&mut self, with: &str) -> SocketAddr {
        let line = self.line(with).await;
        let address = line.split("http://").nth(1).expect(&line);
        let end = address
            .find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)))
            .unwrap_or(address.len());
        address[..end].parse().expect(&line)
    }

    pub fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }
}

/// Runs the program until it ends.
pub async fn run(arguments: &[&str]) -> Output {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    within_deadline("the program to end", output).await.unwrap()
}

pub fn error(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("balancer.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

async fn clones(door: SocketAddr) -> Vec<String> {
    let list: Value = client()
        .get(format!("http://{door}/upstreams"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

fn upstream(name: &str, addr: SocketAddr) -> String {
    format!("[[upstream]]\nname = \"{name}\"\naddr = \"{addr}\"\n")
}

#[cfg(unix)]
#[tokio::test]
async fn reload_under_load_fails_no_request() {
    let (one, two) = (clone("one").await, clone("two").await);
    let (_folder, path) = file(&upstream("one", one.addr));
    let config = path.to_str().unwrap();
    let mut balancer = Role::start(&[
        "balancer",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--config",
        config,
    ]);
    let front = balancer.address("balancer listens").await;
    let door = balancer.address("admin API").await;
    let visiting = tokio::spawn(async move {
        let client = client();
        let mut by = Vec::new();
        loop {
            let answer = client
                .get(format!("http://{front}/whoami"))
                .send()
                .await
                .unwrap();
            assert_eq!(
                answer.status(),
                200,
                "a client noticed the reload of the file"
            );
            by.push(answer.text().await.unwrap().trim().to_owned());
            if by.last().is_some_and(|name| name == "two") && by.len() > 200 {
                return by;
            }
        }
    });

    // The balancer notices the changed file.
    std::fs::write(
        &path,
        upstream("one", one.addr) + &upstream("two", two.addr),
    )
    .unwrap();
    balancer.line("two at").await;
    assert_eq!(clones(door).await, ["one", "two"]);
    // A signal makes the balancer reload at once.
    std::fs::write(&path, upstream("two", two.addr)).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(balancer.pid().cast_signed()).unwrap(),
        rustix::process::Signal::HUP,
    )
    .unwrap();
    balancer.line("one at").await;
    assert_eq!(clones(door).await, ["two"]);
    // An invalid file changes nothing.
    std::fs::write(&path, "strategy = 'whatever'").unwrap();
    let by = within_deadline("the client to get responses of both", visiting)
        .await
        .unwrap();
    assert!(
        by.contains(&"one".to_owned()),
        "the removed clone never served a request"
    );
    assert_eq!(clones(door).await, ["two"]);
}

#[tokio::test]
async fn flags_win_over_the_file() {
    let (one, two) = (clone("one").await, clone("two").await);
    let (_folder, path) = file(&(upstream("one", one.addr) + "[timeouts]\nresponse = '1s'\n"));
    let upstream = two.addr.to_string();
    let config = path.to_str().unwrap();
    let mut balancer = Role::start(&[
        "balancer",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &upstream,
        "--config",
        config,
    ]);
    let front = balancer.address("balancer listens").await;
    let answer = client()
        .get(format!("http://{front}/whoami"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "two\n");
}

#[tokio::test]
async fn invalid_arguments_are_rejected_before_start() {
    let (folder, path) = file("[[upstream]]\naddr = '127.0.0.1:1'\ncolour = 'blue'\n");
    let nowhere = folder.path().join("nowhere.toml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (path, nowhere) = (path.to_str().unwrap(), nowhere.to_str().unwrap());
    let balancer =
        |more: &[&'static str]| [&["balancer", "--listen", "127.0.0.1:0"], more].concat();
    for (arguments, hint) in [
        (balancer(&[]), "--upstream <ADDR[=WEIGHT]>"),
        (
            balancer(&["--upstream", "shop.example:8081"]),
            "127.0.0.1:8081=3",
        ),
        (
            balancer(&["--upstream", "127.0.0.1:1", "--strategy", "random"]),
            "round-robin",
        ),
        (
            balancer(&["--upstream", "127.0.0.1:1", "--probe", "readyz"]),
            "`/readyz`",
        ),
        (
            balancer(&["--upstream", "127.0.0.1:1", "--upstream", "127.0.0.1:1"]),
            "two clones are at",
        ),
        (vec!["balancer", "--config", path], "unknown field `colour`"),
        (vec!["balancer", "--config", nowhere], "cannot read"),
        (
            vec!["balancer", "--upstream", "127.0.0.1:1", "--listen", &taken],
            "choose another address",
        ),
        (vec!["clone", "--listen", &taken], "choose another address"),
        (
            vec!["serve", "--listen", &taken, "--admin", "127.0.0.1:0"],
            "choose another address",
        ),
        (vec!["serve", "--clones", "0"], "1..=32"),
        (
            vec!["clone", "--listen", "shop.example:80"],
            "`127.0.0.1:8080`",
        ),
        (vec!["pack", "../v1"], "such as `v2`"),
        (vec!["pack", "v1", "--to", path], "cannot create"),
        (vec!["deploy", nowhere], "is not a folder"),
    ] {
        let message = error(&run(&arguments).await);
        assert!(
            message.contains(hint),
            "{arguments:?}: {hint} is not in\n{message}"
        );
    }
}

/// Sends a request to the admin API. Returns the status and the text.
async fn ask(
    door: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let mut request = client().request(method.parse().unwrap(), format!("http://{door}{path}"));
    if !body.is_empty() {
        request = request
            .header("content-type", "application/json")
            .body(body.to_owned());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn admin_api_manages_clones_and_shows_metrics() {
    let (one, two) = (clone("one").await, clone("two").await);
    let upstream = one.addr.to_string();
    let mut balancer = Role::start(&[
        "balancer",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--upstream",
        &upstream,
    ]);
    let front = balancer.address("balancer listens").await;
    let door = balancer.address("admin API").await;
    let new = format!(
        "{{\"name\":\"clone-2\",\"addr\":\"{}\",\"weight\":3}}",
        two.addr
    );

    assert_eq!(ask(door, "POST", "/upstreams", &new, &[]).await.0, 201);
    assert_eq!(ask(door, "POST", "/upstreams", &new, &[]).await.0, 409);
    assert_eq!(clones(door).await, ["clone-1", "clone-2"]);
    assert_eq!(
        ask(door, "POST", "/upstreams/clone-1/drain", "", &[])
            .await
            .0,
        200
    );
    for _ in 0..4 {
        let answer = client()
            .get(format!("http://{front}/whoami"))
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.text().await.unwrap(),
            "two\n",
            "the other clone is drained"
        );
    }
    let (_, metrics) = ask(door, "GET", "/metrics", "", &[]).await;
    for line in [
        "upstream_up{upstream=\"clone-1\"} 0",
        "upstream_requests_total{upstream=\"clone-2\"} 4",
        "upstream_response_seconds_count{upstream=\"clone-2\"} 4",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    assert_eq!(
        ask(door, "POST", "/upstreams/clone-1/resume", "", &[])
            .await
            .0,
        204
    );
    assert_eq!(
        ask(door, "DELETE", "/upstreams/clone-2", "", &[]).await.0,
        204
    );
    assert_eq!(clones(door).await, ["clone-1"]);

    for (method, path, body, status) in [
        ("DELETE", "/upstreams/clone-9", "", 404),
        ("POST", "/upstreams/clone-9/drain", "", 404),
        ("PUT", "/upstreams", "", 405),
        ("GET", "/clones", "", 404),
        (
            "POST",
            "/upstreams",
            "{\"name\":\"a b\",\"addr\":\"127.0.0.1:1\"}",
            422,
        ),
        (
            "POST",
            "/upstreams",
            "{\"name\":\"a\",\"addr\":\"127.0.0.1:1\",\"weight\":0}",
            422,
        ),
        (
            "POST",
            "/upstreams",
            "{\"name\":\"a\",\"addr\":\"localhost\"}",
            422,
        ),
        ("POST", "/upstreams", "{", 400),
    ] {
        assert_eq!(
            ask(door, method, path, body, &[]).await.0,
            status,
            "{method} {path} {body}"
        );
    }
}

#[tokio::test]
async fn admin_api_refuses_web_pages() {
    let mut balancer = Role::start(&[
        "balancer",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--upstream=127.0.0.1:1",
    ]);
    balancer.address("balancer listens").await;
    let door = balancer.address("admin API").await;
    let from_a_page = [("origin", "http://elsewhere.example")];
    assert_eq!(
        ask(door, "POST", "/upstreams/clone-1/drain", "", &from_a_page)
            .await
            .0,
        403,
        "a web page of another origin must not be able to drain clones"
    );
    for (host, status) in [
        ("elsewhere.example:9901", 421),
        ("127.0.0.1.elsewhere.example", 421),
        ("caf\u{e9}:9901", 421),
        ("localhost:9901", 200),
        ("[::1]:9901", 200),
    ] {
        let (answer, _) = ask(door, "GET", "/upstreams", "", &[("host", host)]).await;
        assert_eq!(
            answer, status,
            "DNS rebinding: a page under the name {host} must not read the admin API"
        );
    }
}

/// A path as text, for the tests of deploys.
pub fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}
