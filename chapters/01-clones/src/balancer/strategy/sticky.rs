//! Sticky sessions: a cookie names the first clone that a browser got, and later requests with the
//! cookie go to that clone.
//!
//! Sticky sessions hide that clones keep sessions in memory. This chapter shows the costs: when a
//! clone dies, all its sessions are lost; a rolling deploy stops every clone once; a new clone gets
//! no load of existing users; and busy users stay together on one clone. Shared sessions have none
//! of these problems.
//!
//! Left out: signing the cookie. A client can choose its clone with a forged cookie, which is
//! harmless. The cookie holds a hash, so it does not reveal the names of the clones.

use cookie::{Cookie, SameSite};
use http::HeaderValue;
use xxhash_rust::xxh3::xxh3_64;

use super::candidate::{Candidate, RequestInfo};
use super::interface::Strategy;
use super::round_robin::RoundRobin;
use crate::web::header_list::cookie_values;

/// The name of the cookie.
pub const STICKY_COOKIE: &str = "clone";

/// Picks the clone that the cookie names, or the next one in turn if there is no such clone.
#[derive(Debug, Default)]
pub struct Sticky {
    fallback: RoundRobin,
}

impl Strategy for Sticky {
    fn pick(&mut self, candidates: &[Candidate<'_>], request: &RequestInfo<'_>) -> usize {
        let known = cookie_tag(request).and_then(|tag| {
            candidates
                .iter()
                .position(|candidate| clone_tag(candidate.name) == tag)
        });
        known.unwrap_or_else(|| self.fallback.pick(candidates, request))
    }

    fn cookie(&self, clone: &str, request: &RequestInfo<'_>) -> Option<HeaderValue> {
        let tag = clone_tag(clone);
        if cookie_tag(request).is_some_and(|known| known == tag) {
            return None;
        }
        let cookie = Cookie::build((STICKY_COOKIE, tag))
            .path("/")
            .http_only(true);
        let cookie = cookie.same_site(SameSite::Lax).to_string();
        Some(
            HeaderValue::try_from(cookie)
                .expect("hexadecimal digits and attribute names are ASCII"),
        )
    }
}

/// The value of the cookie for the clone of this name.
fn clone_tag(name: &str) -> String {
    format!("{:016x}", xxh3_64(name.as_bytes()))
}

/// The value of the request's cookie.
fn cookie_tag(request: &RequestInfo<'_>) -> Option<String> {
    cookie_values(request.headers, STICKY_COOKIE).next()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::COOKIE;
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::test_support::{candidates, few_cases};
    use super::*;

    /// Sends a request with a browser's cookies, and stores the cookie of the response. Returns the
    /// id of the clone.
    fn send(strategy: &mut Sticky, clones: &[Candidate<'_>], jar: &mut HeaderMap) -> u64 {
        let request = |headers| RequestInfo { path: "/", headers };
        let picked = clones[strategy.pick(clones, &request(jar))];
        if let Some(set) = strategy.cookie(picked.name, &request(jar)) {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            jar.insert(COOKIE, pair.parse().unwrap());
        }
        picked.id
    }

    #[test]
    fn foreign_cookie_loses_no_clone() {
        let (mut strategy, clones) = (Sticky::default(), candidates(3));
        let mut jar = HeaderMap::new();
        let first = send(&mut strategy, &clones, &mut jar);
        let pair = jar[COOKIE].as_bytes();
        for line in [[pair, b"; theme=caf\xe9"], [b"theme=caf\xe9; ", pair]] {
            let mut jar = HeaderMap::new();
            jar.insert(COOKIE, HeaderValue::from_bytes(&line.concat()).unwrap());
            for _ in 0..3 {
                assert_eq!(send(&mut strategy, &clones, &mut jar), first);
            }
        }
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn browser_stays_until_its_clone_leaves(
            clones in 2_usize..9,
            browsers in 1_usize..40,
        ) {
            let (mut strategy, mut clones) = (Sticky::default(), candidates(clones));
            let count = clones.len();
            let mut jars = vec![HeaderMap::new(); browsers];
            let first: Vec<u64> =
                jars.iter_mut().map(|jar| send(&mut strategy, &clones, jar)).collect();
            for _ in 0..3 {
                let next: Vec<u64> =
                    jars.iter_mut().map(|jar| send(&mut strategy, &clones, jar)).collect();
                prop_assert_eq!(
                    &next, &first,
                    "a browser got another clone: is the cookie set, and read?"
                );
            }

            let removed = clones.remove(0).id;
            let after: Vec<u64> =
                jars.iter_mut().map(|jar| send(&mut strategy, &clones, jar)).collect();
            let lost = first.iter().filter(|clone| **clone == removed).count();
            prop_assert_eq!(
                lost, browsers.div_ceil(count),
                "about one user in {} has to log in again", count
            );
            for (before, after) in first.iter().zip(&after) {
                prop_assert!(
                    before == after || *before == removed,
                    "a browser of a clone that stayed got another clone"
                );
            }
        }

        #[test]
        fn forged_cookie_is_ignored(value in "[ -~]{0,40}") {
            let (mut strategy, clones) = (Sticky::default(), candidates(3));
            let mut jar = HeaderMap::new();
            jar.insert(COOKIE, format!("{STICKY_COOKIE}={value}").parse().unwrap());
            prop_assert!(send(&mut strategy, &clones, &mut jar) < 3);
        }
    }
}
