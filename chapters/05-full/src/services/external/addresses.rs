//! The addresses of the servers, from the environment. Compose, Kubernetes and managed services
//! pass them to a program in this way.

use std::fmt;

/// The URLs of all servers of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `DATABASE_URL`: the PostgreSQL primary with the catalogue and the jobs.
    pub database: String,
    /// `REPLICA_URLS`, separated by commas: the replicas of the primary. May be empty.
    pub replicas: Vec<String>,
    /// `SHARD_URLS`, separated by commas: one database for each shard of the orders. Their order
    /// must never change.
    pub shards: Vec<String>,
    /// `REDIS_URL`: the sessions, and the product cache if there is no Memcached.
    pub redis: String,
    /// `MEMCACHED_URLS`, separated by commas: the nodes of the product cache. May be empty.
    pub memcached: Vec<String>,
    /// `CACHE_PREFIX`: the prefix of all cache keys. It lets several stores share the servers.
    /// Default: `store:`.
    pub cache_prefix: String,
    /// `AMQP_URL`: the RabbitMQ broker.
    pub amqp: String,
}

/// The names of all variables that are missing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`--services external` reads the addresses of the servers from the environment, and these \
     variables are not set: {}. Example: DATABASE_URL=postgres://USER@HOST:5432/DATABASE \
     SHARD_URLS=postgres://…,postgres://… REDIS_URL=redis://HOST:6379 \
     AMQP_URL=amqp://USER:PASSWORD@HOST:5672/%2f; \
     optional: REPLICA_URLS=… and MEMCACHED_URLS=memcache://HOST:11211,…",
    variables.join(", ")
)]
pub struct MissingAddresses {
    variables: Vec<&'static str>,
}

impl Addresses {
    /// Reads the environment of this process.
    pub fn from_env() -> Result<Addresses, MissingAddresses> {
        Addresses::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the variables from another source.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Addresses, MissingAddresses> {
        let mut missing = Vec::new();
        let list = |name| -> Vec<String> {
            let text = variable(name).unwrap_or_default();
            let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
            urls.map(ToOwned::to_owned).collect()
        };
        let mut required = |name| {
            let url = variable(name)
                .map(|url| url.trim().to_owned())
                .filter(|url| !url.is_empty());
            url.unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let (database, redis, amqp) = (
            required("DATABASE_URL"),
            required("REDIS_URL"),
            required("AMQP_URL"),
        );
        let shards = list("SHARD_URLS");
        if shards.is_empty() {
            missing.push("SHARD_URLS");
        }
        if !missing.is_empty() {
            return Err(MissingAddresses { variables: missing });
        }
        Ok(Addresses {
            database,
            replicas: list("REPLICA_URLS"),
            shards,
            redis,
            memcached: list("MEMCACHED_URLS"),
            cache_prefix: variable("CACHE_PREFIX").unwrap_or_else(|| "store:".to_owned()),
            amqp,
        })
    }

    /// The variables that pass these addresses to a child process.
    pub fn to_env(&self) -> [(&'static str, String); 7] {
        [
            ("DATABASE_URL", self.database.clone()),
            ("REPLICA_URLS", self.replicas.join(",")),
            ("SHARD_URLS", self.shards.join(",")),
            ("REDIS_URL", self.redis.clone()),
            ("MEMCACHED_URLS", self.memcached.join(",")),
            ("CACHE_PREFIX", self.cache_prefix.clone()),
            ("AMQP_URL", self.amqp.clone()),
        ]
    }
}

/// How many servers of each kind. Shows no URL, because a URL may contain a password.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replicas, shards) = (self.replicas.len(), self.shards.len());
        let cache = match self.memcached.len() {
            0 => " and the cache".to_owned(),
            nodes => format!(", {nodes} Memcached"),
        };
        write!(
            f,
            "PostgreSQL with {replicas} replicas and {shards} shards, \
             Redis for sessions{cache}, RabbitMQ"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        let value = match name {
            "DATABASE_URL" => "postgres://a",
            "SHARD_URLS" => "postgres://b, postgres://c,",
            "REDIS_URL" => "redis://d",
            "AMQP_URL" => "amqp://e",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn error_names_all_missing_variables() {
        let error =
            Addresses::from_variables(|name| complete(name).filter(|_| name == "REDIS_URL"))
                .unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("not set: DATABASE_URL, AMQP_URL, SHARD_URLS."),
            "{message}"
        );
    }

    #[test]
    fn lists_are_comma_separated_and_may_be_empty() {
        let addresses = Addresses::from_variables(complete).unwrap();
        assert_eq!(addresses.shards, ["postgres://b", "postgres://c"]);
        assert!(addresses.replicas.is_empty() && addresses.memcached.is_empty());
    }

    #[test]
    fn child_process_reads_the_same_addresses() {
        let addresses = Addresses::from_variables(complete).unwrap();
        let env = addresses.to_env();
        let read = Addresses::from_variables(|name| {
            env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone())
        });
        assert_eq!(read, Ok(addresses));
    }
}
