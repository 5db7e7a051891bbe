//! The contract of [`Catalog`](crate::Catalog) for the age of an answer.

use super::client::Client;
use crate::catalog::GameChange;
use crate::replication::{Consistency, ConsistencyToken};

/// Writes and reads in turn. A read with the token of the write shows it, and so does a read from
/// the primary. A read with the token of the last read shows nothing older.
pub(super) async fn reads_with_a_token_show_the_write(client: &Client<'_>) {
    let catalog = client.catalog;
    let mut earlier = None;
    for price in 1..=20 {
        let change = GameChange {
            price_cents: Some(price),
            description: None,
        };
        let written = catalog.change(10, &change).await.unwrap();
        let of_write = Consistency::from(written.token);
        for consistency in [of_write, Consistency::Primary] {
            let read = catalog.game(10, consistency).await.unwrap();
            let shown = read.value.expect("game 10 exists").price_cents;
            assert_eq!(
                shown, price,
                "{} answered a read with {consistency:?}, and showed an older price",
                read.node
            );
        }
        assert!(
            earlier <= written.token,
            "the token of a later write is smaller: {earlier:?}, then {:?}",
            written.token
        );
        earlier = written.token;
    }

    let mut seen = (0, ConsistencyToken::START);
    for _ in 0..20 {
        let consistency = Consistency::AtLeast(seen.1);
        let read = catalog.game(10, consistency).await.unwrap();
        let shown = read.value.expect("game 10 exists").price_cents;
        assert!(
            shown >= seen.0,
            "{} went back from price {} to {shown}",
            read.node,
            seen.0
        );
        seen = (shown, read.token.unwrap_or(seen.1));
    }
}
