//! Rendezvous hashing with bounded load: the same path goes to the same clone, as long as that
//! clone is not overloaded.
//!
//! This suits clones with a cache in memory. With `hash(path) % clones`, nearly all paths move to
//! another clone when one clone leaves, and all caches are empty at once. *Rendezvous* hashing
//! (Thaler and Ravishankar, 1998) computes a score for each pair of path and clone, and the highest
//! score wins. When a clone leaves, only its own paths move, each to the clone with the next best
//! score.
//!
//! One popular path could still overload one clone. So a clone may have at most 1.25 times the mean
//! load, rounded up. Other requests go to the next best clone (Mirrokni, Thorup and Zadimoghaddam,
//! "Consistent Hashing with Bounded Loads", 2016; HAProxy's `hash-balance-factor`).
//!
//! Left out: a hash ring or a table (Maglev). With dozens of clones, computing all scores is
//! faster.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::candidate::{Candidate, RequestInfo};
use super::interface::Strategy;

/// The maximum load of a clone, compared with the mean.
const MAX_LOAD_FACTOR: f64 = 1.25;

/// Picks by path. It hashes the names of the clones, so all balancers make the same choice, also
/// after a restart.
#[derive(Debug, Default)]
pub struct Rendezvous;

impl Strategy for Rendezvous {
    fn pick(&mut self, candidates: &[Candidate<'_>], request: &RequestInfo<'_>) -> usize {
        let weights: f64 = candidates
            .iter()
            .map(|candidate| f64::from(candidate.weight))
            .sum();
        // All requests in flight, and the new one.
        let requests = 1 + candidates.iter().map(|one| one.in_flight).sum::<usize>();
        let has_room = |candidate: &Candidate<'_>| {
            let mean = requests as f64 * f64::from(candidate.weight) / weights;
            ((candidate.in_flight + 1) as f64) <= (MAX_LOAD_FACTOR * mean).ceil()
        };
        let score_at = |position: &usize| score(request.path, &candidates[*position]);
        let best = (0..candidates.len())
            .filter(|position| has_room(&candidates[*position]))
            .max_by(|a, b| score_at(a).total_cmp(&score_at(b)));
        best.expect("not all clones can exceed the mean load")
    }
}

/// The score of a pair of path and clone. `-weight / ln(u)`, with u between 0 and 1, wins in
/// proportion to the weight (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables",
/// 2005).
fn score(path: &str, clone: &Candidate<'_>) -> f64 {
    let seed = xxh3_64_with_seed(clone.name.as_bytes(), 0);
    // A float holds 53 bits. The half keeps u away from 0 and 1.
    let hash = (xxh3_64_with_seed(path.as_bytes(), seed) >> 11) as f64 + 0.5;
    -f64::from(clone.weight) / (hash / (1_u64 << 53) as f64).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::test_support::{candidates, few_cases, request_info};
    use super::*;

    /// The id of the clone that gets each path, for `paths` paths.
    fn owners(clones: &[Candidate<'_>], paths: usize) -> Vec<u64> {
        let owner = |n: usize| {
            let path = format!("/games/{n}");
            clones[Rendezvous.pick(clones, &request_info(&path))].id
        };
        (0..paths).map(owner).collect()
    }

    #[test]
    fn leaving_clone_moves_only_its_paths() {
        const PATHS: usize = 100_000;
        for count in [3, 5, 10] {
            let mut clones = candidates(count);
            let before = owners(&clones, PATHS);
            let removed = clones.remove(1).id;
            let after = owners(&clones, PATHS);
            let moved_from: Vec<u64> = before
                .iter()
                .zip(&after)
                .filter(|(old, new)| old != new)
                .map(|(old, _)| *old)
                .collect();
            assert!(
                moved_from.iter().all(|old| *old == removed),
                "paths of clones that stayed have moved"
            );
            let fair = PATHS as f64 / count as f64;
            let ratio = moved_from.len() as f64 / fair;
            assert!(
                ratio <= 1.05,
                "one of {count} clones left, and {ratio} times its fair share of paths moved: is \
                 every clone as likely to win?"
            );

            // For comparison: `hash % clones`.
            let modulo =
                |n: &usize, clones: usize| xxh3_64_with_seed(&n.to_le_bytes(), 0) as usize % clones;
            let moved = (0..PATHS)
                .filter(|n| modulo(n, count) != modulo(n, count - 1))
                .count();
            assert!(
                moved as f64 > 1.8 * fair,
                "`hash % clones` moved only {moved} of {PATHS}, so this test proves nothing"
            );
        }
    }

    #[test]
    fn paths_follow_weights() {
        let mut clones = candidates(3);
        clones[2].weight = 2;
        let heavy = clones[2].id;
        let owned = owners(&clones, 40_000)
            .into_iter()
            .filter(|owner| *owner == heavy)
            .count();
        assert!(
            (19_000..21_000).contains(&owned),
            "the clone has weight 2 of 4, but gets {owned} of 40000 paths"
        );
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn no_clone_gets_more_than_its_bound(
            clones in 1_usize..20,
            // Few paths, so that some of them are very popular.
            paths in proptest::collection::vec(0_u8..6, 500..2_000),
        ) {
            let mut set = candidates(clones);
            for (number, path) in (1_usize..).zip(&paths) {
                let path = format!("/games/{path}");
                let picked = Rendezvous.pick(&set, &request_info(&path));
                set[picked].in_flight += 1;
                let highest = set.iter().map(|clone| clone.in_flight).max().unwrap();
                let bound = (MAX_LOAD_FACTOR * number as f64 / clones as f64).ceil();
                prop_assert!(
                    highest as f64 <= bound,
                    "request {number}: {highest} on one clone, and the bound is {bound}"
                );
            }
        }

        #[test]
        fn idle_clones_keep_their_paths(path in "/[a-z]{0,12}", clones in 1_usize..20) {
            let set = candidates(clones);
            let first = Rendezvous.pick(&set, &request_info(&path));
            prop_assert!((0..20).all(|_| Rendezvous.pick(&set, &request_info(&path)) == first));
            // A balancer that has the clones in another order must pick the same one.
            let mut reversed = set.clone();
            reversed.reverse();
            let picked = reversed[Rendezvous.pick(&reversed, &request_info(&path))].id;
            prop_assert_eq!(picked, set[first].id);
        }
    }
}
