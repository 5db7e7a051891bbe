//! The shell scripts that start the servers.
//!
//! An image comes from a registry or from Debian packages. The two have different entrypoints,
//! users and folders. So a script replaces the entrypoint, and runs a program that both images
//! contain.

use crate::service::Service;

/// The shell script that starts a server of this kind.
///
/// The data is in /tmp, the only folder that every user in every image can write to.
pub(crate) fn start_script(service: Service, settings: &[(String, String)]) -> String {
    match service {
        Service::Postgres => {
            let defaults = [
                ("fsync", "on"),
                ("max_connections", "100"),
                // Several replicas copy a new primary at the same time. The checkpoint of one copy
                // must not delete the WAL that another copy still needs.
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

/// Creates the data directory at the first start. `trust` needs no password: the ports are
/// published on 127.0.0.1 only, and the data is not secret.
const INITDB: &str = "\
set -e
if [ ! -f /tmp/data/ready ]; then
  rm -rf /tmp/data
  initdb --no-sync --auth=trust --username=workshop --encoding=UTF8 --locale=C.UTF-8 -D /tmp/data >/dev/null
  printf 'host all all all trust\\nhost replication all all trust\\n' >> /tmp/data/pg_hba.conf
  echo 'CREATE DATABASE workshop' | postgres --single -D /tmp/data postgres >/dev/null
  touch /tmp/data/ready
fi";

/// The default folder of the Unix socket does not exist in every image.
const POSTGRES: &str =
    "exec postgres -D /tmp/data -c listen_addresses='*' -c unix_socket_directories=/tmp";

/// The start script of a replica. It copies the primary at this host and port, and follows it
/// through a replication slot. The primary sees it under the slot's name.
pub(crate) fn replica_script(
    (host, port): (&str, u16),
    slot: &str,
    settings: &[(String, String)],
) -> String {
    format!(
        "set -e
export HOME=/tmp
if [ ! -f /tmp/data/ready ]; then
  rm -rf /tmp/data
  # An earlier attempt that was cut off may have left its slot.
  psql --host={host} --port={port} --username=workshop --dbname=postgres --quiet --tuples-only --command=\"
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active\"
  pg_basebackup --host={host} --port={port} --username=workshop --pgdata=/tmp/data --checkpoint=fast --wal-method=stream --no-sync \
    --write-recovery-conf --create-slot --slot={slot}
  touch /tmp/data/ready
fi
{POSTGRES} {}",
        flags(
            &[
                ("max_connections", "100"),
                ("cluster_name", slot),
                // A promoted replica has no slots for its followers.
                ("wal_keep_size", "256MB"),
            ],
            settings,
            postgres_flag
        )
    )
}

/// The node name is fixed, because RabbitMQ does not use the data directory of a node with another
/// name. The Erlang flags stop idle schedulers from spinning, which takes processor time from
/// others. `ulimit` is low because Erlang allocates a table entry per possible file, and Docker's
/// default limit is about a billion.
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

/// The flags: all defaults that no setting replaces, then the settings.
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

/// Quotes a word for the shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_replaces_its_default_and_is_quoted() {
        let settings = [("save".to_owned(), "60 1; rm -rf /".to_owned())];
        let script = start_script(Service::Redis, &settings);
        assert!(script.ends_with("--save '60 1; rm -rf /'"), "{script}");
        assert_eq!(script.matches("--save").count(), 1, "{script}");
    }
}
