//! The four servers: with which program and flags each is started, and how its address is written as a URL.
//!
//! An image may have come from a registry or from Debian packages, and the two differ in their entrypoints, users and folders. So
//! nothing here relies on an entrypoint: each server is started by a short shell script of ours, with the program that both images have.

use std::fmt;
use std::net::SocketAddr;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// PostgreSQL: the catalogue and the orders.
    Postgres,
    /// Redis: sessions and cache.
    Redis,
    /// Memcached: cache.
    Memcached,
    /// RabbitMQ: jobs and events.
    RabbitMq,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 4] = [
        Service::Postgres,
        Service::Redis,
        Service::Memcached,
        Service::RabbitMq,
    ];

    /// The name in containers' names and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Service::Postgres => "postgres",
            Service::Redis => "redis",
            Service::Memcached => "memcached",
            Service::RabbitMq => "rabbitmq",
        }
    }

    /// The port that it listens on in its container.
    pub(crate) fn port(self) -> u16 {
        match self {
            Service::Postgres => 5432,
            Service::Redis => 6379,
            Service::Memcached => 11211,
            Service::RabbitMq => 5672,
        }
    }

    /// Other ports that are published too.
    pub(crate) fn more_ports(self) -> &'static [u16] {
        match self {
            // The management plugin's HTTP interface: the quick way to make a virtual host.
            Service::RabbitMq => &[RABBITMQ_HTTP],
            _ => &[],
        }
    }

    /// Who it runs as: none of them needs root, and PostgreSQL refuses it.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Service::Postgres => "postgres",
            Service::Redis => "redis",
            Service::Memcached => "nobody",
            Service::RabbitMq => "rabbitmq",
        }
    }

    /// The signal that ends it in order.
    pub(crate) fn stop_signal(self) -> &'static str {
        match self {
            // SIGTERM would wait for every client to go.
            Service::Postgres => "SIGINT",
            _ => "SIGTERM",
        }
    }

    /// The shell script that starts it. Data lies in /tmp, the one folder that every user of every image may write to; it
    /// survives a kill and a restart of the container, and goes with it.
    pub(crate) fn script(self, settings: &[(String, String)]) -> String {
        match self {
            Service::Postgres => {
                let defaults = [
                    ("fsync", "on"),
                    ("max_connections", "100"),
                    // Several replicas copy a new primary at once, and the checkpoint of one must not throw away what another
                    // still has to read.
                    ("wal_keep_size", "256MB"),
                ];
                format!(
                    "{INITDB}\n{POSTGRES} {}",
                    flags(&defaults, settings, postgres_flag)
                )
            }
            Service::Redis => {
                let defaults = [("databases", "4096"), ("save", ""), ("appendonly", "no")];
                let fixed = "--port 6379 --bind 0.0.0.0 --protected-mode no --dir /tmp";
                let redis_flag = |name: &str, value: &str| format!("--{name} {}", quote(value));
                format!(
                    "exec redis-server {fixed} {}",
                    flags(&defaults, settings, redis_flag)
                )
            }
            Service::Memcached => {
                let defaults = [("m", "64"), ("c", "1024"), ("t", "2")];
                let memcached_flag = |name: &str, value: &str| format!("-{name} {}", quote(value));
                format!(
                    "exec memcached -l 0.0.0.0 -p 11211 {}",
                    flags(&defaults, settings, memcached_flag)
                )
            }
            Service::RabbitMq => {
                let lines: Vec<_> = settings
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}"))
                    .collect();
                RABBITMQ.replace("SETTINGS", &lines.join("\n"))
            }
        }
    }

    /// The address as the clients' libraries write it.
    pub(crate) fn url(self, address: SocketAddr) -> String {
        match self {
            Service::Postgres => format!("postgres://workshop@{address}/workshop"),
            Service::Redis => format!("redis://{address}"),
            Service::Memcached => format!("memcache://{address}"),
            Service::RabbitMq => format!("amqp://workshop:workshop@{address}/%2f"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Postgres => "PostgreSQL",
            Service::Redis => "Redis",
            Service::Memcached => "Memcached",
            Service::RabbitMq => "RabbitMQ",
        })
    }
}

