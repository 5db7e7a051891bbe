//! Where the servers are, from the environment: what Compose, Kubernetes and the offers of managed services hand to a program.
//!
//! Left out: secrets in files. A URL in the environment can be read by whoever may look at the process.

use std::fmt;

/// Where every server of a store is, as URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `DATABASE_URL`: the PostgreSQL primary with the catalogue and the jobs.
    pub database: String,
    /// `REPLICA_URLS`, with commas between them; may be empty.
    pub replicas: Vec<String>,
    /// `SHARD_URLS`, with commas between them, always in the same order: one database for each shard of the orders.
    pub shards: Vec<String>,
    /// `REDIS_URL`: sessions, and the product cache if there is no Memcached.
    pub redis: String,
    /// `MEMCACHED_URLS`, with commas between them: the nodes of the product cache; may be empty.
    pub memcached: Vec<String>,
    /// `CACHE_PREFIX`: what the cache's keys begin with, so that several stores can share its servers; `store:` if it is not set.
    pub cache_prefix: String,
    /// `AMQP_URL`: the RabbitMQ broker.
    pub amqp: String,
}

/// What is missing, all of it at once.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`--services external` needs the addresses of the servers in the environment, and these are not set: {}. For instance \
     DATABASE_URL=postgres://USER@HOST:5432/DATABASE SHARD_URLS=postgres://…,postgres://… REDIS_URL=redis://HOST:6379 \
     AMQP_URL=amqp://USER:PASSWORD@HOST:5672/%2f, and if you like REPLICA_URLS=… and MEMCACHED_URLS=memcache://HOST:11211,…",
    missing.join(", ")
)]
pub struct AddressError {
    missing: Vec<&'static str>,
}

impl Addresses {
    /// Reads this process's environment.
    pub fn from_env() -> Result<Addresses, AddressError> {
        Addresses::from_variables(|name| std::env::var(name).ok())
    }

    /// The same from any source of variables.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Addresses, AddressError> {
        let mut missing = Vec::new();
        let list = |name| -> Vec<String> {
            let text = variable(name).unwrap_or_default();
            let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
            urls.map(ToOwned::to_owned).collect()
        };
        let mut one = |name| {
            let url = variable(name)
                .map(|url| url.trim().to_owned())
                .filter(|url| !url.is_empty());
            url.unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let (database, redis, amqp) = (one("DATABASE_URL"), one("REDIS_URL"), one("AMQP_URL"));
        let shards = list("SHARD_URLS");
        if shards.is_empty() {
            missing.push("SHARD_URLS");
        }
        if !missing.is_empty() {
            return Err(AddressError { missing });
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

    /// The variables that give these addresses to another process.
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

/// For people: how many of what. No URL, for it may hold a password.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replicas, shards) = (self.replicas.len(), self.shards.len());
        let cache = match self.memcached.len() {
            0 => " and the cache".to_owned(),
            nodes => format!(", {nodes} Memcached"),
        };
        write!(
            f,
            "PostgreSQL with {replicas} replicas and {shards} shards, Redis for sessions{cache}, RabbitMQ"
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
    fn everything_that_is_missing_is_named_at_once() {
        let error =
            Addresses::from_variables(|name| complete(name).filter(|_| name == "REDIS_URL"))
                .unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("not set: DATABASE_URL, AMQP_URL, SHARD_URLS."),
            "{said}"
        );
    }

    #[test]
    fn lists_have_commas_and_may_be_empty() {
        let addresses = Addresses::from_variables(complete).unwrap();
        assert_eq!(addresses.shards, ["postgres://b", "postgres://c"]);
        assert!(addresses.replicas.is_empty() && addresses.memcached.is_empty());
    }

    #[test]
    fn another_process_reads_what_this_one_hands_it() {
        let addresses = Addresses::from_variables(complete).unwrap();
        let env = addresses.to_env();
        let read = Addresses::from_variables(|name| {
            env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone())
        });
        assert_eq!(read, Ok(addresses));
    }
}
