//! The seeded generator: the same seed gives the same store on every machine.
//!
//! Each game and each order has its own random stream (ChaCha8, one stream per id). So game 7 is
//! the same in a store of ten games and in a store of ten thousand. The tests of every chapter can
//! therefore compare with stored snapshots.

mod friends;
mod news;
mod words;

use std::collections::HashMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use fake::Fake;
use fake::faker::company::en::CompanyName;
use fake::faker::name::en::FirstName;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::friends::{Friendship, TOUR_CUSTOMER};
pub use self::news::ARTICLES;
use self::words::pick;
use crate::model::{ArticleId, GENRES, Game, GameId, Product, Review, average_rating};
use crate::model::{Order, OrderId};
use crate::sharding::{BUCKETS, Bucket, bucket_of_customer, bucket_of_order};

/// The seed of the store without the flag `--seed`.
pub const DEFAULT_SEED: u64 = 42;

/// The number of sample orders. Their ids are 1 to 1,000. They are public, and their customers are
/// generated names.
pub const SAMPLE_ORDERS: OrderId = 1_000;

const MIN_CUSTOMERS: u32 = 2_000;
const MAX_REVIEWS_PER_GAME: i64 = 8;

/// Generates games, customers with friends, orders and news from a seed.
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

/// The purpose of a random stream. Each purpose has its own stream, so a new field of a game does
/// not change the orders.
enum Stream {
    Game(GameId),
    Order(OrderId),
    Customers,
    Article(ArticleId),
    /// By the customer's position in the list of all customers.
    Friends(usize),
}

impl Generator {
    /// A generator for this seed. It names the customers immediately (about a millisecond) and
    /// generates the rest on demand.
    pub fn new(seed: u64) -> Self {
        let mut generator = Generator {
            seed,
            customers: Vec::new(),
            customers_of_bucket: HashMap::new(),
        };
        generator.generate_customers();
        generator
    }

    /// The names of all customers. A number makes each name unique, such as `maya-17`.
    pub fn customers(&self) -> &[String] {
        &self.customers
    }

    /// The game with this id, with its reviews.
    pub fn product(&self, id: GameId) -> Product {
        let mut rng = self.random_stream(&Stream::Game(id));
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
                pick(&mut rng, &words::STUDIO_SUFFIXES)
            ),
            publisher: CompanyName().fake_with_rng(&mut rng),
            platform: (*pick(&mut rng, &words::PLATFORMS)).to_owned(),
            release_date: first_release_date() + Duration::days(rng.random_range(0..15 * 365)),
            price_cents: 499 + 500 * rng.random_range(0..14),
            rating: average_rating(stars, reviews.len() as i64),
            images: vec![
                static_path(id, "cover"),
                static_path(id, "screen-1"),
                static_path(id, "screen-2"),
            ],
            trailer: static_path(id, "trailer"),
            updated_at: created_at(),
        };
        Product { game, reviews }
    }

    /// The sample order with this id, for a store of `games` games.
    pub fn order(&self, id: OrderId, games: GameId) -> Order {
        let mut rng = self.random_stream(&Stream::Order(id));
        // The id contains a bucket, so the customer must belong to that bucket.
        let customers = &self.customers_of_bucket[&bucket_of_order(id)];
        let game = self.product(rng.random_range(1..=games)).game;
        let quantity = rng.random_range(1..=3);
        Order {
            id,
            customer: pick(&mut rng, customers).clone(),
            game_id: game.id,
            quantity,
            total_cents: game.price_cents * i64::from(quantity),
            created_at: created_at() + Duration::minutes(id),
        }
    }

    fn reviews(&self, game: GameId, rng: &mut ChaCha8Rng) -> Vec<Review> {
        let count = rng.random_range(0..=MAX_REVIEWS_PER_GAME);
        let mut reviews: Vec<Review> = (1..=count)
            .map(|n| {
                // The better of two throws, because most customers review games that they like.
                let stars = rng.random_range(1..=5).max(rng.random_range(1..=5));
                Review {
                    id: (game - 1) * MAX_REVIEWS_PER_GAME + n,
                    customer: pick(rng, &self.customers).clone(),
                    stars,
                    text: words::review(rng, stars),
                    created_at: created_at() - Duration::hours(rng.random_range(1..1_000)),
                }
            })
            .collect();
        reviews.sort_by_key(|review| std::cmp::Reverse((review.created_at, review.id)));
        reviews
    }

    /// Names at least 2,000 customers, and more until every bucket has one.
    fn generate_customers(&mut self) {
        let mut rng = self.random_stream(&Stream::Customers);
        for number in 1.. {
            if number > MIN_CUSTOMERS && self.customers_of_bucket.len() == usize::from(BUCKETS) {
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

    fn random_stream(&self, purpose: &Stream) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(match purpose {
            Stream::Customers => 0,
            Stream::Game(id) => (1 << 62) | *id as u64,
            Stream::Order(id) => (2 << 62) | *id as u64,
            Stream::Article(id) => (1 << 61) | *id as u64,
            Stream::Friends(number) => (3 << 62) | *number as u64,
        });
        rng
    }
}

/// The time of the last change of a generated store. It is fixed, because a snapshot must not
/// depend on the current date.
fn created_at() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(1_767_225_600).expect("2026-01-01T00:00:00Z is in range")
}

fn static_path(id: GameId, name: &str) -> String {
    format!("/static/art/{id}/{name}.svg")
}

/// The earliest release date.
fn first_release_date() -> NaiveDate {
    NaiveDate::from_ymd_opt(2010, 1, 1).expect("2010-01-01 is a valid date")
}
