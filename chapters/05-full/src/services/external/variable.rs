//! The form of an environment variable that names servers: one address, or several between commas.
//!
//! An error says which variable is wrong, what was expected, what came, and what to do. It shows no
//! address, because an address may contain a password.

use std::ffi::OsString;

/// The longest `CACHE_PREFIX`, in bytes. Memcached's keys are short, and the prefix is a part.
const MAX_PREFIX_BYTES: usize = 100;

/// Why the value of a variable cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariable {
    /// The value is not text.
    #[error("{0} is not valid UTF-8; set it again, with special characters as %XX")]
    NotUnicode(&'static str),
    /// A variable for one server names several.
    #[error(
        "{name} takes one address ({expected}), and it has {came}; keep the address of one server"
    )]
    Several {
        /// The variable.
        name: &'static str,
        /// How many addresses or hosts it has.
        came: String,
        /// How to write its address.
        expected: &'static str,
    },
    /// An address has a space or a line break inside.
    #[error(
        "address {number} of {name} has a space inside; expected {expected}. Put a comma between \
         addresses, and write a space in a password as %20"
    )]
    Space {
        /// The variable.
        name: &'static str,
        /// The position of the address, from 1.
        number: usize,
        /// How to write an address.
        expected: &'static str,
    },
    /// An address begins with the scheme of another server, or with none.
    #[error(
        "address {number} of {name} begins with {came}; expected {expected}. A comma separates \
         addresses, so write a comma in a password as %2C"
    )]
    Scheme {
        /// The variable.
        name: &'static str,
        /// The position of the address, from 1.
        number: usize,
        /// The scheme that came.
        came: String,
        /// How to write an address.
        expected: &'static str,
    },
    /// `CACHE_PREFIX` cannot begin the key of a cache.
    #[error(
        "CACHE_PREFIX takes at most {MAX_PREFIX_BYTES} printable ASCII characters without a space, \
         and it is {0:?}; choose another one, such as `store:`"
    )]
    Prefix(String),
}

/// How the address of a kind of server is written.
pub(super) struct AddressForm {
    schemes: &'static [&'static str],
    /// Whether `HOST:PORT` alone is an address too.
    may_omit_scheme: bool,
    example: &'static str,
}

pub(super) const POSTGRES: AddressForm = AddressForm {
    schemes: &["postgres", "postgresql"],
    may_omit_scheme: false,
    example: "postgres://USER:PASSWORD@HOST:5432/DATABASE",
};

/// Without TLS, which the store's clients of Redis and RabbitMQ leave out.
pub(super) const REDIS: AddressForm = AddressForm {
    schemes: &["redis", "valkey", "unix", "redis+unix", "valkey+unix"],
    may_omit_scheme: false,
    example: "redis://HOST:6379",
};

pub(super) const AMQP: AddressForm = AddressForm {
    schemes: &["amqp"],
    may_omit_scheme: false,
    example: "amqp://USER:PASSWORD@HOST:5672/%2f",
};

pub(super) const MEMCACHED: AddressForm = AddressForm {
    schemes: &["memcache"],
    may_omit_scheme: true,
    example: "memcache://HOST:11211",
};

