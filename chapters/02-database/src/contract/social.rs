//! The contract of [`Social`].

use chrono::{DateTime, Duration, Utc};

use super::client::Client;
use super::reviews::new_review;
use crate::catalog::{ActivityKey, Catalog, Social};
use crate::model::{Activity, ActivityKind, Friend, GameId, Order};
use crate::seed::generator::{DEFAULT_SEED, Generator, SAMPLE_ORDERS, TOUR_CUSTOMER};

/// Checks what every [`Social`] must do. Takes a store that was just filled with `games` games of
/// the default seed, adds reviews and records orders. Both traits are of the same store.
///
/// # Panics
/// At the first broken promise. The message names the likely mistake.
pub async fn check_social(social: &dyn Social, catalog: &dyn Catalog, games: GameId) {
    let client = &Client::with_social(catalog, social);
    let generator = Generator::new(DEFAULT_SEED);
    friends_are_returned_both_ways(client, &generator).await;
    seeded_activity_is_returned(client, &generator, games).await;
    friends_activity_is_merged(client, &generator, games).await;
    review_is_in_the_streams_until_deleted(client, &generator).await;
    order_is_copied_once(client, &generator).await;
    orders_are_for_friends_only(client, &generator).await;
    unknown_names_have_empty_lists(client).await;
}

async fn friends_are_returned_both_ways(client: &Client<'_>, generator: &Generator) {
    let busiest = &generator.customers()[0];
    for customer in [busiest.as_str(), TOUR_CUSTOMER] {
        let expected = friends_of(generator, customer);
        assert!(!expected.is_empty(), "{customer} has no friends to compare");
        let mut found: Vec<Friend> = Vec::new();
        loop {
            let after = found.last().map(|friend| friend.name.clone());
            let page = client.friends(customer, after.as_deref(), 2).await.unwrap();
            assert!(page.value.len() <= 2, "a page must not exceed its limit");
            if page.value.is_empty() {
                break;
            }
            found.extend(page.value);
        }
        assert_eq!(
            found, expected,
            "the friends of {customer}; are both directions stored, and sorted by name?"
        );
    }
}

async fn seeded_activity_is_returned(client: &Client<'_>, generator: &Generator, games: GameId) {
    let all = seeded_activity(generator, games);
    // Page size 1 is the hardest for the paging.
    let busiest = all.iter().map(|event| event.customer.as_str());
    let busiest = busiest.clone().max_by_key(|name| {
        let events = busiest.clone();
        (events.filter(|other| other == name).count(), *name)
    });
    let busiest = busiest.expect("the store has activity");
    let expected: Vec<Activity> = of(&all, &[busiest]);
    assert!(expected.len() > 1, "{busiest} has too little activity");
    for limit in [1, 2, 100] {
        let found = all_pages(async |before| {
            let page = client.activity(busiest, None, before.as_ref(), limit).await;
            page.unwrap().value
        });
        assert_eq!(
            found.await,
            expected,
            "the activity of {busiest}, {limit} a page; newest first, by time and then by id?"
        );
    }
}

async fn friends_activity_is_merged(client: &Client<'_>, generator: &Generator, games: GameId) {
    let all = seeded_activity(generator, games);
    let friends = friends_of(generator, TOUR_CUSTOMER);
    let names: Vec<&str> = friends.iter().map(|friend| friend.name.as_str()).collect();
    let expected = of(&all, &names);
    assert!(!expected.is_empty(), "no friend of ada has activity");
    for limit in [1, 100] {
        let found = all_pages(async |before| {
            let page = client.friends_activity(TOUR_CUSTOMER, before.as_ref(), limit);
            page.await.unwrap().value
        });
        assert_eq!(found.await, expected, "the feed of ada, {limit} a page");
    }
}

async fn review_is_in_the_streams_until_deleted(client: &Client<'_>, generator: &Generator) {
    let author = &friends_of(generator, TOUR_CUSTOMER)[0].name;
    let new = new_review(author, 5, "Splendid.");
    let review = client.add_review(7, &new).await.unwrap();
    let review = review.expect("game 7 exists");
    let title = generator.product(7).game.title;
    let expected = Activity {
        id: format!("review-{}", review.id),
        customer: author.clone(),
        kind: ActivityKind::Review,
        game_id: 7,
        game_title: title,
        stars: Some(5),
        created_at: review.created_at,
    };
    let first = async || {
        let own = client.activity(author, None, None, 1).await.unwrap().value;
        let feed = client.friends_activity(TOUR_CUSTOMER, None, 1).await;
        (own.first().cloned(), feed.unwrap().value.first().cloned())
    };
    assert_eq!(
        first().await,
        (Some(expected.clone()), Some(expected.clone())),
        "a review must be in its author's stream and in the feeds of the author's friends"
    );
    let refused = client.delete_review(7, review.id, TOUR_CUSTOMER).await;
    refused.expect("only the author may delete a review, and that is not an error");
    assert_eq!(
        first().await.0.as_ref(),
        Some(&expected),
        "a refused deletion must not delete the activity"
    );
    client.delete_review(7, review.id, author).await.unwrap();
    let (own, feed) = first().await;
    for (stream, first) in [("stream", own), ("feed", feed)] {
        assert_ne!(
            first.as_ref(),
            Some(&expected),
            "a deleted review is still in the {stream}"
        );
    }
}

