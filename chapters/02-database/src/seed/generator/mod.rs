//! The seeded generator: the same seed gives the same store on every machine.
//!
//! Each game, and each order, draws from a random stream of its own (ChaCha8, one stream for each id), so game 7 is the same
//! whether ten games are made or ten thousand, in order or not. That is what lets the tests of every chapter compare
//! against stored snapshots. Left out: friends, news and launch events, which arrive with the chapters that use them.

mod words;

use std::collections::HashMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use fake::Fake;
use fake::faker::company::en::CompanyName;
use fake::faker::name::en::FirstName;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::{GENRES, Game, GameId, Product, Review, average_rating};
use crate::model::{Order, OrderId};
use crate::sharding::{BUCKETS, Bucket, bucket_of_customer, bucket_of_order};

/// The seed that the store uses unless it is told another one.
pub const DEFAULT_SEED: u64 = 42;

/// How many sample orders there are. They have the ids 1 to 1,000 and belong to nobody who can log in by accident, so
/// everybody may look at them.
pub const SAMPLE_ORDERS: OrderId = 1_000;

const CUSTOMERS: u32 = 2_000;
const MAX_REVIEWS: i64 = 8;

/// Makes games, customers and orders from a seed.
///
/// ```
/// use ch02_database::seed::generator::Generator;
/// let store = Generator::new(42);
/// assert_eq!(store.product(7), Generator::new(42).product(7));
/// ```
pub struct Generator {
    seed: u64,
    customers: Vec<String>,
    customers_of_bucket: HashMap<Bucket, Vec<String>>,
}

/// What a random stream is for. Two purposes never share a stream, so adding a field here cannot move a value there.
enum Stream {
    Game(GameId),
    Order(OrderId),
    Customers,
}

impl Generator {
    /// A generator for this seed. Names the customers at once (about a millisecond); the rest is made when it is asked for.
    pub fn new(seed: u64) -> Self {
        let mut generator = Generator {
            seed,
            customers: Vec::new(),
            customers_of_bucket: HashMap::new(),
        };
        generator.name_customers();
        generator
    }

    /// The names of all customers, each with the hyphen and number that keep it unique, such as `maya-17`.
    pub fn customers(&self) -> &[String] {
        &self.customers
    }

    /// The game with this id, with its reviews.
    pub fn product(&self, id: GameId) -> Product {
        let mut rng = self.stream(&Stream::Game(id));
        let title = words::title(&mut rng);
        let genre = pick(&mut rng, &GENRES);
        let reviews = self.reviews(id, &mut rng);
        let stars: i64 = reviews.iter().map(|review| i64::from(review.stars)).sum();
        let game = Game {
            id,
            slug: format!("{}-{id}", title.to_lowercase().replace(' ', "-")),
            description: words::description(&mut rng, &title, genre),
            title,
            genre: (*genre).to_owned(),
            developer: format!(
                "{} {}",
                CompanyName().fake_with_rng::<String, _>(&mut rng),
                pick(&mut rng, &words::STUDIO)
            ),
            publisher: CompanyName().fake_with_rng(&mut rng),
            platform: (*pick(&mut rng, &words::PLATFORMS)).to_owned(),
            release_date: first_release() + Duration::days(rng.random_range(0..15 * 365)),
            price_cents: 499 + 500 * rng.random_range(0..14),
            rating: average_rating(stars, reviews.len() as i64),
            images: vec![art(id, "cover"), art(id, "screen-1"), art(id, "screen-2")],
            trailer: art(id, "trailer"),
            updated_at: the_beginning(),
        };
        Product { game, reviews }
    }

    /// The sample order with this id, for a store of `games` games.
    pub fn order(&self, id: OrderId, games: GameId) -> Order {
        let mut rng = self.stream(&Stream::Order(id));
        // The id names a bucket, so the customer has to be one of that bucket's.
        let customers = &self.customers_of_bucket[&bucket_of_order(id)];
        let game = self.product(rng.random_range(1..=games)).game;
        let quantity = rng.random_range(1..=3);
        Order {
            id,
            customer: pick(&mut rng, customers).clone(),
            game_id: game.id,
            quantity,
            total_cents: game.price_cents * i64::from(quantity),
            created_at: the_beginning() + Duration::minutes(id),
        }
    }

    fn reviews(&self, game: GameId, rng: &mut ChaCha8Rng) -> Vec<Review> {
        let count = rng.random_range(0..=MAX_REVIEWS);
        let mut reviews: Vec<Review> = (1..=count)
            .map(|n| {
                // People who dislike a game seldom finish a review: the better of two throws.
                let stars = rng.random_range(1..=5).max(rng.random_range(1..=5));
                Review {
                    id: (game - 1) * MAX_REVIEWS + n,
                    customer: pick(rng, &self.customers).clone(),
                    stars,
                    text: words::review(rng, stars),
                    created_at: the_beginning() - Duration::hours(rng.random_range(1..1_000)),
                }
            })
            .collect();
        reviews.sort_by_key(|review| std::cmp::Reverse((review.created_at, review.id)));
        reviews
    }

    /// Names 2,000 customers, and then as many more as it takes until every bucket has one.
    fn name_customers(&mut self) {
        let mut rng = self.stream(&Stream::Customers);
        for number in 1.. {
            if number > CUSTOMERS && self.customers_of_bucket.len() == usize::from(BUCKETS) {
                break;
            }
            let first: &str = FirstName().fake_with_rng(&mut rng);
            let name = format!("{}-{number}", first.to_lowercase());
            self.customers_of_bucket
                .entry(bucket_of_customer(&name))
                .or_default()
                .push(name.clone());
            self.customers.push(name);
        }
    }

    fn stream(&self, purpose: &Stream) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(match purpose {
            Stream::Customers => 0,
            Stream::Game(id) => (1 << 62) | *id as u64,
            Stream::Order(id) => (2 << 62) | *id as u64,
        });
        rng
    }
}

/// The moment at which the generated store was last changed. Fixed, for a snapshot must not depend on today.
fn the_beginning() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(1_767_225_600).expect("2026-01-01T00:00:00Z is in range")
}

fn art(id: GameId, name: &str) -> String {
    format!("/static/art/{id}/{name}.svg")
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, choices: &'a [T]) -> &'a T {
    choices.choose(rng).expect("no list of choices is empty")
}

/// The day from which release dates are counted.
fn first_release() -> NaiveDate {
    NaiveDate::from_ymd_opt(2010, 1, 1).expect("a day that exists")
}
