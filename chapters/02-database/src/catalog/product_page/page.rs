//! The content of the product page.

use crate::model::Product;

/// What the product page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductPage {
    /// The game and its reviews.
    pub product: Product,
    /// The authors of these reviews, sorted by name.
    pub authors: Vec<Author>,
}

/// The author of a review.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Author {
    /// The customer.
    pub name: String,
    /// The number of the customer's reviews, of all games.
    pub reviews: i64,
    /// The number of the customer's friends.
    pub friends: i64,
}
