//! A program in a container: it runs, its processor time is limited, and it is removed.
//!
//! The program is this test binary, which serves HTTP if a variable is set.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use testbed::Program;

const SERVE: &str = "TESTBED_SERVE";

/// Not a test, but the program in the container. It answers every request with 200.
#[test]
fn serve_http() {
    if std::env::var_os(SERVE).is_none() {
        return;
    }
    let listener = TcpListener::bind("0.0.0.0:9000").unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn program_runs_with_its_cpu_limit() {
    let program = Program::builder(std::env::current_exe().unwrap())
        .role("greeter")
        .arguments(["program::serve_http", "--exact", "--nocapture"])
        .variable(SERVE, "1")
        .port(9000)
        .cpus(0.2)
        .start()
        .await
        .unwrap();

    let mut stream = TcpStream::connect(program.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("hello"), "{response}");
    assert!(program.address().ip().is_loopback());

    let quota = |name| {
        docker(&[
            "inspect",
            "-f",
            "{{.HostConfig.CpuQuota}}/{{.HostConfig.CpuPeriod}}",
            name,
        ])
    };
    assert_eq!(quota(program.name()), "2000/10000");
    program.limit_cpus(0.02).await.unwrap();
    assert_eq!(quota(program.name()), "1000/50000");

    let name = program.name().to_owned();
    drop(program);
    assert_eq!(
        docker(&["ps", "-aq", "--filter", &format!("name=^{name}$")]),
        "",
        "dropping the program must remove its container"
    );
}
