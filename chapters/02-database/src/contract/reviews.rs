//! The contract of [`Catalog`](crate::Catalog) for reviews: only the author deletes a review, and
//! every review counts in the rating.

use futures_util::future::join_all;

use super::client::Client;
use crate::catalog::{DeleteOutcome, NewReview};
use crate::model::{GameId, Product, Review, average_rating};

pub(super) async fn reviews_change_the_rating(
    client: &Client<'_>,
    before: &Product,
    games: GameId,
) {
    let id = before.game.id;
    let stars: i64 = before
        .reviews
        .iter()
        .map(|review| i64::from(review.stars))
        .sum();
    let count = before.reviews.len() as i64;

    let review = client
        .add_review(id, &new_review("ada", 1, "Not for me."))
        .await
        .unwrap()
        .expect("the game exists");
    assert_eq!(
        (review.customer.as_str(), review.stars, review.text.as_str()),
        ("ada", 1, "Not for me.")
    );
    let product = client
        .product(id)
        .await
        .unwrap()
        .value
        .expect("the game exists");
    assert_eq!(
        product.reviews.first(),
        Some(&review),
        "the newest review must come first"
    );
    assert_eq!(product.reviews.len() as i64, count + 1);
    assert_eq!(
        product.game.rating,
        average_rating(stars + 1, count + 1),
        "the rating must change in the same transaction as the review"
    );
    assert!(
        product.game.updated_at > before.game.updated_at,
        "a review must set a later `updated_at` of its game"
    );

    assert_eq!(
        client.delete_review(id, review.id, "eve").await.unwrap(),
        DeleteOutcome::NotAuthor
    );
    assert_eq!(
        client
            .delete_review(id + 1, review.id, "ada")
            .await
            .unwrap(),
        DeleteOutcome::NotFound
    );
    assert_eq!(
        reviews(client, id).await.len() as i64,
        count + 1,
        "a rejected deletion has deleted a review"
    );
    assert_eq!(
        client.delete_review(id, review.id, "ada").await.unwrap(),
        DeleteOutcome::Deleted
    );
    assert_eq!(
        client.delete_review(id, review.id, "ada").await.unwrap(),
        DeleteOutcome::NotFound
    );
    let product = client
        .product(id)
        .await
        .unwrap()
        .value
        .expect("the game exists");
    assert_eq!(
        (&product.reviews, product.game.rating),
        (&before.reviews, before.game.rating)
    );

    assert_eq!(
        client
            .add_review(games + 1, &new_review("ada", 5, "?"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        client.delete_review(games + 1, 1, "ada").await.unwrap(),
        DeleteOutcome::NotFound
    );
}

pub(super) async fn concurrent_reviews_are_all_counted(client: &Client<'_>) {
    let before = reviews(client, 4).await;
    let names: Vec<String> = (0..20).map(|n| format!("reviewer-{n}")).collect();
    let added = join_all(names.iter().map(async |name| {
        let review = client
            .add_review(4, &new_review(name, 5, "Me too."))
            .await
            .unwrap();
        review.expect("game 4 exists")
    }));
    let added = added.await;
    let stars: i64 = before
        .iter()
        .chain(&added)
        .map(|review| i64::from(review.stars))
        .sum();
    let count = (before.len() + added.len()) as i64;
    let game = client.game(4).await.unwrap().value.expect("game 4 exists");
    assert_eq!(
        game.rating,
        average_rating(stars, count),
        "two concurrent reviews have overwritten each other's count"
    );

    // Two concurrent deletions of each review.
    let twice = added.iter().flat_map(|review| [review, review]);
    let deleted = join_all(twice.map(async |review| {
        let deleted = client.delete_review(4, review.id, &review.customer).await;
        deleted.expect("the second deletion of a review must not be an error")
    }));
    let deleted = deleted.await;
    let count = deleted
        .iter()
        .filter(|deleted| **deleted == DeleteOutcome::Deleted)
        .count();
    assert_eq!(
        count,
        added.len(),
        "each review must be deleted exactly once: {deleted:?}"
    );
    assert_eq!(reviews(client, 4).await, before);
}

/// The reviews of a game.
pub(super) async fn reviews(client: &Client<'_>, id: GameId) -> Vec<Review> {
    let product = client.product(id).await.unwrap().value;
    product.expect("the game exists").reviews
}

/// A review that is not stored yet.
pub(super) fn new_review(customer: &str, stars: u8, text: &str) -> NewReview {
    NewReview {
        customer: customer.to_owned(),
        stars,
        text: text.to_owned(),
    }
}
