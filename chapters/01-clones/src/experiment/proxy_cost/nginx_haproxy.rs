//! nginx and HAProxy with settings as close as possible to this balancer's.
//!
//! Each has one process and one thread, keeps its connections to the clones open, writes no access
//! log and adds the same headers. [`DIFFERENCES`] lists the rest.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::process::Command;

use super::measured_process::{MeasuredProcess, free_address};

/// The remaining differences between the three, one line each.
pub const DIFFERENCES: [&str; 3] = [
    "Health checks: HAProxy and this balancer probe each clone twice per second, nginx does not",
    "Request ids: UUID version 7 here, UUID version 4 in HAProxy, 16 random bytes in nginx",
    "State: this balancer keeps a latency average per clone, and request bodies for retries",
];

/// The command that installs both on Debian.
pub const INSTALL: &str = "apt-get install nginx-light haproxy";

pub async fn nginx(clones: &[SocketAddr]) -> anyhow::Result<Option<MeasuredProcess>> {
    let (folder, address) = (tempfile::tempdir()?, free_address()?);
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, nginx_settings(address, clones))
        .context("cannot write nginx's settings")?;
    let mut command = Command::new(in_sbin("nginx"));
    command
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(&file)
        .args(["-e", "stderr"]);
    MeasuredProcess::start_foreign("nginx", &mut command, address, folder).await
}

pub async fn haproxy(clones: &[SocketAddr]) -> anyhow::Result<Option<MeasuredProcess>> {
    let (folder, address) = (tempfile::tempdir()?, free_address()?);
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, haproxy_settings(address, clones))
        .context("cannot write HAProxy's settings")?;
    let mut command = Command::new(in_sbin("haproxy"));
    command.arg("-db").arg("-f").arg(&file);
    MeasuredProcess::start_foreign("HAProxy", &mut command, address, folder).await
}

/// Debian installs servers in a folder that may be missing in `PATH`.
fn in_sbin(program: &str) -> String {
    let path = format!("/usr/sbin/{program}");
    if std::path::Path::new(&path).exists() {
        path
    } else {
        program.to_owned()
    }
}

fn nginx_settings(address: SocketAddr, clones: &[SocketAddr]) -> String {
    let servers = clones.iter().fold(String::new(), |mut lines, clone| {
        let _ = writeln!(lines, "        server {clone};");
        lines
    });
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    upstream clones {{
{servers}        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://clones;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto http;
            proxy_set_header Via \"1.1 workshop\";
            proxy_set_header X-Request-Id $request_id;
            add_header X-Request-Id $request_id always;
        }}
    }}
}}
"
    )
}

fn haproxy_settings(address: SocketAddr, clones: &[SocketAddr]) -> String {
    let servers = (1..)
        .zip(clones)
        .fold(String::new(), |mut lines, (n, clone)| {
            let _ = writeln!(lines, "    server clone-{n} {clone}");
            lines
        });
    format!(
        "global
    nbthread 1
    maxconn 1024
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout http-request 10s
    http-reuse always
    option redispatch
    retries 1
frontend front
    bind {address}
    unique-id-format %[uuid()]
    unique-id-header X-Request-Id
    http-request del-header X-Forwarded-For
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request add-header Via \"1.1 workshop\"
    http-response set-header X-Request-Id %[unique-id]
    default_backend clones
backend clones
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 500ms
{servers}"
    )
}
