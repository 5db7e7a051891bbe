//! The settings of retries, and which requests are safe to retry.

use http::request::Parts;
use http::{HeaderName, Method};
use serde::Deserialize;

/// A server does the work of all requests with the same key only once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How often one request is sent, and how many requests are retried.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often one request is sent at most, the first attempt included. 1 switches retries off.
    #[serde(alias = "sends")]
    pub max_attempts: u32,
    /// Retries as a part of all requests, over ten seconds. 0.2 is one retry for five requests.
    pub budget: f64,
    /// This many retries in ten seconds are always allowed. Otherwise a shop with one customer
    /// could never retry.
    #[serde(alias = "at_least")]
    pub min_retries: u64,
}

impl Default for RetryPolicy {
    /// 2 attempts; retries for a fifth of all requests, but always 10 in ten seconds.
    fn default() -> Self {
        RetryPolicy {
            max_attempts: 2,
            budget: 0.2,
            min_retries: 10,
        }
    }
}

// ANCHOR: repeat
/// Whether sending the request twice has the same effect as sending it once.
pub(super) fn is_idempotent(head: &Parts) -> bool {
    match head.method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => true,
        _ => head
            .headers
            .get(IDEMPOTENCY_KEY)
            .is_some_and(|key| !key.is_empty()),
    }
}
// ANCHOR_END: repeat

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_idempotent_requests_are_safe_to_retry() {
        let head = |method: Method, key: Option<&str>| {
            let mut request = Request::builder().method(method);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            request.body(()).unwrap().into_parts().0
        };
        for method in [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
        ] {
            assert!(
                is_idempotent(&head(method.clone(), None)),
                "{method} is idempotent"
            );
        }
        for method in [
            Method::POST,
            Method::PATCH,
            Method::from_bytes(b"BUY").unwrap(),
        ] {
            assert!(
                !is_idempotent(&head(method.clone(), None)),
                "two {method} requests may be two orders"
            );
            assert!(
                !is_idempotent(&head(method.clone(), Some(""))),
                "an empty key is no key"
            );
            assert!(
                is_idempotent(&head(method.clone(), Some("7f3a"))),
                "with a key, {method} is safe"
            );
        }
    }
}
