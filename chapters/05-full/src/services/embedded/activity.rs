//! Copies reviews and orders into the activity of their customers.

use ch02_database::model::{Review, ReviewId};
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::{GameId, Order};
use sqlx::SqliteConnection;

use super::timestamp;

/// Copies a review. Runs in the transaction that writes it.
pub(super) async fn add_review_activity(
    connection: &mut SqliteConnection,
    game: GameId,
    review: &Review,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO activity SELECT ?1, ?2, 'review', id, title, ?3, 1, ?4 FROM games \
         WHERE id = ?5",
    )
    .bind(format!("review-{}", review.id))
    .bind(&review.customer)
    .bind(review.stars)
    .bind(timestamp::format(review.created_at))
    .bind(game)
    .execute(connection)
    .await
    .map(drop)
}

/// Copies an order. Does nothing if the copy exists, or if the game does not.
pub(super) async fn add_order_activity(
    connection: &mut SqliteConnection,
    order: &Order,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO activity SELECT ?1, ?2, 'order', id, title, NULL, ?3, ?4 FROM games \
         WHERE id = ?5 ON CONFLICT (id) DO NOTHING",
    )
    .bind(format!("order-{}", order.id))
    .bind(&order.customer)
    .bind(order.id <= SAMPLE_ORDERS)
    .bind(timestamp::format(order.created_at))
    .bind(order.game_id)
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes the copy of a review. Runs in the transaction that deletes the review.
pub(super) async fn delete_activity(
    connection: &mut SqliteConnection,
    review: ReviewId,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM activity WHERE id = ?")
        .bind(format!("review-{review}"))
        .execute(connection)
        .await
        .map(drop)
}