/// The port of RabbitMQ's HTTP interface.
pub(crate) const RABBITMQ_HTTP: u16 = 15672;

/// Makes the data folder at the first start only. `trust`: the ports are published on 127.0.0.1 and there is nothing to protect.
const INITDB: &str = "\
set -e
if [ ! -f /tmp/data/ready ]; then
  rm -rf /tmp/data
  initdb --no-sync --auth=trust --username=workshop --encoding=UTF8 --locale=C.UTF-8 -D /tmp/data >/dev/null
  printf 'host all all all trust\\nhost replication all all trust\\n' >> /tmp/data/pg_hba.conf
  echo 'CREATE DATABASE workshop' | postgres --single -D /tmp/data postgres >/dev/null
  touch /tmp/data/ready
fi";

/// Its socket would lie in a folder that not every image has.
const POSTGRES: &str =
    "exec postgres -D /tmp/data -c listen_addresses='*' -c unix_socket_directories=/tmp";

/// The script of a replica: a copy of a running primary, which it follows through a replication slot.
pub(crate) fn replica_script(primary: &str, slot: &str, settings: &[(String, String)]) -> String {
    format!(
        "set -e
export HOME=/tmp
if [ ! -f /tmp/data/ready ]; then
  rm -rf /tmp/data
  # An earlier attempt that was cut off may have left its slot.
  psql --host={primary} --username=workshop --dbname=postgres --quiet --tuples-only --command=\"
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active\"
  pg_basebackup --host={primary} --username=workshop --pgdata=/tmp/data --checkpoint=fast --wal-method=stream --no-sync \
    --write-recovery-conf --create-slot --slot={slot}
  touch /tmp/data/ready
fi
{POSTGRES} {}",
        flags(&[("max_connections", "100")], settings, postgres_flag)
    )
}

/// The node's name is fixed, or the data directory would count as another node's after a restart. The Erlang flags keep its
/// schedulers from spinning: on a small machine others want the processor. The limit on files is there because Erlang makes a table
/// with a row for each file it might open, and Docker's default is a milliard.
const RABBITMQ: &str = "\
ulimit -n 65536
mkdir -p /tmp/rabbitmq
cat > /tmp/rabbitmq/rabbitmq.conf <<'END'
loopback_users = none
default_user = workshop
default_pass = workshop
vm_memory_high_watermark.relative = 0.4
disk_free_limit.absolute = 50MB
SETTINGS
END
echo '[rabbitmq_management].' > /tmp/rabbitmq/enabled_plugins
export HOME=/tmp/rabbitmq RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE=/tmp/rabbitmq/mnesia
export RABBITMQ_CONFIG_FILE=/tmp/rabbitmq/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/tmp/rabbitmq/enabled_plugins
export RABBITMQ_LOGS=- RABBITMQ_LOG_BASE=/tmp/rabbitmq RABBITMQ_PID_FILE=/tmp/rabbitmq/pid
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+sbwt none +sbwtdcpu none +sbwtdio none'
exec rabbitmq-server";

fn postgres_flag(name: &str, value: &str) -> String {
    format!("-c {}", quote(&format!("{name}={value}")))
}

/// The defaults that no setting replaces, then the settings.
fn flags(
    defaults: &[(&str, &str)],
    settings: &[(String, String)],
    write: impl Fn(&str, &str) -> String,
) -> String {
    let replaced = |name: &str| settings.iter().any(|(setting, _)| setting == name);
    let defaults = defaults.iter().filter(|(name, _)| !replaced(name));
    let all = defaults.map(|(name, value)| write(name, value));
    let given = settings.iter().map(|(name, value)| write(name, value));
    all.chain(given).collect::<Vec<_>>().join(" ")
}

/// As one word for the shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_replaces_its_default_and_is_quoted() {
        let settings = [("save".to_owned(), "60 1; rm -rf /".to_owned())];
        let script = Service::Redis.script(&settings);
        assert!(script.ends_with("--save '60 1; rm -rf /'"), "{script}");
        assert_eq!(script.matches("--save").count(), 1, "{script}");
    }
}
