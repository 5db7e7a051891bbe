//! The addresses of the servers, from the environment. Compose, Kubernetes and managed services
//! pass them to a program in this way.

use std::ffi::OsString;
use std::fmt;

use super::variable::{
    AMQP, AddressForm, InvalidVariable, MEMCACHED, POSTGRES, REDIS, one, prefix, several, text,
};

/// The URLs of all servers of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `DATABASE_URL`: the PostgreSQL primary with the catalogue and the jobs.
    pub database: String,
    /// `REPLICA_URLS`, separated by commas: the replicas of the primary. May be empty.
    pub replicas: Vec<String>,
    /// Where the orders are.
    pub orders: OrderAddresses,
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

/// The databases of the orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAddresses {
    /// `SHARD_URLS`, separated by commas: one database for each shard. Their order must never
    /// change.
    Shards(Vec<String>),
    /// `CITUS_URL`: the coordinator of a Citus cluster, which shards by itself.
    Citus(String),
}

/// Why the environment does not name the servers of a store.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddresses {
    /// These variables are not set.
    #[error(
        "`--services external` reads the addresses of the servers from the environment, and these \
         variables are not set: {}. Example: DATABASE_URL=postgres://USER@HOST:5432/DATABASE \
         SHARD_URLS=postgres://…,postgres://… REDIS_URL=redis://HOST:6379 \
         AMQP_URL=amqp://USER:PASSWORD@HOST:5672/%2f; \
         optional: REPLICA_URLS=… and MEMCACHED_URLS=memcache://HOST:11211,…; \
         CITUS_URL=postgres://… replaces SHARD_URLS",
        .0.join(", ")
    )]
    Missing(Vec<&'static str>),
    /// Both `SHARD_URLS` and `CITUS_URL` are set.
    #[error(
        "SHARD_URLS and CITUS_URL are both set, but the orders are in one place only; unset \
         CITUS_URL if the store's own shards have them, or SHARD_URLS if a Citus cluster has them"
    )]
    ShardsAndCitus,
    /// The value of a variable cannot be used.
    #[error(transparent)]
    Variable(#[from] InvalidVariable),
}

impl Addresses {
    /// Reads the environment of this process.
    pub fn from_env() -> Result<Addresses, InvalidAddresses> {
        Addresses::from_variables(std::env::var_os)
    }

