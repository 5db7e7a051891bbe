//! Friendships between the generated customers.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use rand::RngExt;

use super::words::pick;
use super::{Generator, Stream, created_at};

/// The customer of the book and of every tour. Everybody can log in with this name. It has friends
/// from the beginning, and no activity.
pub const TOUR_CUSTOMER: &str = "ada";

const MAX_INVITATIONS: usize = 3;
const FRIENDS_OF_TOUR_CUSTOMER: usize = 12;

/// A friendship of two customers. A store holds it in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friendship {
    /// The names of the two customers.
    pub between: (String, String),
    /// When the friendship began.
    pub since: DateTime<Utc>,
}

impl Generator {
    /// All friendships, each once. A generated customer has four friends on average.
    pub fn friendships(&self) -> Vec<Friendship> {
        let mut seen = BTreeSet::new();
        let mut friendships = Vec::new();
        // Each customer invites some of the others. A new customer does not change the invitations
        // of the earlier ones, because each has a random stream of their own.
        let customers = self.customers.iter().map(String::as_str);
        for (number, name) in customers.chain([TOUR_CUSTOMER]).enumerate() {
            let mut rng = self.random_stream(&Stream::Friends(number));
            let invitations = if name == TOUR_CUSTOMER {
                FRIENDS_OF_TOUR_CUSTOMER
            } else {
                rng.random_range(1..=MAX_INVITATIONS)
            };
            for _ in 0..invitations {
                let friend = pick(&mut rng, &self.customers);
                let since = created_at() - Duration::hours(rng.random_range(24..20_000));
                let pair = if name < friend.as_str() {
                    (name, friend.as_str())
                } else {
                    (friend.as_str(), name)
                };
                if name != friend && seen.insert(pair) {
                    friendships.push(Friendship {
                        between: (name.to_owned(), friend.clone()),
                        since,
                    });
                }
            }
        }
        friendships
    }
}
