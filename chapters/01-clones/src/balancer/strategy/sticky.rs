//! Sticky sessions: a visitor's first clone is told to the browser in a cookie, and gets all that visitor's later requests.
//!
//! It makes clones that remember things look right: the login is always there, because the visitor always meets the clone that
//! has it. The lesson refutes it. When a clone dies, its share of all logins dies with it; a rolling deploy kills every clone
//! once; a new clone gets no visitor who is already here, so it cannot take load off the others; and whoever has much to do stays
//! where many are. Shared sessions need none of this.
//!
//! Left out: signing the cookie. A visitor can choose a clone with it, and that must not matter. It holds a hash, so that it does not
//! tell the clones' names.

use cookie::{Cookie, SameSite};
use http::HeaderValue;
use http::header::COOKIE;
use xxhash_rust::xxh3::xxh3_64;

use super::{Candidate, RoundRobin, Strategy, Visit};

/// The name of the cookie.
pub const STICKY_COOKIE: &str = "clone";

/// Picks the clone in the cookie; for who has none, or one of a clone that is not there, whose turn it is.
#[derive(Debug, Default)]
pub struct Sticky {
    newcomers: RoundRobin,
}

impl Strategy for Sticky {
    fn pick(&mut self, candidates: &[Candidate<'_>], visit: &Visit<'_>) -> usize {
        let known =
            cookie(visit).and_then(|tag| candidates.iter().position(|one| tag_of(one.name) == tag));
        known.unwrap_or_else(|| self.newcomers.pick(candidates, visit))
    }

    fn cookie(&self, clone: &str, visit: &Visit<'_>) -> Option<HeaderValue> {
        let tag = tag_of(clone);
        if cookie(visit).is_some_and(|known| known == tag) {
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

fn tag_of(clone: &str) -> String {
    format!("{:016x}", xxh3_64(clone.as_bytes()))
}

/// What the visitor's cookie says.
fn cookie(visit: &Visit<'_>) -> Option<String> {
    let values = visit
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut cookies = values.flat_map(Cookie::split_parse).flatten();
    let ours = cookies.find(|cookie| cookie.name() == STICKY_COOKIE)?;
    Some(ours.value().to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::testing::{candidates, few_cases};
    use super::*;

    /// A browser with this cookie asks: who answers, and what does the browser keep?
    fn ask(strategy: &mut Sticky, fleet: &[Candidate<'_>], jar: &mut HeaderMap) -> u64 {
        let visit = |headers| Visit { path: "/", headers };
        let picked = fleet[strategy.pick(fleet, &visit(jar))];
        if let Some(set) = strategy.cookie(picked.name, &visit(jar)) {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            jar.insert(COOKIE, pair.parse().unwrap());
        }
        picked.id
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn a_visitor_stays_with_the_first_clone_until_it_goes_and_then_with_another(
            clones in 2_usize..9,
            visitors in 1_usize..40,
        ) {
            let (mut strategy, mut fleet) = (Sticky::default(), candidates(clones));
            let mut jars = vec![HeaderMap::new(); visitors];
            let first: Vec<u64> = jars.iter_mut().map(|jar| ask(&mut strategy, &fleet, jar)).collect();
            for _ in 0..3 {
                let again: Vec<u64> = jars.iter_mut().map(|jar| ask(&mut strategy, &fleet, jar)).collect();
                prop_assert_eq!(&again, &first, "a visitor met another clone: is the cookie set, and read?");
            }

            let gone = fleet.remove(0).id;
            let after: Vec<u64> = jars.iter_mut().map(|jar| ask(&mut strategy, &fleet, jar)).collect();
            let lost = first.iter().filter(|clone| **clone == gone).count();
            prop_assert_eq!(lost, visitors.div_ceil(clones), "about one visitor in {} has to log in again", clones);
            for (before, after) in first.iter().zip(&after) {
                prop_assert!(before == after || *before == gone);
            }
        }

        #[test]
        fn a_forged_cookie_is_as_good_as_none(value in "[ -~]{0,40}") {
            let (mut strategy, fleet) = (Sticky::default(), candidates(3));
            let mut jar = HeaderMap::new();
            jar.insert(COOKIE, format!("{STICKY_COOKIE}={value}").parse().unwrap());
            prop_assert!(ask(&mut strategy, &fleet, &mut jar) < 3);
        }
    }
}