    /// Reads the variables from another source. An empty variable counts as not set.
    pub fn from_variables<V: Into<OsString>>(
        variable: impl Fn(&'static str) -> Option<V>,
    ) -> Result<Addresses, InvalidAddresses> {
        let list = |name, form| {
            let text = text(name, variable(name))?.unwrap_or_default();
            several(name, &text, form)
        };
        let single = |name, form: &AddressForm| {
            let text = text(name, variable(name))?.unwrap_or_default();
            one(name, &text, form)
        };
        let mut missing = Vec::new();
        let mut required = |name, form| {
            let url = single(name, form)?;
            Ok::<_, InvalidVariable>(url.unwrap_or_else(|| {
                missing.push(name);
                String::new()
            }))
        };
        let (database, redis, amqp) = (
            required("DATABASE_URL", &POSTGRES)?,
            required("REDIS_URL", &REDIS)?,
            required("AMQP_URL", &AMQP)?,
        );
        let shards = list("SHARD_URLS", &POSTGRES)?;
        let orders = match (shards.is_empty(), single("CITUS_URL", &POSTGRES)?) {
            (false, Some(_)) => return Err(InvalidAddresses::ShardsAndCitus),
            (true, Some(coordinator)) => OrderAddresses::Citus(coordinator),
            (is_missing, None) => {
                if is_missing {
                    missing.push("SHARD_URLS");
                }
                OrderAddresses::Shards(shards)
            }
        };
        let cache_prefix = text("CACHE_PREFIX", variable("CACHE_PREFIX"))?;
        let addresses = Addresses {
            database,
            replicas: list("REPLICA_URLS", &POSTGRES)?,
            orders,
            redis,
            memcached: list("MEMCACHED_URLS", &MEMCACHED)?,
            cache_prefix: prefix(cache_prefix.unwrap_or_else(|| "store:".to_owned()))?,
            amqp,
        };
        if missing.is_empty() {
            Ok(addresses)
        } else {
            Err(InvalidAddresses::Missing(missing))
        }
    }

    /// The variables that pass these addresses to a child process.
    pub fn to_env(&self) -> [(&'static str, String); 8] {
        // An empty variable counts as not set, whatever the parent's environment contains.
        let (shards, citus) = match &self.orders {
            OrderAddresses::Shards(shards) => (shards.join(","), String::new()),
            OrderAddresses::Citus(coordinator) => (String::new(), coordinator.clone()),
        };
        [
            ("DATABASE_URL", self.database.clone()),
            ("REPLICA_URLS", self.replicas.join(",")),
            ("SHARD_URLS", shards),
            ("CITUS_URL", citus),
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
        let replicas = self.replicas.len();
        let orders = match &self.orders {
            OrderAddresses::Shards(shards) => format!("{} shards", shards.len()),
            OrderAddresses::Citus(_) => "orders on Citus".to_owned(),
        };
        let cache = match self.memcached.len() {
            0 => " and the cache".to_owned(),
            nodes => format!(", {nodes} Memcached"),
        };
        write!(
            f,
            "PostgreSQL with {replicas} replicas and {orders}, \
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
        let shards = ["postgres://b", "postgres://c"].map(str::to_owned);
        assert_eq!(addresses.orders, OrderAddresses::Shards(shards.to_vec()));
        assert!(addresses.replicas.is_empty() && addresses.memcached.is_empty());
    }

    #[test]
    fn citus_replaces_the_shards() {
        let with_citus = |name: &str| match name {
            "CITUS_URL" => Some("postgres://coordinator".to_owned()),
            name => complete(name),
        };
        assert_eq!(
            Addresses::from_variables(with_citus),
            Err(InvalidAddresses::ShardsAndCitus)
        );
        let only_citus = |name: &str| with_citus(name).filter(|_| name != "SHARD_URLS");
        let addresses = Addresses::from_variables(only_citus).unwrap();
        let expected = OrderAddresses::Citus("postgres://coordinator".to_owned());
        assert_eq!(addresses.orders, expected);
        assert_eq!(reads_from_child(&addresses), Ok(addresses));
    }

    #[test]
    fn every_variable_is_checked() {
        for (variable, value, expected) in [
            ("DATABASE_URL", "postgres://a,postgres://b", "2 addresses"),
            ("CITUS_URL", "postgres://a,postgres://b", "2 addresses"),
            ("REDIS_URL", "redis://a,redis://b", "2 addresses"),
            ("AMQP_URL", "amqp://a,amqp://b", "2 addresses"),
            ("REPLICA_URLS", "postgres://a postgres://b", "a space"),
            ("SHARD_URLS", "redis://a", "redis://"),
            ("MEMCACHED_URLS", "a:1,http://b", "address 2"),
            ("CACHE_PREFIX", "my store", "without a space"),
            ("DATABASE_URL", " ", "not set: DATABASE_URL"),
            ("SHARD_URLS", ",", "not set: SHARD_URLS"),
        ] {
            let read = Addresses::from_variables(|name| {
                let value = (name == variable).then(|| value.to_owned());
                let is_left_out = variable == "CITUS_URL" && name == "SHARD_URLS";
                value.or_else(|| complete(name).filter(|_| !is_left_out))
            });
            let message = read.unwrap_err().to_string();
            assert!(
                message.contains(variable) && message.contains(expected),
                "{variable}={value}: {message}"
            );
        }
        let empty = |name: &str| complete(name).or_else(|| Some(String::new()));
        let addresses = Addresses::from_variables(empty).unwrap();
        assert_eq!(addresses.cache_prefix, "store:");
    }

    #[test]
    fn child_process_reads_the_same_addresses() {
        let addresses = Addresses::from_variables(complete).unwrap();
        assert_eq!(reads_from_child(&addresses), Ok(addresses));
    }

    /// What a child process with these variables reads.
    fn reads_from_child(addresses: &Addresses) -> Result<Addresses, InvalidAddresses> {
        let env = addresses.to_env();
        Addresses::from_variables(|name| {
            env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone())
        })
    }
}