async fn order_is_copied_once(client: &Client<'_>, generator: &Generator) {
    let buyer = &friends_of(generator, TOUR_CUSTOMER)[1].name;
    let order = new_order(1_000_001, buyer, Utc::now());
    let before = all_of(client, buyer, Some(buyer)).await.len();
    for _ in 0..2 {
        client.record_order(&order).await.unwrap();
    }
    let after = all_of(client, buyer, Some(buyer)).await;
    assert_eq!(
        after.len(),
        before + 1,
        "an order that is recorded twice must be in the stream once"
    );
    let title = client.game(7).await.unwrap().value;
    let title = title.expect("game 7 exists").title;
    assert_eq!(
        (after[0].id.as_str(), after[0].kind, after[0].stars),
        ("order-1000001", ActivityKind::Order, None)
    );
    assert_eq!(after[0].game_title, title, "the title of game 7");
    let feed = client.friends_activity(TOUR_CUSTOMER, None, 1).await;
    assert_eq!(feed.unwrap().value[0], after[0]);

    let unknown = Order {
        game_id: GameId::MAX,
        ..new_order(1_000_002, buyer, Utc::now())
    };
    client.record_order(&unknown).await.unwrap();
    assert_eq!(
        all_of(client, buyer, Some(buyer)).await.len(),
        before + 1,
        "an order of a game that does not exist must be ignored, not an error"
    );
}

/// Orders are private, reviews are not.
async fn orders_are_for_friends_only(client: &Client<'_>, generator: &Generator) {
    let buyer = &friends_of(generator, TOUR_CUSTOMER)[2].name;
    let order = new_order(1_000_003, buyer, Utc::now());
    client.record_order(&order).await.unwrap();
    for (viewer, may_see) in [
        (None, false),
        (Some("nobody"), false),
        (Some(""), false),
        (Some(TOUR_CUSTOMER), true),
        (Some(buyer.as_str()), true),
    ] {
        let seen = all_of(client, buyer, viewer).await;
        let seen = seen.iter().any(|event| event.id == "order-1000003");
        assert_eq!(
            seen, may_see,
            "{viewer:?} looks at the orders of {buyer}; only the customer and friends may see them"
        );
    }
}

async fn unknown_names_have_empty_lists(client: &Client<'_>) {
    for name in ["", "nonesuch", "a\0b", "%", "日本"] {
        assert!(
            client
                .friends(name, None, 5)
                .await
                .unwrap()
                .value
                .is_empty()
        );
        assert!(all_of(client, name, Some(name)).await.is_empty());
        let feed = client.friends_activity(name, None, 5).await.unwrap();
        assert!(feed.value.is_empty(), "feed of {name:?}");
    }
}

async fn all_of(client: &Client<'_>, customer: &str, viewer: Option<&str>) -> Vec<Activity> {
    let page = client.activity(customer, viewer, None, 1_000).await;
    page.unwrap().value
}

async fn all_pages(page: impl AsyncFn(Option<ActivityKey>) -> Vec<Activity>) -> Vec<Activity> {
    let mut found: Vec<Activity> = Vec::new();
    loop {
        let next = page(found.last().map(ActivityKey::from)).await;
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

/// The activity of a new store, newest first.
fn seeded_activity(generator: &Generator, games: GameId) -> Vec<Activity> {
    let products = (1..=games).map(|id| generator.product(id));
    let reviews = products.flat_map(|product| {
        let game = product.game;
        product.reviews.into_iter().map(move |review| Activity {
            id: format!("review-{}", review.id),
            customer: review.customer,
            kind: ActivityKind::Review,
            game_id: game.id,
            game_title: game.title.clone(),
            stars: Some(review.stars),
            created_at: review.created_at,
        })
    });
    let orders = (1..=SAMPLE_ORDERS).map(|id| {
        let order = generator.order(id, games);
        Activity {
            id: format!("order-{id}"),
            customer: order.customer,
            kind: ActivityKind::Order,
            game_id: order.game_id,
            game_title: generator.product(order.game_id).game.title,
            stars: None,
            created_at: order.created_at,
        }
    });
    let mut all: Vec<Activity> = reviews.chain(orders).collect();
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    all
}

fn of(all: &[Activity], customers: &[&str]) -> Vec<Activity> {
    let events = all.iter();
    events
        .filter(|event| customers.contains(&event.customer.as_str()))
        .cloned()
        .collect()
}

/// The friends of a customer in a new store, sorted by name.
fn friends_of(generator: &Generator, customer: &str) -> Vec<Friend> {
    let friendships = generator.friendships().into_iter();
    let mut friends: Vec<Friend> = friendships
        .filter_map(|friendship| {
            let (one, other) = friendship.between;
            let name = match customer {
                customer if customer == one => other,
                customer if customer == other => one,
                _ => return None,
            };
            let since = friendship.since;
            Some(Friend { name, since })
        })
        .collect();
    friends.sort_by(|a, b| a.name.cmp(&b.name));
    friends
}

/// An order of game 7, as a shard returns it.
fn new_order(id: i64, customer: &str, created_at: DateTime<Utc>) -> Order {
    Order {
        id,
        customer: customer.to_owned(),
        game_id: 7,
        quantity: 1,
        total_cents: 1_499,
        // Databases keep microseconds. Later than every seeded event.
        created_at: DateTime::from_timestamp_micros(created_at.timestamp_micros())
            .expect("the current time is in range")
            + Duration::hours(1),
    }
}
