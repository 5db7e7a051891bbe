//! The program as a user starts it: flags, first lines, configuration file, and errors for
//! invalid input.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admin_api::clones;
use crate::role::{Role, error, run};
use crate::support::{client, clone, within_deadline};

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("balancer.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
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
    let admin = balancer.address("admin API").await;
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
    assert_eq!(clones(admin).await, ["one", "two"]);
    // A signal makes the balancer reload at once.
    std::fs::write(&path, upstream("two", two.addr)).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(balancer.pid().cast_signed()).unwrap(),
        rustix::process::Signal::HUP,
    )
    .unwrap();
    balancer.line("one at").await;
    assert_eq!(clones(admin).await, ["two"]);
    // An invalid file changes nothing.
    std::fs::write(&path, "strategy = 'whatever'").unwrap();
    let by = within_deadline("the client to get responses of both", visiting)
        .await
        .unwrap();
    assert!(
        by.contains(&"one".to_owned()),
        "the removed clone never served a request"
    );
    assert_eq!(clones(admin).await, ["two"]);
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
