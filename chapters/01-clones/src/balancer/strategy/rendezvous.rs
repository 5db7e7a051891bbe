//! Rendezvous hashing with bounded load: the same path goes to the same clone, as long as that clone has room.
//!
//! A clone with a cache in its memory serves best what it has served before. `hash(path) % clones` would do, until a clone
//! leaves: then nearly all paths move, and all caches are cold at once. *Rendezvous* hashing (Thaler and Ravishankar, 1998) draws a
//! number for each pair of path and clone, and the highest wins: when a clone leaves, only its own paths move, each to its
//! second best.
//!
//! One path that everybody wants would still melt one clone. So no clone may carry more than 1.25 times the mean, rounded up; what is
//! above goes to the next best (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016; HAProxy's
//! `hash-balance-factor`).
//!
//! Left out: a ring or a table (Maglev). With dozens of clones, drawing a number for each is faster than looking one up.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Candidate, Strategy, Visit};

/// How much more than the mean a clone may carry.
const BOUND: f64 = 1.25;

/// Picks by path. The clones' names are what is hashed, so two balancers agree, and a restart moves nothing.
#[derive(Debug, Default)]
pub struct Rendezvous;

impl Strategy for Rendezvous {
    fn pick(&mut self, candidates: &[Candidate<'_>], visit: &Visit<'_>) -> usize {
        let weights: f64 = candidates.iter().map(|one| f64::from(one.weight)).sum();
        // With the request that is being placed.
        let requests = 1 + candidates.iter().map(|one| one.in_flight).sum::<usize>();
        let has_room = |one: &Candidate<'_>| {
            let fair = requests as f64 * f64::from(one.weight) / weights;
            ((one.in_flight + 1) as f64) <= (BOUND * fair).ceil()
        };
        let best = (0..candidates.len())
            .filter(|position| has_room(&candidates[*position]))
            .max_by(|one, other| {
                score(visit.path, &candidates[*one])
                    .total_cmp(&score(visit.path, &candidates[*other]))
            });
        // If all were full, all would be above the mean.
        best.expect("somebody is not above the mean")
    }
}

/// The number that is drawn for this pair. `-weight / ln(u)`, with u between 0 and 1, wins in proportion to the weight
/// (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005).
fn score(path: &str, clone: &Candidate<'_>) -> f64 {
    let seed = xxh3_64_with_seed(clone.name.as_bytes(), 0);
    // The 53 highest bits are what a float can hold; half a step keeps u away from 0 and 1.
    let drawn = (xxh3_64_with_seed(path.as_bytes(), seed) >> 11) as f64 + 0.5;
    -f64::from(clone.weight) / (drawn / (1_u64 << 53) as f64).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::testing::{candidates, few_cases, visit};
    use super::*;

    /// Which clone each of so many paths belongs to.
    fn owners(fleet: &[Candidate<'_>], paths: usize) -> Vec<u64> {
        let owner = |n: usize| fleet[Rendezvous.pick(fleet, &visit(&format!("/games/{n}")))].id;
        (0..paths).map(owner).collect()
    }

    #[test]
    fn a_clone_that_leaves_moves_its_own_paths_and_no_others() {
        const PATHS: usize = 100_000;
        for clones in [3, 5, 10] {
            let mut fleet = candidates(clones);
            let before = owners(&fleet, PATHS);
            let gone = fleet.remove(1).id;
            let after = owners(&fleet, PATHS);
            let moved = before
                .iter()
                .zip(&after)
                .filter(|(old, new)| old != new)
                .count();
            let of_others = before
                .iter()
                .zip(&after)
                .filter(|(old, new)| old != new && **old != gone);
            assert_eq!(
                of_others.count(),
                0,
                "paths of clones that stayed have moved"
            );
            let fair = PATHS as f64 / clones as f64;
            let ratio = moved as f64 / fair;
            assert!(
                ratio <= 1.05,
                "one of {clones} left, and {ratio} times its fair share of paths moved: is every clone as likely to win?"
            );

            // The naive way, beside it.
            let modulo =
                |n: &usize, clones: usize| xxh3_64_with_seed(&n.to_le_bytes(), 0) as usize % clones;
            let naive = (0..PATHS)
                .filter(|n| modulo(n, clones) != modulo(n, clones - 1))
                .count();
            assert!(
                naive as f64 > 1.8 * fair,
                "`hash % clones` moved only {naive} of {PATHS}, so this test shows nothing"
            );
        }
    }

    #[test]
    fn weights_are_shares_of_the_paths() {
        let mut fleet = candidates(3);
        fleet[2].weight = 2;
        let owners = owners(&fleet, 40_000);
        let heavy = owners.iter().filter(|owner| **owner == fleet[2].id).count();
        assert!(
            (19_000..21_000).contains(&heavy),
            "weight 2 of 4, but {heavy} of 40000 paths"
        );
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn no_clone_carries_more_than_a_quarter_above_the_mean(
            clones in 1_usize..20,
            // Few paths, so that some are wanted by very many.
            paths in proptest::collection::vec(0_u8..6, 500..2_000),
        ) {
            let mut fleet = candidates(clones);
            for (number, path) in (1_usize..).zip(&paths) {
                let picked = Rendezvous.pick(&fleet, &visit(&format!("/games/{path}")));
                fleet[picked].in_flight += 1;
                let most = fleet.iter().map(|one| one.in_flight).max().unwrap();
                let bound = (BOUND * number as f64 / clones as f64).ceil();
                prop_assert!(most as f64 <= bound, "request {number}: {most} on one clone, and the bound is {bound}");
            }
        }

        #[test]
        fn an_idle_system_sends_a_path_always_to_the_same_clone(path in "/[a-z]{0,12}", clones in 1_usize..20) {
            let fleet = candidates(clones);
            let first = Rendezvous.pick(&fleet, &visit(&path));
            prop_assert!((0..20).all(|_| Rendezvous.pick(&fleet, &visit(&path)) == first));
            // Whoever comes later, with the clones in another order, finds the same.
            let mut turned = fleet.clone();
            turned.reverse();
            prop_assert_eq!(turned[Rendezvous.pick(&turned, &visit(&path))].id, fleet[first].id);
        }
    }
}