/// The text of a variable. `None` if it is not set or empty.
pub(super) fn text(
    name: &'static str,
    value: Option<impl Into<OsString>>,
) -> Result<Option<String>, InvalidVariable> {
    let Some(value) = value else {
        return Ok(None);
    };
    let text = value.into().into_string();
    let text = text.map_err(|_| InvalidVariable::NotUnicode(name))?;
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// The addresses of several servers. Spaces around an address and empty places are ignored.
pub(super) fn several(
    name: &'static str,
    text: &str,
    form: &AddressForm,
) -> Result<Vec<String>, InvalidVariable> {
    let addresses = text.split(',').map(str::trim);
    let addresses = addresses.filter(|address| !address.is_empty()).enumerate();
    let checked = addresses.map(|(index, address)| {
        check(name, index + 1, address, form)?;
        Ok(address.to_owned())
    });
    checked.collect()
}

/// The address of one server. `None` if there is none. A password may contain a comma.
pub(super) fn one(
    name: &'static str,
    text: &str,
    form: &AddressForm,
) -> Result<Option<String>, InvalidVariable> {
    let is_separator = |c: char| c == ',' || c.is_whitespace();
    let address = text.trim_matches(is_separator);
    if address.is_empty() {
        return Ok(None);
    }
    let too_many = |came| InvalidVariable::Several {
        name,
        came,
        expected: form.example,
    };
    let parts = address.split(is_separator);
    let addresses = parts.filter(|part| scheme(part).is_some()).count();
    if addresses > 1 {
        return Err(too_many(format!("{addresses} addresses")));
    }
    check(name, 1, address, form)?;
    if hosts(address) > 1 {
        return Err(too_many(format!("{} hosts", hosts(address))));
    }
    Ok(Some(address.to_owned()))
}

/// The prefix of all keys in the cache.
pub(super) fn prefix(text: String) -> Result<String, InvalidVariable> {
    let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > MAX_PREFIX_BYTES || !is_printable {
        return Err(InvalidVariable::Prefix(text));
    }
    Ok(text)
}

fn check(
    name: &'static str,
    number: usize,
    address: &str,
    form: &AddressForm,
) -> Result<(), InvalidVariable> {
    let expected = form.example;
    if address.contains(char::is_whitespace) {
        return Err(InvalidVariable::Space {
            name,
            number,
            expected,
        });
    }
    let scheme = scheme(address);
    let is_known = scheme.map_or(form.may_omit_scheme, |scheme| {
        form.schemes.contains(&scheme)
    });
    if is_known {
        return Ok(());
    }
    Err(InvalidVariable::Scheme {
        name,
        number,
        came: scheme.map_or("no scheme".to_owned(), |scheme| format!("{scheme}://")),
        expected,
    })
}

/// The text before `://`, if it has the form of a scheme (RFC 3986, section 3.1).
fn scheme(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

/// The number of hosts between the password and the path. The client of PostgreSQL's own library
/// accepts several; the store does not.
fn hosts(address: &str) -> usize {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    hosts.split(',').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_server() {
        for (text, form, expected) in [
            ("postgres://h/db", &POSTGRES, Ok(Some("postgres://h/db"))),
            (" postgresql://h,\n", &POSTGRES, Ok(Some("postgresql://h"))),
            (
                "postgres://u:s3cr,et@h/db",
                &POSTGRES,
                Ok(Some("postgres://u:s3cr,et@h/db")),
            ),
            ("redis://h:6379/0", &REDIS, Ok(Some("redis://h:6379/0"))),
            ("", &REDIS, Ok(None)),
            (" , ,", &POSTGRES, Ok(None)),
            ("postgres://a,postgres://b", &POSTGRES, Err("2 addresses")),
            ("postgres://a, redis://b,", &POSTGRES, Err("2 addresses")),
            ("postgres://a postgres://b", &POSTGRES, Err("2 addresses")),
            ("postgres://a:1,b:2/db", &POSTGRES, Err("2 hosts")),
            ("postgres://u@a,b,c", &POSTGRES, Err("3 hosts")),
            (
                "postgres://u:s3cr et@h",
                &POSTGRES,
                Err("has a space inside"),
            ),
            ("mysql://h/db", &POSTGRES, Err("begins with mysql://")),
            ("h:5432/db", &POSTGRES, Err("begins with no scheme")),
            ("http://s3cr://h", &REDIS, Err("begins with http://")),
            ("u:s3cr@h://", &REDIS, Err("begins with no scheme")),
            ("rediss://h", &REDIS, Err("expected redis://HOST:6379")),
            ("amqps://h", &AMQP, Err("expected amqp://")),
        ] {
            let found = one("X_URL", text, form);
            compare(text, found.as_ref().map(Option::as_deref), expected);
        }
    }

    #[test]
    fn lists_ignore_empty_places_only() {
        for (text, form, expected) in [
            ("", &POSTGRES, Ok(vec![])),
            (" , ", &POSTGRES, Ok(vec![])),
            (
                "postgres://a ,, postgres://b,",
                &POSTGRES,
                Ok(vec!["postgres://a", "postgres://b"]),
            ),
            (
                "memcache://a:1,b:2",
                &MEMCACHED,
                Ok(vec!["memcache://a:1", "b:2"]),
            ),
            (
                "postgres://a postgres://b",
                &POSTGRES,
                Err("address 1 of X_URL has a space"),
            ),
            (
                "postgres://a,mysql://b",
                &POSTGRES,
                Err("address 2 of X_URL begins with mysql://"),
            ),
            (
                "postgres://u:s3cr,et@h",
                &POSTGRES,
                Err("write a comma in a password as %2C"),
            ),
            ("redis://a", &MEMCACHED, Err("begins with redis://")),
        ] {
            let found = several("X_URL", text, form);
            let found = found
                .as_ref()
                .map(|found| found.iter().map(String::as_str).collect());
            compare(text, found, expected);
        }
    }

    #[test]
    fn cache_prefix_fits_every_cache() {
        for (text, is_valid) in [
            ("store:", true),
            (&"x".repeat(100), true),
            (&"x".repeat(101), false),
            ("my store", false),
            ("läden:", false),
        ] {
            assert_eq!(prefix(text.to_owned()).is_ok(), is_valid, "{text:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn text_is_unicode_and_not_empty() {
        use std::os::unix::ffi::OsStringExt;
        let not_unicode = OsString::from_vec(b"redis://\xff".to_vec());
        let error = InvalidVariable::NotUnicode("X_URL");
        assert_eq!(text("X_URL", Some(not_unicode)), Err(error));
        for empty in [None, Some(""), Some(" \n")] {
            assert_eq!(text("X_URL", empty), Ok(None), "{empty:?}");
        }
    }

    /// Compares a result with the expected value, or with a part of the expected error.
    fn compare<T: PartialEq + std::fmt::Debug>(
        text: &str,
        found: Result<T, &InvalidVariable>,
        expected: Result<T, &str>,
    ) {
        match (found, expected) {
            (Err(error), Err(part)) => {
                let message = error.to_string();
                assert!(message.contains(part), "{text:?}: {message}");
                let shown = message.contains("s3cr");
                assert!(!shown, "{text:?}: the message shows the address: {message}");
            }
            (found, expected) => assert_eq!(found.ok(), expected.ok(), "{text:?}"),
        }
    }
}
